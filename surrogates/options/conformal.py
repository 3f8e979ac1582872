"""Conformal selection with a choice among models: which of m candidates lie above a threshold, at a bounded rate of
false discoveries.

A model gives every row a score; a candidate's p-value is its rank among the calibration rows that lie at or below the
threshold (nulls). The model is chosen anew for each candidate j, by the number of others that it would select if j
were one more null, which treats j and the nulls alike; the p-values then become e-values for the e-value form of
Benjamini-Hochberg, which bears any dependence. The bound on the expected share of false discoveries is exact where
candidates and calibration rows are exchangeable and the threshold is fixed beforehand.
The scores here need no split of the data: models are trained on all rows, candidates among them, with the outcomes
clipped to the threshold from below, which for a null is known before it is measured; each row is scored by the model
that leaves it out.

Notation: K models · n calibration rows · m candidates · scores V (K, n), T (K, m), larger is better · q false-discovery
rate.
Source: Bai & Jin 2024, "Optimized conformal selection: powerful selective inference after conformity score optimization"
(OptCS with full-sample models and model choice; there the outcomes are 0 and 1 rather than clipped).
"""

from typing import Literal

import numpy as np

from .features import Kernel

Pruning = Literal["deterministic", "homogeneous", "heterogeneous"]
RIDGE = 0.1
"""Noise variance over signal variance of the models."""

TIE = 1e-9
"""Scores that differ by less are equal: equal rows are, up to rounding."""


def selected(
    V: np.ndarray, null: np.ndarray, T: np.ndarray, q: float,
    *, pruning: Pruning = "deterministic", rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return which candidates are selected (m,) bool, their p-values (m,) and the models chosen for them (m,).

    ``null`` (n,) bool. ``pruning``: how ties of the e-values are broken, which needs ``rng`` unless deterministic.
    """
    m = T.shape[1]
    rows, sizes = np.zeros(m, int), np.ones(m)
    above = np.sum((V[:, None, :] >= T[:, :, None] - TIE) & null, axis=2)
    for j in range(m):
        auxiliary = (above + (T[:, j, None] >= T - TIE)) / (len(null) + 1)
        auxiliary[:, j] = 0.0
        counts = benjamini_hochberg(auxiliary, q).sum(axis=1)
        rows[j], sizes[j] = int(np.argmax(counts)), counts.max()
    p = (1 + above[rows, np.arange(m)]) / (len(null) + 1)
    e = (p <= q * sizes / m) * m / (q * sizes)
    return e_benjamini_hochberg(e / _pruned(pruning, m, rng), q), p, rows


def _pruned(pruning: Pruning, m: int, rng: np.random.Generator | None) -> np.ndarray:
    if pruning == "deterministic" or rng is None:
        return np.ones(m)
    return np.full(m, rng.random()) if pruning == "homogeneous" else rng.random(m)


def benjamini_hochberg(p_values: np.ndarray, rate: float) -> np.ndarray:
    """Return which hypotheses (..., m) bool are rejected at the false-discovery rate, for each row of m p-values."""
    m = p_values.shape[-1]
    ordered = np.sort(p_values, axis=-1)
    passed = ordered <= rate * np.arange(1, m + 1) / max(1, m)
    last = np.max(np.where(passed, ordered, -1.0), axis=-1, keepdims=True, initial=-1.0)
    return p_values <= last


def e_benjamini_hochberg(e_values: np.ndarray, rate: float) -> np.ndarray:
    """Return which hypotheses (m,) bool are rejected by their e-values (m,): the largest k with the k-th >= m / (rate k)."""
    return benjamini_hochberg((1.0 - 1e-12) / np.maximum(e_values, 1e-300), rate)


def scores(
    kernels: list[Kernel], Z: np.ndarray, y: np.ndarray, candidates: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (K, n) of calibration rows Z (n, p) with outcomes y (n,), and (K, m) of candidates (m, p).

    Each kernel gives two models, ridge regression and local averaging; a linear one comes last.
    """
    rows = np.vstack([Z, candidates])
    clipped = np.r_[np.maximum(y - threshold, 0.0), np.zeros(len(candidates))]
    clipped /= clipped.std() or 1.0
    V = np.stack([_left_out(H, clipped) for H in _smoothers(kernels, rows)])
    return V[:, : len(Z)], V[:, len(Z) :]


def _smoothers(kernels: list[Kernel], rows: np.ndarray) -> list[np.ndarray]:
    """Return matrices (r, r) that map outcomes (r,) to fitted ones."""
    smoothers = []
    for kernel in kernels:
        K = kernel(rows, rows)
        smoothers.append(_ridge(K))
        smoothers.append(K / K.sum(axis=1, keepdims=True))
    centred = rows - rows.mean(axis=0)
    return [*smoothers, _ridge(1.0 + centred @ centred.T)]


def _ridge(K: np.ndarray) -> np.ndarray:
    return np.linalg.solve(K + RIDGE * np.eye(len(K)), K).T


def _left_out(H: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return what a linear smoother fits at each row without that row, (r,)."""
    own = np.minimum(np.diag(H), 1.0 - 1e-9)
    return (H @ y - own * y) / (1.0 - own)
