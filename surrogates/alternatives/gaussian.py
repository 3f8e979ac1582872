"""The Gaussian process of the engine behind the Surrogate contract, and one with the kernel of an infinitely
wide network.

Notation: as in gp.py and prepared.py.
Source of the second: Cho & Saul 2009 (arc-cosine kernel of order 1); Li et al. 2024, "A study of Bayesian
neural network surrogates for Bayesian optimization".
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import minimize

from ..contracts import TrainingData
from ..models.gp import cholesky
from ..models.outcome import OutcomeModel, Settings, fit_outcome, mixture
from ..threads import one_thread
from .prepared import Prepared, Standardized, StandardizedPosterior


@dataclass(frozen=True)
class GaussianSurrogate:
    """Matérn-5/2 with sampled hyperparameters; y is standardized, not warped."""

    settings: Settings = field(default_factory=lambda: Settings(transforms=("linear",)))
    name: str = "gp"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        prepared = Prepared.of(data)
        with one_thread():
            model = self._model(prepared, rng)

        def predict(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            mean, sd = mixture(*model.predict(Z))
            return (
                mean * model.transform.sd * model.transform.scale + offset,
                sd * model.transform.sd * model.transform.scale,
            )

        offset = float(model.transform.inverse(np.zeros(1))[0])
        return prepared.posterior(predict)

    def _model(self, prepared: Prepared, rng: np.random.Generator) -> OutcomeModel:
        D = prepared.embedding.squared_distances(prepared.Z)
        sem = np.where(prepared.noise > 0, np.sqrt(prepared.noise), np.nan)
        return fit_outcome(
            D,
            prepared.Z,
            prepared.embedding.group,
            prepared.z,
            sem,
            warm=None,
            settings=self.settings,
            rng=rng,
        )


@dataclass(frozen=True)
class InfiniteNetworkSurrogate:
    """A Gaussian process with the kernel of a ReLU network of infinite width and ``depth`` hidden layers."""

    depth: int = 2
    name: str = "infinite-network"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior; weight, bias and noise variances by marginal likelihood with weak priors."""
        prepared = Prepared.of(data)
        with one_thread():
            return prepared.posterior(self._fitted(prepared))

    def _fitted(self, prepared: Prepared) -> Standardized:
        Z, z, centre = prepared.Z, prepared.z, prepared.Z.mean(axis=0)
        start = np.array([0.5, -1.0, -5.0])

        def factor(theta: np.ndarray) -> np.ndarray:
            K = arc_cosine(Z - centre, Z - centre, np.exp(theta[0]), np.exp(theta[1]), self.depth)
            return cholesky(K + np.diag(np.exp(theta[2]) + prepared.noise + 1e-8))[0]

        def loss(theta: np.ndarray) -> float:
            L = factor(theta)
            v = np.linalg.solve(L, z)
            penalty = 0.5 * float(np.sum(((theta - start) / np.array([1.5, 1.0, 2.0])) ** 2))
            return 0.5 * float(v @ v) + float(np.sum(np.log(np.diag(L)))) + penalty

        theta = np.asarray(minimize(loss, start, method="Nelder-Mead", options={"maxiter": 60}).x)
        L = factor(theta)
        alpha = cho_solve((L, True), z)

        def predict(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            k = arc_cosine(A - centre, Z - centre, np.exp(theta[0]), np.exp(theta[1]), self.depth)
            prior = _diagonal(A - centre, np.exp(theta[0]), np.exp(theta[1]), self.depth)
            variance = prior - np.sum(np.linalg.solve(L, k.T) ** 2, axis=0)
            return k @ alpha, np.sqrt(np.maximum(variance, 1e-10))

        return predict


def _diagonal(A: np.ndarray, weight: float, bias: float, depth: int) -> np.ndarray:
    """Return the prior variance of each row: relu(x) has half the second moment of x, which the weights double
    back."""
    k = bias + weight * np.sum(A * A, axis=1) / A.shape[1]
    for _ in range(depth):
        k = bias + weight * k
    return k


def arc_cosine(A: np.ndarray, B: np.ndarray, weight: float, bias: float, depth: int) -> np.ndarray:
    """Return the covariance (a, b) of an infinitely wide ReLU network with these variances of weights and biases."""
    k = bias + weight * (A @ B.T) / A.shape[1]
    ka = bias + weight * np.sum(A * A, axis=1) / A.shape[1]
    kb = bias + weight * np.sum(B * B, axis=1) / B.shape[1]
    for _ in range(depth):
        norm = np.sqrt(ka[:, None] * kb[None, :])
        angle = np.arccos(np.clip(k / norm, -1.0, 1.0))
        k = bias + weight * norm * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
        ka, kb = bias + weight * ka, bias + weight * kb
    return k
