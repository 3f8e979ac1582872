"""Search in a random subspace: x = x0 + P z, with P fixed and random and only the few numbers z free.

How many numbers a study needs is its intrinsic dimension: d90 is the smallest d whose subspace reaches nine tenths of what
the whole space gains (``api/dimension``). x0 is the default. What leaves the unit cube is clipped to it, and snapped to
the values a parameter can have.

Notation: x (D,) row of the unit cube · P (D, d) with orthonormal columns · z (d,), at most root D long each.
Source: Li, Farkhoor, Liu & Yosinski 2018, "Measuring the intrinsic dimension of objective landscapes", with its dense
projection: at our sizes it costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...evaluators.spaces.space import SearchSpace
from ..optim.search import Domain, Score

STEPS = (0.3, 0.1, 0.03, 0.01)
"""Widths of the local moves in z, one round each, over the root of D."""

KEPT = 8
ATTEMPTS = 8


@dataclass(frozen=True)
class RandomSubspace:
    """A random subspace through one row. ``origin`` (D,); ``projection`` (D, d)."""

    origin: np.ndarray
    projection: np.ndarray

    @classmethod
    def random(cls, space: SearchSpace, d: int, seed: int = 0) -> "RandomSubspace":
        """Return the subspace of d dimensions through the default configuration, the same for a seed."""
        D = len(space)
        directions = np.random.default_rng([seed, 20]).standard_normal((D, max(1, min(d, D))))
        return cls(space.encode([space.default()])[0][0], np.linalg.qr(directions)[0])

    def rows(self, Z: np.ndarray) -> np.ndarray:
        """Return rows (n, D) of the unit cube at Z (n, d)."""
        return np.clip(self.origin + Z @ self.projection.T, 0.0, 1.0)

    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """Return Z (n, d) of the nearest points of the subspace to rows X (n, D)."""
        return (X - self.origin) @ self.projection

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return Z (n, d): directions uniform, lengths such that corners of the cube are within reach."""
        D, d = self.projection.shape
        Z = rng.standard_normal((n, d))
        length = np.sqrt(D) * rng.random((n, 1)) ** (1 / d)
        return Z / np.linalg.norm(Z, axis=1, keepdims=True) * length

    def maximise(
        self, score: Score, domain: Domain, anchors: np.ndarray, rng: np.random.Generator, *, n: int
    ) -> tuple[np.ndarray, float] | None:
        """Return the best untaken row (D,) of the subspace that was found, and its score; None where nothing is left."""
        Z = self.draw(rng, n)
        if len(anchors):
            neighbours = self.coordinates(anchors)[rng.integers(len(anchors), size=n)]
            Z = np.vstack([Z, neighbours + 0.1 * self.draw(rng, n)])
        candidates = self._scored(Z, score, domain)
        if candidates is None:
            return None
        Z, X, values = candidates
        for width in STEPS:
            top = np.argsort(-values)[:KEPT]
            around = np.repeat(Z[top], 8, axis=0) + width * self.draw(rng, 8 * len(top))
            new = self._scored(around, score, domain)
            if new is not None:
                Z, X, values = (np.concatenate([a[top], b]) for a, b in zip((Z, X, values), new, strict=True))
        best = int(np.argmax(values))
        return X[best], float(values[best])

    def _scored(
        self, Z: np.ndarray, score: Callable[[np.ndarray, np.ndarray], np.ndarray], domain: Domain
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return z, row and score of those that are inside the domain and untaken; None where there are none."""
        candidates = [(z, *domain.repair(x[None])) for z, x in zip(Z, self.rows(Z), strict=True)]
        candidates = [(z, x[0], active[0]) for z, x, active in candidates if len(x)]
        if not candidates:
            return None
        Z, X, active = (np.array(part) for part in zip(*candidates, strict=True))
        free = domain.untaken(X)
        return (Z[free], X[free], score(X[free], active[free])) if free.any() else None
