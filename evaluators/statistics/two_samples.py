"""By what factor do two sides differ? From runs of each, or from the requests of one run of each.

Runs: Welch's interval on the logarithm, for normal noise of two sizes; where a value is not above 0, of the change of the mean
in units of the mean before. Requests: the factor between two percentiles, from
order-statistic bounds of both (``percentiles.py``); it knows nothing of how runs differ among themselves.
Sources: Welch 1947 · Zou & Donner 2008 (bounds of two sides into those of their difference).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .percentiles import percentile


@dataclass(frozen=True, slots=True)
class Factor:
    """after / before, with a lower and an upper bound of ``level`` each; infinite or 0 where nothing is known."""

    value: float
    low: float
    high: float
    level: float


def factor_of_runs(before: Sequence[float], after: Sequence[float], level: float = 0.95) -> Factor:
    """Return the factor between the geometric means of positive values, two or more of each side."""
    middle, half = _welch(np.log(np.asarray(before, float)), np.log(np.asarray(after, float)), level)
    return Factor(_exp(middle), _exp(middle - half), _exp(middle + half), level)


def change_of_runs(before: Sequence[float], after: Sequence[float], level: float = 0.95) -> Factor:
    """Return 1 + (mean after - mean before) / |mean before|, of any values whose mean before is not 0; at least 1e-9."""
    unit = abs(float(np.mean(before)))
    middle, half = _welch(np.asarray(before, float) / unit, np.asarray(after, float) / unit, level)
    value, low, high = (max(1 + x, 1e-9) for x in (middle, middle - half, middle + half))
    return Factor(value, low, high, level)


def _welch(old: np.ndarray, new: np.ndarray, level: float) -> tuple[float, float]:
    """Return the difference of the means, new less old, and half its interval."""
    difference = float(new.mean() - old.mean())
    parts = [float(side.var(ddof=1)) / len(side) for side in (old, new)]
    variance = sum(parts)
    if variance == 0:
        return difference, 0.0
    freedom = variance**2 / sum(p**2 / (len(side) - 1) for p, side in zip(parts, (old, new), strict=True))
    return difference, float(stats.t.ppf(level, freedom)) * math.sqrt(variance)


def factor_of_percentiles(
    before: Sequence[float] | np.ndarray,
    after: Sequence[float] | np.ndarray,
    share: float,
    level: float = 0.95,
) -> Factor:
    """Return the factor between the percentiles ``share`` of positive values: the distances of the bounds of both sides
    from their percentiles, on the logarithm, are added as squares."""
    old, new = (percentile(side, share, level=level) for side in (before, after))
    logs = [_log(x) for x in (old.low, old.value, old.high, new.low, new.value, new.high)]
    middle = logs[4] - logs[1]
    low = middle - math.hypot(logs[4] - logs[3], logs[2] - logs[1])
    high = middle + math.hypot(logs[5] - logs[4], logs[1] - logs[0])
    return Factor(_exp(middle), _exp(low), _exp(high), level)


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
