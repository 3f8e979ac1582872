"""When measuring a configuration again is worth more than measuring a new one.

The worth of a measurement is its knowledge gradient: by how much it is expected to raise the highest posterior mean among
what was tried (and, for a new configuration, itself). Only for one objective whose noise is known: from standard errors, or
from configurations that were measured twice with different results. Knows nothing of spaces or histories.

Notation: standardized, larger is better · mu (n,) posterior means of the tried rows · noise: variance of one measurement.
Source: Frazier et al. 2009 ("The knowledge-gradient policy for correlated normal beliefs").
"""

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from ..models.outcome import OutcomeModel
from .improvement import log_h

CANDIDATES = 8
"""Tried configurations that may be measured again: those with the highest posterior means."""

NODES, WEIGHTS = hermegauss(24)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def known_noise(keys: list[bytes], z: np.ndarray, sem: np.ndarray) -> float | None:
    """Return the variance of one measurement, or None while nothing tells it.

    ``keys``: one per row, equal for the same configuration; ``z`` (n,) outcomes; ``sem`` (n,) in the same unit or NaN.
    """
    squares, degrees = 0.0, 0
    for key in {k for k in keys if keys.count(k) > 1}:
        same = z[[i for i, k in enumerate(keys) if k == key]]
        squares, degrees = squares + float(np.sum((same - same.mean()) ** 2)), degrees + len(same) - 1
    stated = sem[np.isfinite(sem) & (sem > 0)]
    if degrees and squares > 0:
        return squares / degrees
    return float(np.median(stated) ** 2) if len(stated) >= max(2, len(z) // 2) else None


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
