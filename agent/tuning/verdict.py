"""Whether a configuration is really faster than the default: paired ratios with an interval, and what follows.

Notation: r_i = candidate / default of the i-th interleaved pair, oriented so that above 1 is better. The interval is
Student's on log r, which suits ratios; with the usual three pairs it is wide, and is meant to be. Where a run reached 0
it is Student's on differences. Whether a limit is met for sure is told by ``tuning_limits``.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...evaluators.problems.problem import Constraint, Objective
from .limits import Noise, Standing, of_default, said, standings

LEVEL = 0.90  # two-sided: the lower end is a one-sided 95 % bound
Sides = tuple[list[dict[str, float]], list[dict[str, float]]]
"""Metrics of the default and of the candidate, one entry per interleaved pair."""
Recommendation = Literal["change", "no change", "no feasible configuration", "nothing tried"]


@dataclass(frozen=True, slots=True)
class Gain:
    """Geometric mean of the paired ratios and its interval; above 1 is better. NaN ends where there is one pair.
    ``zeros``: what is said of runs that reached 0, where the ratio may be infinite."""

    ratio: float
    low: float
    high: float
    pairs: int
    zeros: str = ""

    def __str__(self) -> str:
        if math.isinf(self.ratio):
            return f"{self.zeros} ({self.pairs} pair{'s' * (self.pairs > 1)})"
        ratio = f"×{self.ratio:.2f}{', ' + self.zeros if self.zeros else ''}"
        if self.pairs < 2:
            return f"{ratio} (one pair: no interval)"
        return f"{ratio} ({LEVEL:.0%} interval {self.low:.2f} to {self.high:.2f}, {self.pairs} pairs)"


@dataclass(frozen=True)
class TuningVerdict:
    """What the user is told. ``broken``: limits that the default or the candidate does not meet, in words."""

    recommendation: Recommendation
    reason: str
    gain: Gain | None = None
    default_broken: tuple[str, ...] = ()
    candidate_broken: tuple[str, ...] = ()


def gain_of(objective: Objective, default: Sequence[float], candidate: Sequence[float]) -> Gain:
    """Return the gain from interleaved pairs of values."""
    from scipy import stats

    if min(*default, *candidate) <= 0:
        return _gain_by_differences(objective, default, candidate)
    sign = 1.0 if objective.direction == "maximize" else -1.0
    logs = [sign * (math.log(c) - math.log(d)) for d, c in zip(default, candidate, strict=True)]
    n = len(logs)
    mean = sum(logs) / n
    if n < 2:
        return Gain(math.exp(mean), math.nan, math.nan, n)
    sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / math.sqrt(n)
    return Gain(math.exp(mean), math.exp(mean - half), math.exp(mean + half), n)


def _gain_by_differences(objective: Objective, default: Sequence[float], candidate: Sequence[float]) -> Gain:
    """Return the gain where a run reached 0: ratio of the means, interval of the mean difference over the worse mean."""
    from scipy import stats

    n, d, c = len(default), sum(default) / len(default), sum(candidate) / len(candidate)
    better, worse = (candidate, default) if objective.direction == "maximize" else (default, candidate)
    base, differences = sum(worse) / n, [b - w for b, w in zip(better, worse, strict=True)]
    mean = sum(differences) / n
    half = math.nan
    if n > 1:
        sd = math.sqrt(sum((x - mean) ** 2 for x in differences) / (n - 1))
        half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / math.sqrt(n)
    if d == 0 and c == 0:
        return Gain(1.0, 1.0 if n > 1 else math.nan, 1.0 if n > 1 else math.nan, n, "both reached 0")
    if base > 0:
        zero = "the candidate" if d > 0 and min(candidate) <= 0 else "the default"
        return Gain(
            1 + mean / base, 1 + (mean - half) / base, 1 + (mean + half) / base, n, f"{zero} reached 0"
        )
    low = math.nan if n < 2 else math.inf if mean > half else 0.0
    words = (
        f"the default reached 0, the candidate {c:.3g}"
        if d == 0
        else f"the candidate reached 0, the default {d:.3g}"
    )
    return Gain(math.inf, low, math.inf, n, words)


def pairs_needed(gain: float, noise: float, repeats: int, least: int, most: int) -> int:
    """Return how many pairs an interval needs to lie above 1, were the gain real; decided before any is measured.

    ``gain``: ratio as searched, ``noise``: coefficient of variation of one result, ``repeats`` per side of a pair. Half
    of the searched gain is allowed for, because the best of many noisy trials looks better than it is.
    """
    from scipy import stats

    if math.isinf(gain):
        return least
    wanted, sd = 0.5 * math.log(max(gain, 1.0 + 1e-9)), noise * math.sqrt(2 / repeats)
    for n in range(least, most):
        if float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / math.sqrt(n) <= wanted:
            return n
    return most


def decide(
    objective: Objective,
    limits: Sequence[Constraint],
    default: Sequence[Mapping[str, float]],
    candidate: Sequence[Mapping[str, float]],
    *,
    smallest_gain: float = 1.0,
    noise: Noise | None = None,
    relative: Collection[str] = (),
) -> TuningVerdict:
    """Return the verdict on one candidate from interleaved runs (equally many) of it and of the default.

    A limit holds when its mean over the runs does. A change is recommended when there are two pairs or more, the candidate
    meets every limit, and either the default breaks one by more than its noise, or the interval of the gain lies above
    ``smallest_gain``. ``noise``: of single runs of the default, pooled with that of the pairs; ``relative``: metrics whose
    limits are shares of the default's own value, which has no noise by that measure.
    """
    gain = gain_of(objective, [m[objective.name] for m in default], [m[objective.name] for m in candidate])
    noise_by_name = noise or {}
    sides = (
        standings(limits, default, of_default(noise_by_name, relative)),
        standings(limits, candidate, noise_by_name),
    )
    broken_by = [tuple(map(said, (s for s in side if not s.holds))) for side in sides]
    recommendation, reason = _judged(objective, gain, *sides, smallest_gain)
    return TuningVerdict(recommendation, reason, gain, *broken_by)


def _judged(
    objective: Objective,
    gain: Gain,
    default: Sequence[Standing],
    candidate: Sequence[Standing],
    smallest: float,
) -> tuple[Recommendation, str]:
    """Return the recommendation and its reason."""
    breaks = [s for s in default if not s.holds]
    failing = [s for s in candidate if not s.holds]
    if failing:
        what = "no feasible configuration" if breaks else "no change"
        return what, f"verified, the candidate breaks {'; '.join(map(said, failing))}"
    if gain.pairs < 2:
        return "no change", f"one pair of runs decides nothing; {objective.name}: {gain}"
    narrow = [s for s in candidate if not s.sure]
    but = f" ({'; '.join(map(said, narrow))})" if narrow else ""
    clear = [s for s in breaks if s.sure]
    if clear:
        return (
            "change",
            f"the default breaks {'; '.join(map(said, clear))}; this configuration meets every limit{but}",
        )
    if gain.low > smallest:
        gain_words = f": {gain}" if math.isinf(gain.ratio) else f" improves by {gain}"
        return "change", f"{objective.name}{gain_words}{', every limit is met' + but if but else ''}"
    aside = f"; the default breaks {'; '.join(map(said, breaks))}" if breaks else ""
    if gain.high < 1:
        return "no change", f"{objective.name} gets worse, {gain}{aside}"
    bound = "within the noise" if smallest == 1 else f"not surely above ×{smallest:g}"
    return "no change", f"the difference in {objective.name}, {gain}, is {bound}{aside}"


def spread(values: Sequence[float], beside: Sequence[float] = ()) -> float:
    """Return the coefficient of variation of values, or of their ratios to those measured beside them; 0 where all are 0."""
    if beside:
        values = [v / b for v, b in zip(values, beside, strict=True) if b > 0]
    mean = sum(values) / len(values) if values else 0.0
    if mean == 0:
        return 0.0
    return math.sqrt(sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1)) / mean


def without_drift(relative: Sequence[str], sides: Sides) -> Sides:
    """Restate metrics with relative limits as (candidate / default of its pair) x the default's median.

    A machine that was slower during one pair slowed both of its sides; the ratio does not know.
    """
    default, best = sides
    median = {n: sorted(r[n] for r in default)[len(default) // 2] for n in relative}
    restated = [
        b | {n: b[n] / d[n] * median[n] for n in relative if d[n] > 0}
        for d, b in zip(default, best, strict=True)
    ]
    return [d | median for d in default], restated


def rung_agreement(
    names: Sequence[str], searched: Mapping[str, float], default: Mapping[str, float], sides: Sides
) -> dict[str, tuple[float, float]]:
    """Return by metric the ratio of candidate to default by the search's rung and by the verification's."""
    of_sides = [means(side) for side in sides]
    metrics = [n for n in names if n in searched and default[n] > 0 and of_sides[0][n] > 0]
    return {n: (searched[n] / default[n], of_sides[1][n] / of_sides[0][n]) for n in metrics}


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric that all rows have; empty without rows."""
    shared = [n for n in (rows[0] if rows else ()) if all(n in r for r in rows)]
    return {name: sum(row[name] for row in rows) / len(rows) for name in shared}
