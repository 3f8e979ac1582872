"""What every alternative to the Gaussian process does first and last: embed and sort rows, standardize y, and
undo it.

Sorting makes a fit independent of the order of rows, standardizing of affine changes of y. Knows nothing of
any model.

Notation: Z (n, p) embedded rows scaled to about unit variance · z (n,) standardized y.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..contracts import TrainingData
from ..models.embedding import Embedding

Standardized = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Mean and sd (m,) of the standardized objective at embedded rows (m, p)."""


@dataclass(frozen=True)
class Prepared:
    """Training data as models like them. ``noise``: variance of each z, 0 where unknown."""

    embedding: Embedding
    Z: np.ndarray
    z: np.ndarray
    noise: np.ndarray
    shift: float
    scale: float

    @classmethod
    def of(cls, data: TrainingData) -> "Prepared":
        """Embed, sort and standardize."""
        embedding = Embedding(data.space)
        Z = embedding.embed(data.X, data.active)
        order = np.lexsort((data.y, *Z.T[::-1]))
        y = data.y[order]
        unit = float(np.max(np.abs(y), initial=0.0)) or 1.0
        shift = float(np.mean(y / unit)) * unit if len(y) else 0.0
        scale = float(np.std(y / unit)) * unit if len(y) else 1.0
        if not scale > 1e-12 * max(abs(shift), 1e-280):
            scale = max(abs(shift), 1.0)
        noise = np.nan_to_num(data.noise[order]) / scale**2
        return cls(embedding, Z[order], (y - shift) / scale, noise, shift, scale)

    def posterior(self, predict: Standardized) -> "StandardizedPosterior":
        """Return the posterior, in the unit of y, of a model of z."""
        return StandardizedPosterior(self.embedding, predict, self.shift, self.scale)


@dataclass(frozen=True)
class StandardizedPosterior:
    """A posterior in the unit of y over a model of the standardized objective."""

    embedding: Embedding
    standardized: Standardized
    shift: float
    scale: float

    def predict(self, X: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (n,) and sd (n,) > 0 of the noise-free objective, in the unit of y."""
        mean, sd = self.standardized(self.embedding.embed(X, active))
        return mean * self.scale + self.shift, np.maximum(sd, 1e-6) * self.scale
