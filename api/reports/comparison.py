"""What a comparison of strategies says: regret curves, paired intervals, a table and a figure. Knows numbers only.

Regret is normalised by what the comparison itself has seen: 0 is the best value of any run, 1 the median first value.
Intervals are 95 % bootstrap intervals over seeds of the difference to the reference strategy on the same seeds.

Notation: R (seeds, trials) normalised regret of the best trial so far, NaN while nothing feasible was found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")


@dataclass(frozen=True)
class SeededRun:
    """One study of a comparison. ``values``: the first objective of each trial, larger is better; NaN where it
    failed or was infeasible."""

    strategy: str
    seed: int
    values: tuple[float, ...]
    tokens: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One row of the table: a strategy's mean regret after ``trials`` and its difference to the reference."""

    strategy: str
    trials: int
    regret: float
    difference: float
    low: float
    high: float


def regrets(runs: Sequence[SeededRun]) -> dict[str, np.ndarray]:
    """Return R for each strategy, seeds in order; runs that ended early keep their last regret."""
    length = max(len(r.values) for r in runs)
    filled = {r: _padded(r.values, length) for r in runs}
    best, spread = _scale(runs)
    return {
        name: np.array([(best - np.fmax.accumulate(filled[r])) / spread for r in of])
        for name, of in _by_strategy(runs).items()
    }


def pooled(tasks: Sequence[Sequence[SeededRun]]) -> list[SeededRun]:
    """Return the runs of several tasks as those of one: each on the scale of its task, every seed of a task a seed."""
    runs: list[SeededRun] = []
    for task, of in enumerate(tasks):
        best, spread = _scale(of)
        for run in of:
            values = tuple((v - best) / spread for v in run.values)
            runs.append(replace(run, seed=10_000 * task + run.seed, values=values))
    return runs


def _scale(runs: Sequence[SeededRun]) -> tuple[float, float]:
    """Return the best value and its distance to the median first one; NaN where nothing feasible was found."""
    rows = [v for v in (np.array(r.values, float) for r in runs) if np.isfinite(v).any()]
    if not rows:
        return float("nan"), 1.0
    numbers = np.concatenate([v[np.isfinite(v)] for v in rows])
    best = float(numbers.max())
    median = float(np.median([v[np.isfinite(v)][0] for v in rows]))
    return best, best - median or float(np.ptp(numbers)) or 1.0


def table(runs: Sequence[SeededRun], reference: str, at: Sequence[int]) -> list[Line]:
    """Return the rows of the table, strategies in order of their first run."""
    curves = regrets(runs)
    lines = []
    for name, R in curves.items():
        for t in at:
            column = min(t, R.shape[1]) - 1
            difference = R[:, column] - curves[reference][:, column]
            low, high = bootstrap(difference)
            lines.append(Line(name, t, _mean(R[:, column]), _mean(difference), low, high))
    return lines


def bootstrap(x: np.ndarray, *, draws: int = 4_000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of x (n,); NaN for no numbers."""
    x = x[np.isfinite(x)]
    if not len(x):
        return float("nan"), float("nan")
    means = x[np.random.default_rng(0).integers(len(x), size=(draws, len(x)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def figure(runs: Sequence[SeededRun]) -> dict[str, Any]:
    """Return plotly JSON: mean regret of each strategy by trial, with the range over seeds as a band."""
    traces: list[dict[str, Any]] = []
    for (name, R), colour in zip(regrets(runs).items(), COLOURS * 5, strict=False):
        x = list(range(1, R.shape[1] + 1))
        low, high = (_columns(q, R) for q in (np.nanmin, np.nanmax))
        band = {
            "x": x + x[::-1],
            "y": high + low[::-1],
            "fill": "toself",
            "fillcolor": colour,
            "opacity": 0.12,
        }
        quiet = {"line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "type": "scatter"}
        line = {"x": x, "y": _columns(np.nanmean, R), "name": name, "line": {"color": colour, "width": 2}}
        traces += [band | quiet, line | {"mode": "lines", "type": "scatter"}]
    layout = {
        "xaxis": {"title": {"text": "trials"}},
        "yaxis": {"title": {"text": "regret (0: best seen, 1: median first trial)"}, "rangemode": "tozero"},
        "template": "plotly_white",
        "legend": {"orientation": "h"},
    }
    return {"data": traces, "layout": layout}


def totals(runs: Sequence[SeededRun]) -> Mapping[str, tuple[float, float]]:
    """Return mean tokens and mean seconds per study of each strategy."""
    grouped = _by_strategy(runs).items()
    return {
        n: (float(np.mean([r.tokens for r in of])), float(np.mean([r.seconds for r in of])))
        for n, of in grouped
    }


def _by_strategy(runs: Sequence[SeededRun]) -> dict[str, list[SeededRun]]:
    grouped: dict[str, list[SeededRun]] = {}
    for run in sorted(runs, key=lambda r: r.seed):
        grouped.setdefault(run.strategy, []).append(run)
    order = list(dict.fromkeys(r.strategy for r in runs))
    return {name: grouped[name] for name in order}


def _padded(values: Sequence[float], length: int) -> np.ndarray:
    return np.array([*values, *[np.nan] * (length - len(values))], float)


def _mean(x: np.ndarray) -> float:
    finite = x[np.isfinite(x)]
    return float(finite.mean()) if len(finite) else float("nan")


def _columns(reduce: Any, R: np.ndarray) -> list[float | None]:
    return [float(reduce(c[np.isfinite(c)])) if np.isfinite(c).any() else None for c in R.T]
