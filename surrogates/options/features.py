"""Features of a search space that every method here shares: those of the prior kernel, so that any space has them.

Notation: Z (n, p) embedded rows.
"""

from collections.abc import Callable

import numpy as np

from ..models.embedding import Embedding
from ..models.gp import Priors, matern

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Covariance (n, k) of embedded rows (n, p) and (k, p)."""


def prior_kernel(embedding: Embedding, length: float) -> Kernel:
    """Return the Matérn kernel of variance 1 before anything was seen; ``length`` times the root of the dimension."""
    scale = np.exp(-Priors.default(len(embedding.space), length=length).mean[:-2])[embedding.group]

    def kernel(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        A, B = A * scale, B * scale
        R2 = np.sum(A * A, axis=1)[:, None] + np.sum(B * B, axis=1) - 2.0 * A @ B.T
        return matern(np.maximum(R2, 0.0))

    return kernel
