"""Which rows of a long history a Gaussian process is trained on.

Up to ``MOST`` rows: all. Beyond: the best, the latest, and a uniform sample of the rest. Knows nothing of models.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST = 320
"""Rows a fit may have: 0.3 s of CPU for ask and tell at any length of the history."""

CHECKED = 200
"""Rows left out on which the error of the subset is measured."""


@dataclass(frozen=True)
class TrainingRows:
    """Rows (r,) of a history that a model is trained on, increasing. ``probability`` (r,): with which each was drawn,
    where it weighs the inverse of it; ``notes``: how they were chosen, in words."""

    rows: np.ndarray
    probability: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def standard_errors(self, sem: np.ndarray, y: np.ndarray, log_noise: float) -> np.ndarray:
        """Return standard errors (r,) that say the weights: a row of weight w is one of 1/w the noise variance.

        ``sem`` (r,): those that are known, NaN elsewhere; ``y`` (r,); ``log_noise``: log noise variance over that of y.
        """
        if self.probability is None:
            return sem
        extra = np.exp(log_noise) * np.var(y) * (self.probability - self.probability.min())
        return np.sqrt(np.nan_to_num(sem) ** 2 + extra)


def choose_rows(X: np.ndarray, feasible_y: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return sorted indices of at most ``MOST`` rows: a third the best feasible, a third the latest, a third
    random."""
    n = len(X)
    if n <= MOST:
        return np.arange(n)
    third = MOST // 3
    rows = set(np.lexsort([-y, -feasible_y])[:third].tolist()) | set(range(n - third, n))
    rest = np.setdiff1d(np.arange(n), np.fromiter(rows, int))
    sample = rng.choice(rest, size=MOST - len(rows), replace=False)
    return np.sort(np.r_[np.fromiter(rows, int), sample])


def left_out_error(
    rows: np.ndarray, y: np.ndarray, predict: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator
) -> str | None:
    """Return, in words, how far predictions are from rows that were left out; None where none was.

    ``y`` (n,) standardized; ``predict`` maps row numbers to means. At most ``CHECKED`` of the rows are asked for.
    """
    n = len(y)
    rest = np.setdiff1d(np.arange(n), rows)
    if len(rest) == 0:
        return None
    if len(rest) > CHECKED:
        rest = rng.choice(rest, CHECKED, replace=False)
    errors = np.abs(predict(rest) - y[rest])
    return (
        f"trained on {len(rows)} of {n} rows; of {len(rest)} rows left out, half are predicted within "
        f"{np.median(errors):.2g} and nine tenths within {np.quantile(errors, 0.9):.2g} standard deviations of the outcome"
    )
