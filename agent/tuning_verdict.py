"""Whether a configuration is really faster than the default: paired ratios with an interval, and what follows.

Notation: r_i = candidate / default of the i-th interleaved pair, oriented so that above 1 is better. The interval is
Student's on log r, which suits ratios; with the usual three pairs it is wide, and is meant to be.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..evaluators.problem import Constraint, Objective

LEVEL = 0.90  # two-sided: the lower end is a one-sided 95 % bound
Sides = tuple[list[dict[str, float]], list[dict[str, float]]]
"""Metrics of the default and of the candidate, one entry per interleaved pair."""
Recommendation = Literal["change", "no change", "no feasible configuration"]


@dataclass(frozen=True, slots=True)
class Gain:
    """Geometric mean of the paired ratios and its interval; above 1 is better. NaN ends where there is one pair."""

    ratio: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        if self.pairs < 2:
            return f"×{self.ratio:.2f} (one pair: no interval)"
        return (
            f"×{self.ratio:.2f} ({LEVEL:.0%} interval {self.low:.2f} to {self.high:.2f}, {self.pairs} pairs)"
        )


@dataclass(frozen=True)
class Verdict:
    """What the user is told. ``broken``: limits that the default or the candidate does not meet, in words."""

    recommendation: Recommendation
    reason: str
    gain: Gain | None = None
    default_broken: tuple[str, ...] = ()
    candidate_broken: tuple[str, ...] = ()


def gain_of(objective: Objective, default: Sequence[float], candidate: Sequence[float]) -> Gain:
    """Return the gain from interleaved pairs of values."""
    from scipy import stats

    sign = 1.0 if objective.direction == "maximize" else -1.0
    logs = [sign * (math.log(c) - math.log(d)) for d, c in zip(default, candidate, strict=True)]
    n = len(logs)
    mean = sum(logs) / n
    if n < 2:
        return Gain(math.exp(mean), math.nan, math.nan, n)
    sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / math.sqrt(n)
    return Gain(math.exp(mean), math.exp(mean - half), math.exp(mean + half), n)


def pairs_needed(gain: float, noise: float, repeats: int, least: int, most: int) -> int:
    """Return how many pairs an interval needs to lie above 1, were the gain real; decided before any is measured.

    ``gain``: ratio as searched, ``noise``: coefficient of variation of one result, ``repeats`` per side of a pair. Half
    of the searched gain is allowed for, because the best of many noisy trials looks better than it is.
    """
    from scipy import stats

    wanted, sd = 0.5 * math.log(max(gain, 1.0 + 1e-9)), noise * math.sqrt(2 / repeats)
    for n in range(least, most):
        if float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / math.sqrt(n) <= wanted:
            return n
    return most


def broken(limits: Sequence[Constraint], metrics: Mapping[str, float]) -> tuple[str, ...]:
    """Return the limits that these metrics do not meet, in words."""
    return tuple(
        _words(c, metrics[c.name]) for c in limits if c.name in metrics and not c.holds(metrics[c.name])
    )


def decide(
    objective: Objective,
    limits: Sequence[Constraint],
    default: Sequence[Mapping[str, float]],
    candidate: Sequence[Mapping[str, float]],
    *,
    smallest_gain: float = 1.0,
) -> Verdict:
    """Return the verdict on one candidate from interleaved runs (equally many) of it and of the default.

    A limit holds when its mean over the runs does. A change is recommended when the candidate meets every limit and
    either the default does not, or the interval of the gain lies above ``smallest_gain``.
    """
    gain = gain_of(objective, [m[objective.name] for m in default], [m[objective.name] for m in candidate])
    of_default, of_candidate = broken(limits, _means(default)), broken(limits, _means(candidate))
    if of_candidate:
        what = "no feasible configuration" if of_default else "no change"
        return Verdict(
            what, f"verified, the candidate breaks {'; '.join(of_candidate)}", gain, of_default, of_candidate
        )
    if of_default:
        reason = f"the default breaks {'; '.join(of_default)}; this configuration meets every limit"
        return Verdict("change", reason, gain, of_default)
    if gain.low > smallest_gain:
        return Verdict("change", f"{objective.name} improves by {gain}", gain)
    return Verdict("no change", f"the difference in {objective.name}, {gain}, is within the noise", gain)


def spread(values: Sequence[float], beside: Sequence[float] = ()) -> float:
    """Return the coefficient of variation of values, or of their ratios to those measured beside them."""
    if beside:
        values = [v / b for v, b in zip(values, beside, strict=True)]
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1)) / mean


def without_drift(relative: Sequence[str], sides: Sides) -> Sides:
    """Restate metrics with relative limits as (candidate / default of its pair) x the default's median.

    A machine that was slower during one pair slowed both of its sides; the ratio does not know.
    """
    default, best = sides
    median = {n: sorted(r[n] for r in default)[len(default) // 2] for n in relative}
    restated = [
        b | {n: b[n] / d[n] * median[n] for n in relative} for d, b in zip(default, best, strict=True)
    ]
    return [d | median for d in default], restated


def rung_agreement(
    names: Sequence[str], searched: Mapping[str, float], default: Mapping[str, float], sides: Sides
) -> dict[str, tuple[float, float]]:
    """Return by metric the ratio of candidate to default by the search's rung and by the verification's."""
    means = [_means(side) for side in sides]
    return {n: (searched[n] / default[n], means[1][n] / means[0][n]) for n in names if n in searched}


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}


def _words(limit: Constraint, value: float) -> str:
    bound = (
        f"<= {limit.upper:g}"
        if limit.upper is not None and value > limit.upper
        else f">= {limit.lower or 0:g}"
    )
    return f"{limit.name} {bound} ({value:.3g})"
