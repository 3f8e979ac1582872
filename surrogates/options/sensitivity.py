"""Sensitivity sampling: a few rows of a matrix, with weights, that keep all its l_p norms.

Row i of A is kept with probability q_i in proportion to a bound on its sensitivity, the largest share it can have in
|Ax|_p^p, and then weighs 1 / q_i. For p = 2 the sensitivities are the leverage scores tau_i themselves; for p < 2
tau_i^(p/2) bounds them ("root leverage"), for p > 2 n^(p/2 - 1) tau_i^(p/2) does, and 1 always.
In a study the rows are the kernel's features of a long history, and a weight is a noise variance.

Notation: A (n, m) · x (m,) · S the sum of the sensitivities.
Source: Woodruff & Yasuda 2023, "Sharper bounds for l_p sensitivity sampling": S^(2/p) / eps^2 rows for p < 2 and
S^(2 - 2/p) / eps^2 for p > 2, up to logarithms, keep |Ax|_p within a factor of 1 ± eps for all x.
"""

import numpy as np

from ..models.coreset import TrainingRows
from .features import Kernel

RIDGE = 1e-2
"""Noise variance over signal variance for which leverage is counted."""

LANDMARKS = 256
"""Rows whose span stands for the kernel's features."""


def leverage_scores(A: np.ndarray, ridge: float = 0.0) -> np.ndarray:
    """Return a_i' (A'A + ridge I)^-1 a_i (n,): shares in [0, 1] that sum to the (effective) dimension."""
    G = A.T @ A + ridge * np.eye(A.shape[1])
    return np.clip(np.sum(A * (A @ np.linalg.pinv(G, hermitian=True)), axis=1), 0.0, 1.0)


def sensitivity_bounds(leverage: np.ndarray, p: float) -> np.ndarray:
    """Return bounds (n,) on the l_p sensitivities of rows with these leverage scores (n,); exact for p = 2."""
    power = leverage ** (p / 2)
    return np.minimum(power * max(1.0, len(leverage) ** (p / 2 - 1)), 1.0)


def sample_rows(
    sensitivity: np.ndarray, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return about ``most`` rows (r,), never more, and their probabilities (r,): min(1, c sensitivity_i) each."""
    q = _probabilities(sensitivity, most)
    rows = np.flatnonzero(rng.random(len(q)) < q)
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    return rows, q[rows]


def stated_error(sensitivity: np.ndarray, p: float, most: int) -> float:
    """Return eps of the bound for so many rows, without its constants and logarithms."""
    total = float(sensitivity.sum())
    return float(np.sqrt(total ** (2 / p if p <= 2 else 2 - 2 / p) / most))


def _probabilities(sensitivity: np.ndarray, most: int) -> np.ndarray:
    """Return min(1, c sensitivity) (n,) with c such that they sum to ``most``."""
    s = np.maximum(sensitivity, 1e-12)
    if len(s) <= most:
        return np.ones(len(s))
    certain = np.zeros(len(s), bool)
    while True:
        scaled = s * (most - certain.sum()) / s[~certain].sum()
        new = ~certain & (scaled >= 1.0)
        if not new.any():
            return np.where(certain, 1.0, scaled)
        certain |= new


def kernel_features(kernel: Kernel, Z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return A (n, m) with A A' near the kernel's covariance of the rows Z (n, p): Nyström on some of them."""
    landmarks = Z[rng.choice(len(Z), min(LANDMARKS, len(Z)), replace=False)]
    values, U = np.linalg.eigh(kernel(landmarks, landmarks))
    is_large = values > 1e-9 * values[-1]
    return kernel(Z, landmarks) @ (U[:, is_large] / np.sqrt(values[is_large]))


def coreset(kernel: Kernel, Z: np.ndarray, best: int, most: int, rng: np.random.Generator) -> TrainingRows:
    """Return at most ``most`` rows of a history Z (n, p) for a Gaussian process, ``best`` among them."""
    sensitivity = leverage_scores(kernel_features(kernel, Z, rng), RIDGE)
    rest = np.delete(np.arange(len(Z)), best)
    rows, probability = sample_rows(sensitivity[rest], most - 1, rng)
    rows, probability = np.append(rest[rows], best), np.append(probability, 1.0)
    order = np.argsort(rows)
    words = (
        f"{len(rows)} of {len(Z)} rows drawn by sensitivity (effective dimension {sensitivity.sum():.1f}): norms of "
        f"what the kernel can tell are kept within a factor of about 1 ± {stated_error(sensitivity, 2.0, most):.2g}"
    )
    return TrainingRows(rows[order], probability[order], (words,))
