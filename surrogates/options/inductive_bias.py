"""How many bits of inductive bias a hypothesis space lacks for a study: the less, the better it suits it.

A random hypothesis of a space, given that it fits some trials exactly, predicts others with some error. The inductive
bias that the study needs is minus the logarithm of the probability that this error is at most a target: what must be
known beyond the space and the trials. The errors of random hypotheses are near a scaled non-central chi-squared
distribution, whose fit gives probabilities too small to sample.

Notation: y (n,) of the trials that are fitted · t (m,) of the others, both standardized · K kernel of the space.
Source: Boopathy, Yue, Hwang, Iyer & Fiete 2024, "Towards exact computation of inductive bias".
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.optimize import minimize
from scipy.stats import ncx2, norm

from ..alternatives.gaussian import arc_cosine
from ..contracts import TrainingData
from ..models.embedding import Embedding
from ..models.gp import Priors, cholesky, matern

HYPOTHESES = 2_000
"""Random hypotheses whose errors are fitted."""

SPLITS = 4
TARGET = 0.1
"""Mean squared error that is asked for, in variances of y: nine tenths of the variance explained."""

LEAST_NOISE = 1e-6
FEWEST = 8
"""Trials below which nothing is said."""

Kernel = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Covariance (n, k) of rows (n, p) and (k, p) at one log scale."""


def bits_needed(data: TrainingData, rng: np.random.Generator, *, target: float = TARGET) -> dict[str, float]:
    """Return bits by the name of the space, means over random halves; {} for fewer than ``FEWEST`` trials or constant y.

    ``gp`` and ``infinite-network`` are the kernels of the surrogates of these names, ``linear`` is for comparison. The
    one scale of each is fitted by likelihood to the half that is known.
    """
    if len(data.y) < FEWEST or np.ptp(data.y) == 0:
        return {}
    Z = Embedding(data.space).embed(data.X, data.active)
    y = (data.y - data.y.mean()) / data.y.std()
    by_space: dict[str, list[float]] = {name: [] for name in _spaces(Z, data)}
    for _ in range(SPLITS):
        order = rng.permutation(len(y))
        fitted, left = order[: len(y) // 2], order[len(y) // 2 :]
        for name, kernel in _spaces(Z, data).items():
            mean, covariance = _posterior(kernel, Z[fitted], y[fitted], Z[left])
            losses = hypothesis_losses(mean, covariance, y[left], rng)
            by_space[name].append(bits(losses, target))
    return {name: float(np.mean(values)) for name, values in by_space.items()}


def hypothesis_losses(
    mean: np.ndarray, covariance: np.ndarray, truth: np.ndarray, rng: np.random.Generator, n: int = HYPOTHESES
) -> np.ndarray:
    """Return mean squared errors (n,) against truth (m,) of hypotheses drawn from N(mean, covariance)."""
    values, U = np.linalg.eigh(covariance)
    root = U * np.sqrt(np.maximum(values, 0.0))
    samples = mean + rng.standard_normal((n, len(mean))) @ root.T
    return np.mean((samples - truth) ** 2, axis=1)


def bits(losses: np.ndarray, target: float) -> float:
    """Return -log2 of the probability that a loss is at most ``target``, by a fitted non-central chi-squared."""
    df, nc, _, scale = ncx2.fit(losses, *_start(losses), floc=0)
    nats = -float(ncx2.logcdf(target, df, nc, scale=scale))
    if not np.isfinite(nats):
        nats = -float(norm.logcdf(_normal_score(target / scale, df, nc)))
    return nats / np.log(2)


def _start(losses: np.ndarray) -> tuple[float, float]:
    """Return degrees of freedom and non-centrality to start from: a central distribution of the same moments."""
    return max(1.0, 2 * float(losses.mean()) ** 2 / max(float(losses.var()), 1e-12)), 1.0


def _normal_score(x: float, k: float, nc: float) -> float:
    """Return the normal score of a non-central chi-squared quantile (Sankaran 1963), where its tail underflows."""
    h = 1 - 2 * (k + nc) * (k + 3 * nc) / (3 * (k + 2 * nc) ** 2)
    p = (k + 2 * nc) / (k + nc) ** 2
    m = (h - 1) * (1 - 3 * h)
    centre = 1 + h * p * (h - 1 - 0.5 * (2 - h) * m * p)
    return ((x / (k + nc)) ** h - centre) / (h * np.sqrt(2 * p) * (1 + 0.5 * m * p))


def _spaces(Z: np.ndarray, data: TrainingData) -> Mapping[str, Kernel]:
    length = np.exp(Priors.default(len(data.space)).mean[:-2])[Embedding(data.space).group]
    centre = Z.mean(axis=0)

    def gp(A: np.ndarray, B: np.ndarray, log_scale: float) -> np.ndarray:
        A, B = A / length / np.exp(log_scale), B / length / np.exp(log_scale)
        R2 = np.sum(A * A, axis=1)[:, None] + np.sum(B * B, axis=1) - 2 * A @ B.T
        return matern(np.maximum(R2, 0.0))

    def network(A: np.ndarray, B: np.ndarray, log_scale: float) -> np.ndarray:
        return arc_cosine(A - centre, B - centre, np.exp(log_scale), 0.4, 2)

    def linear(A: np.ndarray, B: np.ndarray, log_scale: float) -> np.ndarray:
        return 0.1 + np.exp(log_scale) * (A - centre) @ (B - centre).T

    return {"gp": gp, "infinite-network": network, "linear": linear}


def _posterior(
    kernel: Kernel, Z: np.ndarray, y: np.ndarray, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (m,) and covariance (m, m) at rows that are left out; scale and noise by marginal likelihood."""

    def factor(theta: np.ndarray) -> np.ndarray:
        K = np.exp(theta[1]) * kernel(Z, Z, theta[0])
        return cholesky(K + (LEAST_NOISE + np.exp(theta[2])) * np.eye(len(y)))[0]

    def loss(theta: np.ndarray) -> float:
        L = factor(theta)
        v = np.linalg.solve(L, y)
        return 0.5 * float(v @ v) + float(np.sum(np.log(np.diag(L)))) + 0.05 * float(theta @ theta)

    theta = np.asarray(
        minimize(loss, np.array([0.0, 0.0, -5.0]), method="Nelder-Mead", options={"maxiter": 80}).x
    )
    L = factor(theta)
    s2 = np.exp(theta[1])
    V = np.linalg.solve(L, s2 * kernel(Z, left, theta[0]))
    return V.T @ np.linalg.solve(L, y), s2 * kernel(left, left, theta[0]) - V.T @ V
