"""The table of ``no_harm.py``: regret with and without a model, paired by problem and seed, and the targets missed.

A row is one study: problem, seed, model, gate, ``regret`` after each trial, ``keys`` of its trials, ``verdicts``,
tokens, calls, seconds. Only studies that every arm has are compared, so a run that was cut off can be read too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = Mapping[str, Any]
Arm = Mapping[tuple[str, int], Row]
BAD = ("random", "stuck", "adversarial", "liar", "near_best", "echo", "turncoat", "alternating", "sandbagger")
"""Models that must do no harm: at 30 trials the upper end of the paired interval is at most 1.10."""

_HEAD = (
    "model              gate       regret@10  ratio [95 %]            regret@30  ratio [95 %]        "
    "    difference@30 [95 %]         same  kept tokens  s (most)"
)


def ratio_interval(a: np.ndarray, b: np.ndarray, *, draws: int = 4_000) -> tuple[float, float, float]:
    """Return mean(a) / mean(b) with its 95 % paired bootstrap interval over problems, then seeds; a, b (problems,
    seeds)."""
    ratios = np.array(
        [a[i].mean() / max(b[i].mean(), 1e-12) for i in _resampled(a.shape[0], a.shape[1], draws)]
    )
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(a.mean() / max(b.mean(), 1e-12)), float(low), float(high)


def difference_interval(a: np.ndarray, b: np.ndarray, *, draws: int = 4_000) -> tuple[float, float, float]:
    """Return mean(a - b) in normalised regret with its 95 % paired bootstrap interval; a, b (problems, seeds)."""
    d = a - b
    low, high = np.quantile([d[i].mean() for i in _resampled(a.shape[0], a.shape[1], draws)], [0.025, 0.975])
    return float(d.mean()), float(low), float(high)


def report(rows: Sequence[Row]) -> str:
    """Return the table: one line per model and gate."""
    table, names, seeds = _arms(rows)
    none = table[("none", "")]
    lines = [f"{len(names)} problems x {len(seeds)} seeds", _HEAD]
    for (model, gate), arm in table.items():
        cells = []
        for t in (10, 30):
            a, b = _regret(arm, names, seeds, t), _regret(none, names, seeds, t)
            ratio, low, high = ratio_interval(a, b)
            cells.append(f"{a.mean():9.4f}  {ratio:5.2f} [{low:4.2f}, {high:4.2f}]    ")
            if t == 30:
                change, low, high = difference_interval(a, b)
                cells.append(f"{change:+7.4f} [{low:+7.4f}, {high:+7.4f}]")
        keys = [(n, s) for n in names for s in seeds]
        same = np.mean([arm[k]["keys"] == none[k]["keys"] for k in keys])
        kept = np.mean([sum(v in "ku" for v in arm[k]["verdicts"]) for k in keys])
        tokens = np.mean([arm[k]["tokens"] for k in keys])
        seconds = [arm[k]["seconds"] for k in keys]
        lines.append(
            f"{model:18} {gate:9} {'  '.join(cells)} {same:4.0%} {kept:5.1f} {tokens:6.0f}"
            f" {np.mean(seconds):4.1f} ({max(seconds):.1f})"
        )
    return "\n".join(lines)


def targets(rows: Sequence[Row]) -> list[str]:
    """Return the targets that were missed, in words; empty when all were reached."""
    table, names, seeds = _arms(rows)
    none = table[("none", "")]
    missed = []
    for (model, gate), arm in table.items():
        if model in ("expert", "novice"):
            limit = 0.5 if model == "expert" else 0.85
            a, b = _regret(arm, names, seeds, 10), _regret(none, names, seeds, 10)
            ratio = ratio_interval(a, b, draws=2)[0]
            if ratio > limit:
                missed.append(
                    f"{model} ({gate}): regret at 10 trials is {ratio:.2f} x without a model, wanted {limit}"
                )
        if model in BAD:
            a, b = _regret(arm, names, seeds, 30), _regret(none, names, seeds, 30)
            high = ratio_interval(a, b)[2]
            if high > 1.1:
                missed.append(f"{model} ({gate}): upper end at 30 trials is {high:.2f}, wanted 1.10")
        if model in ("garbage", "slow", "incomplete") and _differs(arm, none):
            missed.append(f"{model} ({gate}): trials differ from those without a model")
        if model == "flaky_expert" and ("expert", gate) in table and _differs(arm, table[("expert", gate)]):
            missed.append("flaky_expert: trials differ from the expert's")
    return missed


def _arms(rows: Sequence[Row]) -> tuple[dict[tuple[str, str], Arm], list[str], list[int]]:
    """Return the arms, and the problems and seeds that all of them have."""
    table: dict[tuple[str, str], dict[tuple[str, int], Row]] = {}
    for row in rows:
        table.setdefault((row["model"], row["gate"]), {})[(row["problem"], row["seed"])] = row
    shared = set.intersection(*(set(arm) for arm in table.values()))
    names = sorted({n for n, _ in shared})
    seeds = [s for s in sorted({s for _, s in shared}) if all((n, s) in shared for n in names)]
    if not seeds:
        names = [n for n in names if (n, min(s for _, s in shared)) in shared]
        seeds = [min(s for _, s in shared)]
    return dict(table), names, seeds


def _regret(arm: Arm, names: Sequence[str], seeds: Sequence[int], t: int) -> np.ndarray:
    """Return normalised regret after ``t`` trials (problems, seeds)."""
    return np.array([[_at(arm[(n, s)]["regret"], t) for s in seeds] for n in names])


def _at(curve: Sequence[float], t: int) -> float:
    return curve[min(t, len(curve)) - 1]


def _differs(arm: Arm, other: Arm) -> bool:
    return any(arm[k]["keys"] != other[k]["keys"] for k in set(arm) & set(other))


def _resampled(n: int, s: int, draws: int) -> "list[tuple[np.ndarray, np.ndarray]]":
    rng = np.random.default_rng(0)
    return [(rng.integers(n, size=n)[:, None], rng.integers(s, size=(n, s))) for _ in range(draws)]
