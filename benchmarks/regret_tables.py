"""Tables of kept runs: normalised regret with bootstrap intervals, by family, ranks, and paired differences.

A mean is over problems of the mean over seeds. Intervals are 95 % bootstraps over the seeds of each problem, widened by
√(n/(n-1)) for n seeds; there is none where a problem has a single seed. They say nothing of other problems than these.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Runs = dict[str, list[dict[str, Any]]]
Known = Mapping[str, tuple[float, float]]
Finals = dict[str, np.ndarray]
"""Regrets (seeds,) of each problem after some number of trials."""
MARKS = (5, 10, 20, 30)
DRAWS = 1000


def regret(run: Mapping[str, Any], known: Known) -> np.ndarray:
    """Return the regret of a run after each trial."""
    low, median = known[run["case"]]
    values = np.array([np.inf if v is None else v for v in run["curve"]])
    return np.clip((values - low) / max(median - low, 1e-12), 0.0, 1.0)


def regrets(runs: Sequence[Mapping[str, Any]], known: Known, mark: int) -> Finals:
    """Return the regrets at ``mark`` trials of each problem that has runs of such length."""
    out: dict[str, list[float]] = {}
    for r in runs:
        if r["case"] in known and len(r["curve"]) >= mark:
            out.setdefault(r["case"], []).append(float(regret(r, known)[mark - 1]))
    return {name: np.array(values) for name, values in out.items()}


def resampled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return DRAWS bootstrap means of the values (n,), n at least 2."""
    n = len(values)
    means = rng.choice(values, (DRAWS, n)).mean(axis=1)
    return values.mean() + (means - values.mean()) * np.sqrt(n / (n - 1))


def interval(finals: Finals, names: Sequence[str], rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the mean over problems and its interval (nan where it has none)."""
    mean = float(np.mean([finals[n].mean() for n in names])) if names else np.nan
    if not names or any(len(finals[n]) < 2 for n in names):
        return mean, np.nan, np.nan
    draws = np.mean([resampled(finals[n], rng) for n in names], axis=0)
    low, high = np.quantile(draws, [0.025, 0.975])
    return mean, float(low), float(high)


def shown(mean: float, low: float, high: float, sign: str = "") -> str:
    bounds = f" [{low:{sign}.3f}, {high:{sign}.3f}]" if np.isfinite(low) else ""
    return f"{mean:{sign}.3f}{bounds}" if np.isfinite(mean) else "–"


def main_table(everything: Runs, known: Known, names: Sequence[str], systems: Sequence[str]) -> None:
    """Print regret at the marks, mean rank at the last, wasted trials on the systems, and CPU."""
    rng = np.random.default_rng(0)
    ranks = mean_ranks(everything, known, names)
    print("| optimizer | seeds | problems | @5 | @10 | @20 | @30 [95 %] | mean rank | wasted | CPU ms |")
    print("|" + "---|" * 10)
    for label, runs in everything.items():
        chosen = [r for r in runs if r["case"] in names]
        have = [n for n in names if any(r["case"] == n for r in chosen)]
        if not have:
            continue
        marks = [interval(regrets(chosen, known, m), have, rng) for m in MARKS]
        counts = [len(v) for v in regrets(chosen, known, 30).values()]
        seeds = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"
        wasted = [r["wasted"] for r in chosen if r["case"] in systems]
        rank = f"{ranks[label]:.2f}" if label in ranks else "–"
        cells = [label, seeds, f"{len(have)}", *(f"{m[0]:.3f}" for m in marks[:-1]), shown(*marks[-1]), rank]
        cells += [
            f"{np.mean(wasted):.1f}" if wasted else "–",
            f"{np.mean([r['cpu_ms'] for r in chosen]):.1f}",
        ]
        print("| " + " | ".join(cells) + " |")


def mean_ranks(everything: Runs, known: Known, names: Sequence[str]) -> dict[str, float]:
    """Return the mean rank at 30 trials among the optimizers that ran on all problems (1 = best; ties share)."""
    finals = {label: regrets(runs, known, 30) for label, runs in everything.items()}
    full = [label for label, f in finals.items() if all(n in f for n in names)]
    means = np.array([[finals[label][n].mean() for n in names] for label in full])
    if not len(means):
        return {}
    below = (means[None] < means[:, None]).sum(axis=1)
    ties = (means[None] == means[:, None]).sum(axis=1)
    return dict(zip(full, (below + 0.5 * (ties + 1)).mean(axis=1), strict=True))


def family_table(everything: Runs, known: Known, families: Mapping[str, Sequence[str]]) -> None:
    """Print regret at 30 trials by family."""
    rng = np.random.default_rng(0)
    print("\n| @30 | " + " | ".join(f"{f} ({len(n)})" for f, n in families.items()) + " |")
    print("|" + "---|" * (1 + len(families)))
    for label, runs in everything.items():
        finals = regrets(runs, known, 30)
        cells = [
            shown(*interval(finals, names, rng)) if all(n in finals for n in names) else "–"
            for names in families.values()
        ]
        if set(cells) != {"–"}:
            print(f"| {label} | " + " | ".join(cells) + " |")


def paired_table(
    everything: Runs,
    known: Known,
    first: str,
    families: Mapping[str, Sequence[str]],
    mark: int = 30,
) -> None:
    """Print the difference of ``first`` to every other over the problems that both ran, in all and by family."""
    rng, ours = np.random.default_rng(0), regrets(everything[first], known, mark)
    print(
        f"\n| {first} less … | problems | difference @{mark} [95 %] | better on | "
        + " | ".join(families)
        + " |"
    )
    print("|" + "---|" * (4 + len(families)))
    for label, runs in everything.items():
        theirs = regrets(runs, known, mark)
        shared = [n for n in known if n in ours and n in theirs]
        if label == first or not shared:
            continue
        better = sum(ours[n].mean() < theirs[n].mean() for n in shared)
        cells = [
            shown(*_difference(ours, theirs, [n for n in names if n in shared], rng), sign="+")
            for names in families.values()
        ]
        overall = shown(*_difference(ours, theirs, shared, rng), sign="+")
        print("| " + " | ".join([label, f"{len(shared)}", overall, f"{better}", *cells]) + " |")


def _difference(
    ours: Finals, theirs: Finals, names: Sequence[str], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the mean difference and its interval; a problem with one seed on a side lends it the other side's spread."""
    if not names:
        return np.nan, np.nan, np.nan
    mean = float(np.mean([ours[n].mean() - theirs[n].mean() for n in names]))
    if any(len(ours[n]) < 2 for n in names):
        return mean, np.nan, np.nan
    draws = [mean + _noise(ours[n], ours[n], rng) - _noise(theirs[n], ours[n], rng) for n in names]
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return mean, float(low), float(high)


def _noise(own: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return DRAWS errors of the mean of ``own``; a single seed is taken to be as uncertain as one of the ``other``."""
    if len(own) > 1:
        return resampled(own, rng) - own.mean()
    return rng.choice(other - other.mean(), DRAWS)


def detail(everything: Runs, known: Known, names: Sequence[str]) -> None:
    """Print regret at 30 trials of every problem."""
    labels = list(everything)
    print("\n| @30 | " + " | ".join(labels) + " |\n|" + "---|" * (1 + len(labels)))
    finals = {label: regrets(runs, known, 30) for label, runs in everything.items()}
    for n in names:
        cells = [f"{finals[x][n].mean():.3f}" if n in finals[x] else "–" for x in labels]
        print("| " + " | ".join([n, *cells]) + " |")
