"""Several objectives: how much a point is expected to add to the hypervolume of the Pareto front.

Two objectives: exact, by strips. Three and more: expected improvement of augmented Chebyshev scalarisations,
averaged over a few weights. Objectives are independent given the hyperparameters. Knows nothing of models.

Notation: mean, variance (m, k) of m objectives at k points, standardized, larger is better · F (n, m) measured
outcomes.
Sources: Emmerich et al. 2011; Knowles 2006 (ParEGO).
"""

import numpy as np
from scipy.special import logsumexp

from .improvement import log_h


def front(F: np.ndarray) -> np.ndarray:
    """Return which rows of F (n, m) no other row dominates, (n,) bool; of equal rows the first."""
    keep = np.ones(len(F), bool)
    for i in range(len(F)):
        if keep[i]:
            worse = (F[i] >= F).all(axis=1)
            worse[i] = False
            keep &= ~worse
    return keep


def reference_point(F: np.ndarray) -> np.ndarray:
    """Return a point (m,) a little worse than the front in every objective: 10 % of its range, at least 0.1."""
    best = F[front(F)]
    return best.min(axis=0) - np.maximum(0.1 * np.ptp(best, axis=0), 0.1)


def log_hypervolume_improvement(mean: np.ndarray, variance: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Return the log expected hypervolume improvement (k,) over two measured objectives F (n, 2), n >= 1."""
    reference = reference_point(F)
    best = F[front(F)]
    best = best[np.argsort(best[:, 0])]
    sd = np.sqrt(variance)
    left = np.r_[reference[0], best[:, 0]]
    height = np.r_[best[:, 1], reference[1]]
    over_left = log_h((mean[0] - left[:, None]) / sd[0]) + np.log(sd[0])
    over_right = np.vstack([over_left[1:], np.full((1, mean.shape[1]), -np.inf)])
    width = over_left + np.log1p(-np.exp(np.minimum(over_right - over_left, -1e-12)))
    above = log_h((mean[1] - height[:, None]) / sd[1]) + np.log(sd[1])
    return np.asarray(logsumexp(width + above, axis=0))


def log_chebyshev_improvement(
    mean: np.ndarray, variance: np.ndarray, F: np.ndarray, weights: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """Return the log expected improvement (k,) of scalarisations with ``weights`` (w, m), by ``normals`` (s, m)."""
    samples = mean[None] + np.sqrt(variance)[None] * normals[:, :, None]
    total = np.zeros(mean.shape[1])
    for weight in weights:
        reached = np.min(samples / weight[None, :, None], axis=1) + 0.05 * samples.sum(axis=1)
        best = np.max(np.min(F / weight, axis=1) + 0.05 * F.sum(axis=1))
        total += np.mean(np.logaddexp(0.0, (reached - best) / 0.02) * 0.02, axis=0)
    return np.log(total / len(weights) + 1e-300)
