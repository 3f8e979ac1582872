"""Whether limits are met, and whether that is sure: the mean of a few runs against what such means vary by.

The spread of few runs is itself uncertain, so it is pooled with that of the default's repeats (Noise), taken as the same
share of the mean in every configuration. Values in, values out.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ...evaluators.problems.problem import Constraint

LEVEL = 0.90  # two-sided: a side of it is 95 %
Noise = Mapping[str, tuple[float, int]]
"""By metric: coefficient of variation of single runs of the default, and the degrees of freedom it is known by."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A mean against a limit. ``half``: of its interval; infinite where one run is all that is known."""

    limit: Constraint
    mean: float
    half: float

    @property
    def holds(self) -> bool:
        """Whether the mean meets the limit."""
        return self.limit.holds(self.mean)

    @property
    def sure(self) -> bool:
        """Whether the whole interval is on the mean's side of the limit."""
        ends = [e for e in (self.limit.upper, self.limit.lower) if e is not None]
        return all(abs(self.mean - e) > self.half for e in ends) or self.half == 0


def standings(
    limits: Sequence[Constraint], runs: Sequence[Mapping[str, float]], noise: Noise
) -> list[Standing]:
    """Return how the runs stand against each limit that they measured."""
    results = []
    for limit in limits:
        values = [r[limit.name] for r in runs if limit.name in r]
        if values:
            results.append(_standing(limit, values, *noise.get(limit.name, (0.0, 0))))
    return results


def of_default(noise: Noise, relative: Collection[str]) -> Noise:
    """Return the noise of the default against its limits: none against those that are shares of its own value."""
    return {**noise, **{name: (0.0, 1) for name in relative}}


def broken(limits: Sequence[Constraint], metrics: Mapping[str, float]) -> tuple[str, ...]:
    """Return the limits that these metrics do not meet, in words."""
    return tuple(
        _words(c, metrics[c.name]) for c in limits if c.name in metrics and not c.holds(metrics[c.name])
    )


def said(standing: Standing) -> str:
    """Return the limit and the mean in words, with its noise where that leaves it open."""
    words = _words(standing.limit, standing.mean)
    if standing.sure:
        return words
    return f"{words}, {'met' if standing.holds else 'broken'} only within the noise"


def _standing(limit: Constraint, values: Sequence[float], cv: float, known_by: int) -> Standing:
    from scipy import stats

    n = len(values)
    mean = sum(values) / n
    squares = sum((v - mean) ** 2 for v in values) + known_by * (cv * mean) ** 2
    degrees = n - 1 + known_by
    if not degrees:
        return Standing(limit, mean, math.inf)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, degrees)) * math.sqrt(squares / degrees / n)
    return Standing(limit, mean, half)


def _words(limit: Constraint, value: float) -> str:
    upper, lower = limit.upper, limit.lower
    below = lower is not None and (upper is None or value < lower or value - lower < upper - value)
    return f"{limit.name} {f'>= {lower:g}' if below else f'<= {upper:g}'} ({value:.3g})"
