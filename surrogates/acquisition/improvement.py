"""Acquisition functions in log space, finite however small the improvement is. Knows nothing of models or spaces.

Notation: mean, variance (S, m): S posterior samples of the hyperparameters, m points, standardized, larger is
better ·
best (S,) what must be beaten.
Source: Ament et al. 2023 ("Unexpected improvements to expected improvement"), equations 8-9.
"""

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp, ndtr

SQRT_HALF = np.sqrt(0.5)
LOG_ROOT_TWO_PI = 0.5 * np.log(2 * np.pi)


def log_h(z: np.ndarray) -> np.ndarray:
    """Return log(phi(z) + z Phi(z)): log EI of a standard normal over -z, finite down to z = -1e100."""
    z = np.asarray(z, float)
    near = np.maximum(z, -1.0)
    direct = np.log(np.exp(-0.5 * near * near - LOG_ROOT_TWO_PI) + near * ndtr(near))
    far = np.minimum(z, -1.0)
    density = -0.5 * far * far - LOG_ROOT_TWO_PI
    inside = 1.0 + np.sqrt(np.pi / 2) * far * erfcx(-far * SQRT_HALF)
    ratio = np.where(far > -1e3, np.log(np.maximum(inside, 1e-300)), -2.0 * np.log(-far))
    return np.where(z > -1.0, direct, density + ratio)


def log_expected_improvement(mean: np.ndarray, variance: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return log EI (m,) averaged over the S samples."""
    sd = np.sqrt(variance)
    values = log_h((mean - best[:, None]) / sd) + np.log(sd)
    return values[0] if len(values) == 1 else logsumexp(values, axis=0) - np.log(len(values))


def log_probability_below(mean: np.ndarray, variance: np.ndarray, limit: float) -> np.ndarray:
    """Return log P(value <= limit) (m,) averaged over the S samples."""
    values = log_ndtr((limit - mean) / np.sqrt(variance))
    return values[0] if len(values) == 1 else logsumexp(values, axis=0) - np.log(len(values))
