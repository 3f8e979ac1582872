"""What a point is worth: expected improvement of one objective or several, and of measuring a configuration again.

In log space, finite however small the improvement is. Two objectives: exact, by strips; three and more: expected improvement
of augmented Chebyshev scalarisations, averaged over a few weights, objectives independent given the hyperparameters.
A measurement that is repeated is worth its knowledge gradient: by how much it is expected to raise the highest posterior mean
among what was tried (and, for a new configuration, itself). Only for one objective whose noise is known: from standard errors,
or from configurations that were measured twice with different results. Knows nothing of spaces or histories.

Notation: mean, variance (S, m): S posterior samples of the hyperparameters, m points, standardized, larger is better ·
best (S,) what must be beaten · of several objectives (m, k): m objectives at k points, F (n, m) measured outcomes ·
noise: variance of one measurement.
Sources: Ament et al. 2023 ("Unexpected improvements to expected improvement"), equations 8-9; Emmerich et al. 2011;
Knowles 2006 (ParEGO); Frazier et al. 2009 ("The knowledge-gradient policy for correlated normal beliefs").
"""

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import erfcx, log_ndtr, logsumexp, ndtr

from ..models.outcome import OutcomeModel

SQRT_HALF = np.sqrt(0.5)
LOG_ROOT_TWO_PI = 0.5 * np.log(2 * np.pi)

CANDIDATES = 8
"""Tried configurations that may be measured again: those with the highest posterior means."""

NODES, WEIGHTS = hermegauss(24)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


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


def known_noise(keys: list[bytes], z: np.ndarray, sem: np.ndarray) -> float | None:
    """Return the variance of one measurement, or None while nothing tells it.

    ``keys``: one per row, equal for the same configuration; ``z`` (n,) outcomes; ``sem`` (n,) in the same unit or NaN.
    """
    squares, degrees = 0.0, 0
    for key in {k for k in keys if keys.count(k) > 1}:
        same = z[[i for i, k in enumerate(keys) if k == key]]
        squares, degrees = squares + float(np.sum((same - same.mean()) ** 2)), degrees + len(same) - 1
    sems = sem[np.isfinite(sem) & (sem > 0)]
    if degrees and squares > 0:
        return squares / degrees
    return float(np.median(sems) ** 2) if len(sems) >= max(2, len(z) // 2) else None


def worth_of_replicates(model: OutcomeModel, Z: np.ndarray, rows: np.ndarray, noise: float) -> np.ndarray:
    """Return the log knowledge gradient (r,) of measuring Z[rows] again, among the tried rows Z (n, p)."""
    total = np.zeros(len(rows))
    for member in model.members:
        mean = member.predict(Z)[0] + model.trend.mean(Z)
        covariance = member.posterior_covariance(Z[rows], Z) * model.warm.inflation
        own = np.maximum(covariance[np.arange(len(rows)), rows], 1e-12)
        moves = covariance / np.sqrt(own + noise)[:, None]
        raised = (mean + NODES[:, None, None] * moves).max(axis=2)
        total += np.maximum(WEIGHTS @ raised - mean.max(), 0.0) / len(model.members)
    return np.log(total + 1e-300)


def worth_of_new(model: OutcomeModel, Z: np.ndarray, z: np.ndarray, noise: float) -> float:
    """Return the log knowledge gradient of measuring a new row z (p,), the tried rows Z (n, p) staying as they are."""
    mean, variance = model.predict(z[None, :])
    best = model.predict(Z)[0].max(axis=1)
    sd = variance[:, 0] / np.sqrt(variance[:, 0] + noise)
    return float(np.log(np.mean(np.exp(log_h((mean[:, 0] - best) / sd)) * sd) + 1e-300))


def worth_repeating(
    model: OutcomeModel,
    Z: np.ndarray,
    keys: list[bytes],
    y: np.ndarray,
    sem: np.ndarray,
    new: np.ndarray,
    p_new: float,
) -> int | None:
    """Return the row of Z (n, p) that is worth measuring again more than ``new`` (p,), or None.

    ``y``, ``sem`` (n,): outcomes and their standard errors (NaN where unknown) of acceptable rows, larger is better;
    ``p_new``: the probability that the new one is acceptable.
    """
    slope = np.exp(model.transform.log_slope(y))
    noise = known_noise(keys, model.transform.forward(y), sem * slope)
    if noise is None:
        return None
    mean = model.predict(Z)[0].mean(axis=0)
    rows = np.argsort(-mean)[:CANDIDATES]
    worth = worth_of_replicates(model, Z, rows, noise)
    best = int(np.argmax(worth))
    return int(rows[best]) if worth[best] > worth_of_new(model, Z, new, noise) + np.log(p_new) else None
