"""Distributions whose diffusion is known exactly: mixtures of Gaussians, and the digits with a little noise each.

Notation: x (n, d) · a component k has mean m_k (d,) and one standard deviation s · at noise level (α, σ),
x_t = α x_0 + σ ε. The denoiser E[x_0 | x_t] and with it the score are closed forms, so what a sampler adds to the error
is its own. Knows nothing of samplers.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits


@dataclass(frozen=True)
class Mixture:
    """Equal-weight mixture: means (k, d), one standard deviation, and the class of each component."""

    means: np.ndarray
    std: float
    labels: np.ndarray

    def of_class(self, label: int) -> "Mixture":
        """Return the mixture of the components of one class."""
        of_label = self.labels == label
        return Mixture(self.means[of_label], self.std, self.labels[of_label])

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n draws (n, d)."""
        means = self.means[rng.integers(0, len(self.means), n)]
        return means + self.std * rng.standard_normal(means.shape)

    def responsibilities(self, x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        """Return the posterior probability (n, k) of each component given x_t."""
        variance = (alpha * self.std) ** 2 + sigma**2
        squared = (x**2).sum(1)[:, None] - 2 * alpha * x @ self.means.T + alpha**2 * (self.means**2).sum(1)
        logits = -0.5 * squared / variance
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True)

    def denoised(self, x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        """Return E[x_0 | x_t = x] (n, d)."""
        shrink = alpha * self.std**2 / ((alpha * self.std) ** 2 + sigma**2)
        means = self.responsibilities(x, alpha, sigma) @ self.means
        return means + shrink * (x - alpha * means)

    def score(self, x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        """Return ∇ log p_t(x) (n, d)."""
        return (alpha * self.denoised(x, alpha, sigma) - x) / sigma**2


def ring(components: int = 8, radius: float = 1.0, std: float = 0.08) -> Mixture:
    """Return Gaussians on a circle in the plane; their classes, 0 and 1, alternate."""
    angles = 2 * np.pi * np.arange(components) / components
    means = radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return Mixture(means, std, np.arange(components) % 2)


@cache
def noisy_digits(std: float = 0.1) -> Mixture:
    """Return scikit-learn's 1,797 images of 8 × 8 pixels, scaled to [-1, 1], each with Gaussian noise; classes 0 to 9."""
    images, labels = load_digits(return_X_y=True)
    return Mixture(images / 8.0 - 1.0, std, labels)


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the energy distance √(2 E|x-y| - E|x-x'| - E|y-y'|) between two samples (n, d) and (m, d).

    That of the samples themselves: 0 if they are equal, and near √(E|x-x'| (1/n + 1/m)) for two of one distribution.
    """
    return float(np.sqrt(max(2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean(), 0.0)))
