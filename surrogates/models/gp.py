"""Exact Gaussian-process regression with a Matérn-5/2 kernel, fast at n <= 400.

One fused kernel on the embedded rows, with analytic gradients of the log posterior of the hyperparameters, in plain
float64 numpy and LAPACK. Knows nothing of trials, objectives or acquisition.

Notation: Z (n, p) embedded rows · D (d, n, n) squared distances per parameter · y (n,) standardized, larger is
better ·
theta (d + 2,) = log lengthscales, log signal variance, log noise variance · R2 = sum_j D_j / l_j^2 ·
K = s2 · matern(R2) + Phi Phi' + diag(noise), Phi (n, q) the scaled features of a linear mean, which is marginalized.
Sources: Rasmussen & Williams 2006 (algorithm 2.1, equations 5.9 and 5.10-5.12); lengthscale priors that grow with the
dimension: Hvarfner et al. 2024; elliptical slice sampling: Murray et al. 2010. Dense reference: GPyTorch, in
the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dtrtrs  # pyright: ignore[reportAttributeAccessIssue] - made by f2py
from scipy.optimize import minimize

from .mean import BIAS, constant

JITTER = (1e-9, 1e-7, 1e-5, 1e-3, 1e-1)
"""Added to the diagonal, in this order, until the Cholesky factor exists."""

BURN_IN, THINNING = 6, 4
"""Slice steps before the first sample, and for each."""

Features = Callable[[np.ndarray], np.ndarray]
"""Scaled features (n, q) of the linear part at embedded rows (n, p)."""


@dataclass(frozen=True)
class Priors:
    """Gaussian priors of theta (all logarithms): mean (d + 2,) and sd (d + 2,)."""

    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def default(
        cls, d: int, *, length: float = 0.45, length_sd: float = 0.9, noise: float = -7.0
    ) -> "Priors":
        """Return the priors for d parameters: the median lengthscale grows with the root of d."""
        mean = np.full(d + 2, np.log(length) + 0.5 * np.log(max(d, 1)))
        sd = np.full(d + 2, length_sd)
        mean[-2:], sd[-2:] = (0.0, noise), (0.6, 2.0)
        return cls(mean, sd)

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Box within which theta is searched: four sd, and noise not below 1e-6."""
        low, high = self.mean - 4 * self.sd, self.mean + 4 * self.sd
        low[-1], high[-1] = np.log(1e-6), np.log(2.0)
        return list(zip(low, high, strict=True))


class Inferred(Protocol):
    """Data of a likelihood whose hyperparameters have Gaussian priors."""

    @property
    def priors(self) -> Priors: ...  # noqa: D102


T = TypeVar("T", bound=Inferred)


@dataclass(frozen=True)
class Task:
    """What a GP learns from: D (d, n, n), y (n,), known noise variance per row (n,), priors."""

    D: np.ndarray
    y: np.ndarray
    noise: np.ndarray
    priors: Priors
    linear: np.ndarray | float = BIAS
    """Covariance (n, n) of the linear part of the model: a constant mean alone, or more features."""

    @cached_property
    def flat(self) -> np.ndarray:
        """D as (d, n·n), for one matrix-vector product."""
        return self.D.reshape(len(self.D), -1)

    def with_y(self, y: np.ndarray, noise: np.ndarray) -> "Task":
        """Return the task with other targets over the same rows, sharing D."""
        return replace(self, y=y, noise=noise)


def matern(R2: np.ndarray) -> np.ndarray:
    """Return the Matérn-5/2 correlation of squared scaled distances, any shape."""
    r = np.sqrt(5.0 * R2)
    return (1.0 + r + r * r / 3.0) * np.exp(-r)


def matern_slope(R2: np.ndarray) -> np.ndarray:
    """Return the derivative of ``matern`` with respect to R2."""
    r = np.sqrt(5.0 * R2)
    return (-5.0 / 6.0) * (1.0 + r) * np.exp(-r)


def cholesky(K: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the lower factor of K and the jitter that was needed; never fails for a finite symmetric K."""
    L, info = dpotrf(K, lower=1)
    if info == 0:
        return L, 0.0
    scale = float(np.mean(np.diag(K)))
    for jitter in JITTER:
        L, info = dpotrf(K + jitter * scale * np.eye(len(K)), lower=1)
        if info == 0:
            return L, jitter
    return np.diag(np.sqrt(np.maximum(np.diag(K), 1e-12) + scale)), 1.0


def _solve(L: np.ndarray, B: np.ndarray, *, trans: int = 0) -> np.ndarray:
    return dtrtrs(L, B, lower=1, trans=trans)[0]


def _covariance(theta: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return K, the correlation and R2."""
    n = len(task.y)
    R2 = (np.exp(-2.0 * theta[:-2]) @ task.flat).reshape(n, n)
    R = matern(R2)
    K = np.exp(theta[-2]) * R + task.linear
    K[np.diag_indices(n)] += np.exp(theta[-1]) + task.noise
    return K, R, R2


def log_posterior(theta: np.ndarray, task: Task) -> float:
    """Return the log marginal likelihood plus the log prior of theta (up to a constant)."""
    return log_likelihood(theta, task) - 0.5 * float(
        np.sum(((theta - task.priors.mean) / task.priors.sd) ** 2)
    )


def log_likelihood(theta: np.ndarray, task: Task) -> float:
    """Return the log marginal likelihood without the constant of 2 pi."""
    L, _ = cholesky(_covariance(theta, task)[0])
    v = _solve(L, task.y)
    return -0.5 * float(v @ v) - float(np.sum(np.log(np.diag(L))))


def negative_log_posterior(theta: np.ndarray, task: Task) -> tuple[float, np.ndarray]:
    """Return minus the log posterior and its gradient."""
    K, R, R2 = _covariance(theta, task)
    L, _ = cholesky(K)
    alpha = _solve(L, _solve(L, task.y), trans=1)
    inverse = dpotri(L, lower=1)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    M = np.outer(alpha, alpha) - inverse
    s2, w = np.exp(theta[-2]), np.exp(-2.0 * theta[:-2])
    gradient = np.empty_like(theta)
    gradient[:-2] = -s2 * w * (task.flat @ (M * matern_slope(R2)).ravel())
    gradient[-2] = 0.5 * s2 * np.sum(M * R)
    gradient[-1] = 0.5 * np.exp(theta[-1]) * np.trace(M)
    z = (theta - task.priors.mean) / task.priors.sd
    value = 0.5 * float(task.y @ alpha) + float(np.sum(np.log(np.diag(L)))) + 0.5 * float(z @ z)
    return value, -gradient + z / task.priors.sd


def fit_map(
    task: T, starts: list[np.ndarray], *, steps: int = 60,
    loss: Callable[[np.ndarray, T], tuple[float, np.ndarray]] = negative_log_posterior,
) -> np.ndarray:  # fmt: skip
    """Return the best theta that L-BFGS finds from ``starts`` within ``steps`` iterations each."""
    bounds = task.priors.bounds
    low, high = np.array(bounds).T
    best, best_value = np.clip(starts[0], low, high), np.inf
    for start in starts:
        optimum = minimize(
            loss, np.clip(start, low, high), args=(task,), jac=True, method="L-BFGS-B",
            bounds=bounds, options={"maxiter": steps, "maxls": 12, "ftol": 1e-7, "gtol": 1e-4},
        )  # fmt: skip
        if np.isfinite(optimum.fun) and optimum.fun < best_value:
            best, best_value = optimum.x, float(optimum.fun)
    return best


def sample_thetas(
    task: T, start: np.ndarray, rng: np.random.Generator, *, n: int,
    likelihood: Callable[[np.ndarray, T], float] = log_likelihood,
) -> list[np.ndarray]:  # fmt: skip
    """Return n thetas from their posterior, by elliptical slice sampling that starts at ``start``."""
    mean, sd = task.priors.mean, task.priors.sd
    low, high = np.array(task.priors.bounds).T
    theta, level = start, likelihood(start, task)
    samples: list[np.ndarray] = []
    for step in range(BURN_IN + n * THINNING):
        other = mean + sd * rng.standard_normal(len(mean))
        theta, level = _slice_step(lambda at: likelihood(at, task), theta, level, other, mean, rng)
        if step >= BURN_IN and (step - BURN_IN) % THINNING == THINNING - 1:
            samples.append(np.clip(theta, low, high))
    return samples


def _slice_step(
    likelihood: Callable[[np.ndarray], float],
    theta: np.ndarray,
    level: float,
    other: np.ndarray,
    mean: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    threshold = level + np.log(max(rng.random(), 1e-300))
    angle = rng.uniform(0.0, 2 * np.pi)
    below, above = angle - 2 * np.pi, angle
    for _ in range(30):
        proposal = mean + (theta - mean) * np.cos(angle) + (other - mean) * np.sin(angle)
        value = likelihood(proposal)
        if value > threshold:
            return proposal, value
        below, above = (angle, above) if angle < 0 else (below, angle)
        angle = rng.uniform(below, above)
    return theta, level


@dataclass(frozen=True)
class Fitted:
    """A GP with fixed hyperparameters: predicts at embedded rows. Immutable."""

    theta: np.ndarray
    group: np.ndarray
    Z: np.ndarray
    y: np.ndarray
    noise: np.ndarray
    L: np.ndarray
    alpha: np.ndarray
    jitter: float = 0.0
    features: Features = constant
    _scaled: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    _phi: np.ndarray = field(default_factory=lambda: np.empty((0, 1)), repr=False)

    @classmethod
    def build(
        cls, theta: np.ndarray, group: np.ndarray, Z: np.ndarray, y: np.ndarray, noise: np.ndarray, *,
        features: Features = constant,
    ) -> "Fitted":  # fmt: skip
        """Factorize the covariance of the rows Z (n, p) with targets y (n,) and known noise variance (n,)."""
        scaled, phi = Z * np.exp(-theta[:-2])[group], features(Z)
        K = np.exp(theta[-2]) * matern(_squared(scaled, scaled)) + phi @ phi.T
        K[np.diag_indices(len(y))] += np.exp(theta[-1]) + noise
        L, jitter = cholesky(K) if len(y) else (K, 0.0)
        alpha = _solve(L, _solve(L, y), trans=1) if len(y) else y
        return cls(theta, group, Z, y, noise, L, alpha, jitter, features, scaled, phi)

    def predict(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (m,) and variance (m,) of the noise-free function at Z (m, p)."""
        phi = self.features(Z)
        prior = np.exp(self.theta[-2]) + np.einsum("ij,ij->i", phi, phi)
        if len(self.y) == 0:
            return np.zeros(len(Z)), prior
        k = self._kernel(Z, self._scaled) + phi @ self._phi.T
        v = _solve(self.L, k.T)
        return k @ self.alpha, np.maximum(prior - np.einsum("ij,ij->j", v, v), 1e-10)

    def cross(self, Z: np.ndarray) -> np.ndarray:
        """Return the covariance of Z (m, p) with the training rows, (m, n)."""
        return self._kernel(Z, self._scaled) + self.features(Z) @ self._phi.T

    def _kernel(self, Z: np.ndarray, scaled: np.ndarray) -> np.ndarray:
        return np.exp(self.theta[-2]) * matern(_squared(self._scale(Z), scaled))

    def posterior_covariance(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Return the posterior covariance of the function between rows A (a, p) and B (b, p), (a, b)."""
        prior = self._kernel(A, self._scale(B)) + self.features(A) @ self.features(B).T
        if len(self.y) == 0:
            return prior
        return prior - _solve(self.L, self.cross(A).T).T @ _solve(self.L, self.cross(B).T)

    def _scale(self, Z: np.ndarray) -> np.ndarray:
        return Z * np.exp(-self.theta[:-2])[self.group]

    def with_fantasies(self, Z: np.ndarray) -> "Fitted":
        """Return the GP that also believes its own mean at Z (q, p): the variance there shrinks, the mean stays.

        The Cholesky factor is extended by q rows, in O(n^2 q).
        """
        mean, _ = self.predict(Z)
        scaled, phi = self._scale(Z), self.features(Z)
        corner = self._kernel(Z, scaled) + phi @ phi.T
        corner[np.diag_indices(len(Z))] += np.exp(self.theta[-1])
        side = _solve(self.L, self.cross(Z).T).T if len(self.y) else np.empty((len(Z), 0))
        block, jitter = cholesky(corner - side @ side.T)
        n, q = len(self.y), len(Z)
        L = np.zeros((n + q, n + q), order="F")
        L[:n, :n], L[n:, :n], L[n:, n:] = np.tril(self.L), side, np.tril(block)
        y = np.r_[self.y, mean]
        return replace(
            self, Z=np.vstack([self.Z, Z]), y=y, noise=np.r_[self.noise, np.zeros(q)], L=L,
            alpha=_solve(L, _solve(L, y), trans=1), jitter=max(self.jitter, jitter),
            _scaled=np.vstack([self._scaled, scaled]), _phi=np.vstack([self._phi, phi]),
        )  # fmt: skip

    def leave_one_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (n,) and variance (n,) of each y given all others, noise included (R&W 5.12)."""
        inverse = dpotri(self.L, lower=1)[0]
        diagonal = np.maximum(np.diag(inverse), 1e-12)
        return self.y - self.alpha / diagonal, 1.0 / diagonal


def _squared(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return squared distances between rows, (m, n)."""
    if A.shape[1] == 0:
        return np.zeros((len(A), len(B)))
    product = A @ B.T
    out = np.einsum("ij,ij->i", A, A)[:, None] + np.einsum("ij,ij->i", B, B)[None, :] - 2.0 * product
    return np.maximum(out, 0.0)
