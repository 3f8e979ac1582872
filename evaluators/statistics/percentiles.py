"""How sure is a percentile of n values? Bounds from the values themselves, whatever their law.

The k-th smallest of n independent values lies below the true percentile q exactly when at least k of them do, and that
number is binomial (n, q). Source: Wilks 1962, section 11.2. Values that influence each other (requests of one server in
one minute) are fewer than they look, and bounds are then too narrow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrc

from ...serving.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Percentile:
    """An estimated percentile of ``n`` values, and bounds that hold with ``level`` each; infinite where n is too small."""

    share: float
    value: float
    low: float
    high: float
    n: int
    level: float

    @property
    def warning(self) -> str:
        """What a reader must know of a percentile that few values carry; empty where there are enough."""
        if self.n * (1 - self.share) >= 1 - 1e-9 and self.n * self.share >= 1 - 1e-9:
            return ""
        side = "largest" if self.share > 0.5 else "smallest"
        needed = math.ceil(1 / min(self.share, 1 - self.share) - 1e-9)
        return (
            f"p{100 * self.share:g} of {self.n} values is about the {side} of them: it needs {needed} or more"
        )

    def __str__(self) -> str:
        """Return the percentile in words: ``p99 = 212 (201 to ∞, n = 120)``."""
        low, high = (
            ("–∞" if math.isinf(self.low) else f"{self.low:.4g}"),
            f"{self.high:.4g}".replace("inf", "∞"),
        )
        return f"p{100 * self.share:g} = {self.value:.4g} ({low} to {high}, n = {self.n})"


def percentile(values: Sequence[float] | np.ndarray, share: float, *, level: float = 0.95) -> Percentile:
    """Return the percentile ``share`` in (0, 1) of values, with a lower and an upper bound of ``level`` each."""
    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    if not 0 < share < 1 or n == 0:
        raise InvalidInput(
            f"a percentile needs values and a `share` in (0, 1), got {n} values and {share!r}."
        )
    ranks = np.arange(1, n + 1)
    below = ranks[bdtrc(ranks - 1, n, share) >= level]
    above = ranks[bdtr(ranks - 1, n, share) >= level]
    low = float(ordered[below[-1] - 1]) if len(below) else -math.inf
    high = float(ordered[above[0] - 1]) if len(above) else math.inf
    return Percentile(share, float(np.quantile(ordered, share)), low, high, n, level)
