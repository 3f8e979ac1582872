"""The probability that a configuration yields an acceptable result.

Failed trials train one classifier per kind of failure (a Gaussian process with a logistic link, Laplace's
approximation); measured constraints have a regression model each. ``infrastructure`` and ``lost`` say nothing
of a configuration and are never taught. A failure never enters the objective.

Notation: Z (n, p) embedded rows · labels +1 success, -1 failure · f latent, P(success) = 1 / (1 + exp(-f)).
Source: Rasmussen & Williams 2006, algorithms 3.1 and 3.2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dtrtrs  # pyright: ignore[reportAttributeAccessIssue] - made by f2py
from scipy.special import expit, log_expit, logit

from .gp import Priors, Task, cholesky, fit_map, matern

TAUGHT = ("crash", "timeout", "out_of_memory", "constraint", "invalid")
"""Kinds of failure that say something of the configuration."""

LATENT_VARIANCE = 9.0
"""Variance of the latent function: deep inside a failing region P(success) comes under 5 %."""


Slope = Callable[[np.ndarray], np.ndarray]
"""Scaled features (n, q) of the linear part of f at embedded rows: thresholds of one number or of a product of numbers on
logarithmic scales are linear in the unit cube."""

Mean = Callable[[np.ndarray], np.ndarray]
"""Prior mean (n,) of f at embedded rows, without its constant."""


@dataclass(frozen=True)
class Classifier:
    """P(success) at embedded rows, with fixed lengthscales. Immutable."""

    kind: str
    inverse_lengths: np.ndarray
    scaled: np.ndarray
    gradient: np.ndarray
    weight: np.ndarray
    L: np.ndarray
    offset: float
    slope: Slope
    mean: Mean
    phi: np.ndarray

    def log_probability(self, Z: np.ndarray) -> np.ndarray:
        """Return log P(success) (m,) at rows Z (m, p)."""
        scaled = Z * self.inverse_lengths
        difference = (
            np.sum(scaled**2, axis=1)[:, None] + np.sum(self.scaled**2, axis=1) - 2.0 * scaled @ self.scaled.T
        )
        phi = self.slope(Z)
        k = LATENT_VARIANCE * matern(np.maximum(difference, 0.0)) + phi @ self.phi.T
        mean = self.offset + self.mean(Z) + k @ self.gradient
        v = dtrtrs(self.L, (k * self.weight).T, lower=1)[0]
        variance = np.maximum(LATENT_VARIANCE + np.sum(phi * phi, axis=1) - np.sum(v * v, axis=0), 1e-9)
        return log_expit(mean / np.sqrt(1.0 + np.pi / 8.0 * variance))


def fit_classifier(
    kind: str, D: np.ndarray, Z: np.ndarray, group: np.ndarray, labels: np.ndarray, slope: Slope, mean: Mean
) -> Classifier:
    """Return the classifier of ``labels`` (n,) in {-1, +1} at rows Z (n, p) with D (d, n, n)."""
    d, n = len(D), len(labels)
    priors = Priors.default(d, length=0.6, length_sd=0.7, noise=-2.5)
    task = Task(D, labels - labels.mean(), np.zeros(n), priors)
    theta = fit_map(task, [priors.mean], steps=25)
    R2 = (np.exp(-2.0 * theta[:-2]) @ task.flat).reshape(n, n)
    phi = slope(Z)
    K = LATENT_VARIANCE * matern(R2) + phi @ phi.T
    succeeded = float(np.sum(labels > 0))
    offset = float(logit((succeeded + 2.0) / (n + 3.0)))
    gradient, root, L = _laplace(K, labels, offset + mean(Z))
    inverse_lengths = np.exp(-theta[:-2])[group]
    return Classifier(kind, inverse_lengths, Z * inverse_lengths, gradient, root, L, offset, slope, mean, phi)


def _laplace(
    K: np.ndarray, labels: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradient of the log likelihood at the mode, the root of its curvature and chol(I + W K W)."""
    n = len(labels)
    f, target = np.zeros(n), (labels + 1.0) / 2.0
    root, L = np.ones(n), np.eye(n)
    for _ in range(20):
        p = expit(f + offset)
        root = np.sqrt(np.maximum(p * (1.0 - p), 1e-10))
        L, _ = cholesky(np.eye(n) + root[:, None] * K * root[None, :])
        b = root**2 * f + (target - p)
        a = b - root * dtrtrs(L, dtrtrs(L, root * (K @ b), lower=1)[0], lower=1, trans=1)[0]
        new = K @ a
        done = float(np.max(np.abs(new - f))) < 1e-6
        f = 0.5 * (f + new) if not done else new
        if done:
            break
    return target - expit(f + offset), root, L


def failure_rows(kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Return, per taught kind, which of the failed trials (in order) are of that kind."""
    array = np.array(list(kinds), dtype=object)
    return {k: array == k for k in TAUGHT if (array == k).any()}
