"""Designs drawn from a determinantal point process, and least squares with weights on them.

The space of approximation is spanned by m features, orthonormal under the uniform measure of the search space: the
leading eigenfunctions of a prior kernel, so that any space has them, mixed or conditional. Points of a projection
process repel each other in these features; n > m points are a volume-rescaled sample (one process, the rest drawn
independently from the optimal density) or several processes in a row. Knows nothing of trials.

Notation: Z (n, p) embedded rows · phi (n, m) features · k(x, x) = |phi(x)|^2, of mean m · w(x) = m / k(x, x).
Sources: Nouy & Michel 2023, "Weighted least-squares approximation with determinantal point processes and generalized
volume sampling"; the chain rule of projection processes: Hough et al. 2006; volume-rescaled sampling by adding
independent points: Derezinski, Warmuth & Hsu 2022.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..models.embedding import Embedding
from ..optim.search import Domain, candidates
from .features import Kernel, prior_kernel

SMALLEST_EIGENVALUE = 1e-9
"""Relative to the largest: below it an eigenfunction is rounding."""

REFERENCE = 512
"""Points that stand for the uniform measure, and candidates of a draw."""

CONSTANT = 100.0
"""Variance of the constant that is added to the kernel, which makes it the first feature."""


@dataclass(frozen=True)
class Basis:
    """Features that are orthonormal under the measure which ``reference`` (k, p) samples. ``weights`` (k, m)."""

    kernel: Kernel
    reference: np.ndarray
    weights: np.ndarray

    @classmethod
    def of_kernel(cls, kernel: Kernel, reference: np.ndarray, m: int) -> "Basis":
        """Return the constant and the leading eigenfunctions of a kernel, at most m in all."""

        def with_constant(A: np.ndarray, B: np.ndarray) -> np.ndarray:
            return kernel(A, B) + CONSTANT

        values, U = np.linalg.eigh(with_constant(reference, reference))
        places = np.flatnonzero(values > SMALLEST_EIGENVALUE * values[-1])[-m:][::-1]
        return cls(with_constant, reference, np.sqrt(len(reference)) * U[:, places] / values[places])

    @property
    def m(self) -> int:
        """Number of features."""
        return self.weights.shape[1]

    def features(self, Z: np.ndarray) -> np.ndarray:
        """Return phi (n, m)."""
        return self.kernel(Z, self.reference) @ self.weights


def density_given(phi: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the density (n,) of a projection process' next point, up to its constant, given points it has (s, m).

    It is the squared distance of phi(x) to what the chosen features span: zero at every chosen point.
    """
    if len(chosen):
        span, _ = np.linalg.qr(chosen.T)
        phi = phi - (phi @ span) @ span.T
    return np.sum(phi * phi, axis=1)


def next_log_density(phi: np.ndarray, chosen: np.ndarray, *, repeated: bool) -> np.ndarray:
    """Return the log density (n,) of the point that follows ``chosen`` (s, m), up to its constant.

    The first m points are a projection process; ``repeated``: so are the next m, and so on; otherwise all that follow
    are independent with the optimal density k(x, x) / m, which makes the whole a volume-rescaled sample.
    """
    m = phi.shape[1]
    if len(chosen) >= m:
        chosen = chosen[len(chosen) - len(chosen) % m :] if repeated else chosen[:0]
    return np.log(np.maximum(density_given(phi, chosen), 1e-300))


def draw(phi: np.ndarray, n: int, rng: np.random.Generator, *, repeated: bool = False) -> np.ndarray:
    """Return n positions among the rows of phi (k, m), which sample the measure: a design as ``next_log_density``."""
    rows: list[int] = []
    for _ in range(n):
        log_density = next_log_density(phi, phi[rows], repeated=repeated)
        rows.append(int(np.argmax(log_density + rng.gumbel(size=len(phi)))))
    return np.array(rows, int)


def least_squares(phi: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return coefficients (m,) of y (n,) at design points with features phi (n, m), weighted by w(x) = m / k(x, x).

    On a volume-rescaled sample they are unbiased for the best approximation, and the expected squared error is near
    its smallest.
    """
    root = np.sqrt(phi.shape[1] / np.sum(phi * phi, axis=1))
    return np.linalg.lstsq(phi * root[:, None], y * root, rcond=None)[0]


@dataclass(frozen=True)
class RandomDesign:
    """An initial design of ``trials`` points of one space, drawn point by point given what was tried before.

    It has as many features as a linear model: one and one per parameter. ``repeated``: further processes instead of
    independent points once these are used up. ``length``: lengthscale of the prior, times the root of the dimension.
    """

    embedding: Embedding
    trials: int
    length: float
    repeated: bool

    def basis(self) -> Basis:
        """Return the features, the same at every call."""
        space = self.embedding.space
        X, active = space.canonical(space.sample_rows(np.random.default_rng(0), REFERENCE))
        kernel = prior_kernel(self.embedding, self.length)
        return Basis.of_kernel(kernel, self.embedding.embed(X, active), min(self.trials, 1 + len(space)))

    def next_row(
        self,
        domain: Domain,
        tried: np.ndarray,
        rng: np.random.Generator,
        survival: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Return an untaken row (d,) given embedded rows tried (n, p); ``survival``: log probability of not failing."""
        basis = self.basis()
        C, active = candidates(domain, np.empty((0, len(self.embedding.space))), rng, REFERENCE)
        Z = self.embedding.embed(C, active)
        log_density = next_log_density(basis.features(Z), basis.features(tried), repeated=self.repeated)
        return C[int(np.argmax(log_density + survival(Z) + rng.gumbel(size=len(Z))))]
