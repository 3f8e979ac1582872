"""Any surrogate in the engine's place for the objective, and a portfolio that picks one by predictive likelihood.

``SurrogateOutcome`` makes a Surrogate look like the engine's own model of an outcome. ``Portfolio`` is itself
a Surrogate:
it fits its members to parts of the rows and keeps the one that foretells the other rows best. It is not the engine's
default: see docs/decisions/0041-no-portfolio-by-default.md.

Notation: as in outcome.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .contracts import Posterior, Surrogate, TrainingData
from .embedding import Embedding
from .transforms import Transform, fit_transform


@dataclass(frozen=True)
class SurrogateOutcome:
    """The posterior of a surrogate on a standardized outcome, with what it was fitted to, so that it can be
    refitted."""

    embedding: Embedding
    transform: Transform
    surrogate: Surrogate
    data: TrainingData
    posterior: Posterior
    seed: int
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, surrogate: Surrogate, data: TrainingData, rng: np.random.Generator) -> "SurrogateOutcome":
        """Fit the surrogate to the data's y after a power transform."""
        transform = fit_transform(data.y, "power")
        slope = np.exp(transform.log_slope(data.y))
        standard = replace(data, y=transform.forward(data.y), noise=data.noise * slope**2)
        seed = int(rng.integers(2**31))
        return cls(
            Embedding(data.space),
            transform,
            surrogate,
            standard,
            surrogate.fit(standard, np.random.default_rng(seed)),
            seed,
        )

    def predict(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance (1, m) on the transformed scale at embedded rows Z (m, p)."""
        mean, sd = self.posterior.predict(*self.embedding.invert(Z))
        return mean[None, :], sd[None, :] ** 2

    def natural(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return median (m,) and half the width of the central 68 % (m,) in the unit of y."""
        (mean,), (variance,) = self.predict(Z)
        sd = np.sqrt(variance)
        low, high = self.transform.inverse(mean - sd), self.transform.inverse(mean + sd)
        return self.transform.inverse(mean), np.maximum(0.5 * (high - low), 1e-300)

    def with_fantasies(self, Z: np.ndarray) -> "SurrogateOutcome":
        """Return the model refitted with its own means at embedded rows Z (q, p)."""
        X, active = self.embedding.invert(Z)
        mean, _ = self.posterior.predict(X, active)
        data = TrainingData(
            self.data.space, np.vstack([self.data.X, X]), np.vstack([self.data.active, active]),
            np.r_[self.data.y, mean], np.r_[self.data.noise, np.full(len(X), np.nan)],
        )  # fmt: skip
        return replace(self, data=data, posterior=self.surrogate.fit(data, np.random.default_rng(self.seed)))


@dataclass(frozen=True)
class Portfolio:
    """Picks the member with the best log predictive density over ``folds`` held-out parts of the rows.

    The first member is preferred: another must be better by ``margin`` nats in all. Under 8 rows it is taken unseen.
    """

    members: Sequence[Surrogate]
    folds: int = 4
    margin: float = 2.0
    name: str = "portfolio"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> Posterior:
        """Return the posterior of the chosen member, fitted to all rows."""
        seed = int(rng.integers(2**31))
        chosen = self.members[0] if len(data.y) < 8 else self.choose(data, seed)
        return chosen.fit(data, np.random.default_rng(seed))

    def choose(self, data: TrainingData, seed: int) -> Surrogate:
        """Return the member that foretells held-out rows best."""
        order = np.lexsort((data.y, *data.X.T))
        part = np.empty(len(order), int)
        part[order] = np.arange(len(order)) % self.folds
        scores = [self._density(member, data, part, seed) for member in self.members]
        scores[0] += self.margin
        return self.members[int(np.argmax(scores))]

    def _density(self, member: Surrogate, data: TrainingData, part: np.ndarray, seed: int) -> float:
        total, spread = 0.0, max(float(np.var(data.y)), 1e-300)
        for fold in range(self.folds):
            rest, out = part != fold, part == fold
            posterior = member.fit(_rows(data, rest), np.random.default_rng(seed))
            mean, sd = posterior.predict(data.X[out], data.active[out])
            variance = sd**2 / spread + 1e-3
            total -= float(
                np.sum(0.5 * (data.y[out] - mean) ** 2 / spread / variance + 0.5 * np.log(variance))
            )
        return total


def _rows(data: TrainingData, mask: np.ndarray) -> TrainingData:
    return TrainingData(data.space, data.X[mask], data.active[mask], data.y[mask], data.noise[mask])
