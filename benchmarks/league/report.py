"""Tables of the league: mean regret, mean rank, and paired differences with their intervals.

A table counts once, with the mean of its runs. Differences are paired by table; their intervals are 95 % t-intervals
over tables: they speak of tables like these, and are wide where there are few. Ranks are among the optimizers that have
runs on every table counted, 1 the best.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

Means = Mapping[str, Mapping[str, float]]
"""Mean regret by optimizer and table."""


def common(means: Means) -> list[str]:
    """Return the tables on which every optimizer has runs."""
    return sorted(set.intersection(*(set(m) for m in means.values()))) if means else []


def difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean paired difference, ours less theirs, and its 95 % interval; infinite for a single pair."""
    gaps = np.subtract(ours, theirs)
    if len(gaps) < 2:
        return float(gaps.mean()), -np.inf, np.inf
    half = stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps)
    return float(gaps.mean()), float(gaps.mean() - half), float(gaps.mean() + half)


def over_seeds(gaps: Sequence[Sequence[float]], *, draws: int = 4_000) -> tuple[float, float, float]:
    """Return the mean of differences by table and seed, and its 95 % bootstrap interval over the seeds of each table.

    It speaks of these tables only.
    """
    rng, tables = np.random.default_rng(0), [np.asarray(g, float) for g in gaps]
    drawn = np.mean([g[rng.integers(len(g), size=(draws, len(g)))].mean(1) for g in tables], axis=0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.mean([g.mean() for g in tables])), float(low), float(high)


def lines(means: Means, budget: int, ours: str = "trialogue") -> list[str]:
    """Return one line of Markdown per optimizer, best mean first."""
    tables = common(means)
    if not tables:
        return [f"| {budget} | no table that all have run | | | |"]
    values = {o: [m[t] for t in tables] for o, m in means.items()}
    ranks = stats.rankdata(np.array(list(values.values())), axis=0).mean(1)
    rank = dict(zip(values, ranks, strict=True))
    out = []
    for name in sorted(values, key=lambda o: float(np.mean(values[o]))):
        gap = (
            ""
            if name == ours
            else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*difference(values[ours], values[name]))
        )
        out.append(f"| {budget} | {name} | {np.mean(values[name]):.3f} | {rank[name]:.2f} | {gap} |")
    return out
