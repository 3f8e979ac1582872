"""Which rows of a long history a Gaussian process is trained on.

Up to ``MOST`` rows: all. Beyond: the best, the latest, and a uniform sample of the rest. Knows nothing of models.
"""

import numpy as np

MOST = 320
"""Rows a fit may have: 0.3 s of CPU for ask and tell at any length of the history."""


def choose_rows(X: np.ndarray, feasible_y: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return sorted indices of at most ``MOST`` rows: a third the best feasible, a third the latest, a third
    random."""
    n = len(X)
    if n <= MOST:
        return np.arange(n)
    third = MOST // 3
    chosen = set(np.lexsort([-y, -feasible_y])[:third].tolist()) | set(range(n - third, n))
    rest = np.setdiff1d(np.arange(n), np.fromiter(chosen, int))
    sample = rng.choice(rest, size=MOST - len(chosen), replace=False)
    return np.sort(np.r_[np.fromiter(chosen, int), sample])
