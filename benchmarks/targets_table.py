"""The table of a comparison on the gallery: each optimizer's regret per target, and the differences with their intervals.

A score is turned into a regret between 0, the best score that any run reached, and 1, the median of random draws; a front
counts by its hypervolume between the best and the worst values of all trials, the largest volume being 0 and none 1.
Differences are paired by seed; intervals are 95 % bootstraps over seeds, widened by √(n/(n-1)).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Runs = Mapping[tuple[str, str, int], Mapping[str, Any]]
DRAWS = 2000
OTHERS = ("random", "optuna-tpe")


def regrets(runs: Runs, name: str) -> dict[str, dict[int, float]]:
    """Return the regret of each optimizer at each seed on one target."""
    own = {(o, s): r for (target, o, s), r in runs.items() if target == name}
    scores = {key: r["score"] for key, r in own.items()}
    if any(isinstance(score, list) for score in scores.values()):
        scores, median = _volumes(scores, _measured(own.values())), 0.0
    else:
        median = float(np.median(_measured(r for (o, _), r in own.items() if o == "random")[:, 0]))
    best = min(score for score in scores.values() if score is not None)
    out: dict[str, dict[int, float]] = {}
    for (optimizer, seed), score in scores.items():
        regret = 1.0 if score is None else (score - best) / max(median - best, 1e-12)
        out.setdefault(optimizer, {})[seed] = float(np.clip(regret, 0.0, 1.0))
    return out


def _measured(runs: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Return all feasible values (n, m), to be minimized."""
    pairs = ((r, v, ok) for r in runs for v, ok in zip(r["values"], r["feasible"], strict=True))
    return np.array([np.multiply(r["signs"], v) for r, v, ok in pairs if v and ok])


def _volumes(fronts: Mapping[tuple[str, int], Any], points: np.ndarray) -> dict[tuple[str, int], float]:
    """Return minus the hypervolume of each front, between the best and the worst of these points (n, m)."""
    from optuna._hypervolume import compute_hypervolume

    low, high = points.min(0), points.max(0)
    out: dict[tuple[str, int], float] = {}
    for key, front in fronts.items():
        scaled = (np.array(front or [high]) - low) / np.maximum(high - low, 1e-12)
        out[key] = -float(compute_hypervolume(np.minimum(scaled, 1.0), np.ones(points.shape[1])))
    return out


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> tuple[float, float, float]:
    """Return the mean paired difference and its interval."""
    gaps = np.array([ours[s] - theirs[s] for s in ours if s in theirs])
    n, rng = len(gaps), np.random.default_rng(0)
    draws = rng.choice(gaps, (DRAWS, n)).mean(1)
    widened = gaps.mean() + (draws - gaps.mean()) * np.sqrt(n / max(n - 1, 1))
    low, high = np.quantile(widened, [0.025, 0.975])
    return float(gaps.mean()), float(low), float(high)


def table(runs: Runs, names: Sequence[str]) -> str:
    """Return the comparison as a table, with the mean over targets as its last line."""
    lines = [
        "| target | seeds | trialogue | random | optuna-tpe | less random [95 %] | less TPE [95 %] |",
        "|" + "---|" * 7,
    ]
    means: list[list[float]] = []
    for name in names:
        per = regrets(runs, name) if any(key[0] == name for key in runs) else {}
        if not {"trialogue", *OTHERS} <= per.keys():
            continue
        own = per["trialogue"]
        means.append([float(np.mean(list(per[o].values()))) for o in ("trialogue", *OTHERS)])
        gaps = [difference(own, per[o]) for o in OTHERS]
        cells = [*(f"{m:.2f}" for m in means[-1]), *(f"{g[0]:+.2f} [{g[1]:+.2f}, {g[2]:+.2f}]" for g in gaps)]
        lines.append(f"| {name} | {len(own)} | " + " | ".join(cells) + " |")
    if means:
        lines.append(
            f"| mean of {len(means)} | | " + " | ".join(f"{m:.2f}" for m in np.mean(means, axis=0)) + " | | |"
        )
    return "\n".join(lines)
