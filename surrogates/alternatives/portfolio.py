"""Any surrogate in the engine's place for the objective, and a portfolio that picks one by predictive likelihood.

``SurrogateOutcome`` makes a Surrogate look like the engine's own model of an outcome; it expects the same bowl that the
engine's own model starts from, so that a comparison is of models and not of that. ``Portfolio`` in the engine keeps the
engine's own model unless another foretells held-out rows clearly better; alone it is itself a Surrogate. It is not the
default: see docs/decisions/0041-no-portfolio-by-default.md.

Notation: as in outcome.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..contracts import Posterior, Surrogate, TrainingData
from ..models.embedding import Embedding
from ..models.outcome import OutcomeModel, Settings
from ..models.transforms import Transform, fit_transform


@dataclass(frozen=True)
class SurrogateOutcome:
    """The posterior of a surrogate on a standardized outcome less the bowl, with what it was fitted to for refits."""

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
        transform, embedding, seed = (
            fit_transform(data.y, "power"),
            Embedding(data.space),
            int(rng.integers(2**31)),
        )
        slope = np.exp(transform.log_slope(data.y))
        above = transform.forward(data.y) - bowl(embedding, embedding.embed(data.X, data.active))
        standard = replace(data, y=above, noise=data.noise * slope**2)
        posterior = surrogate.fit(standard, np.random.default_rng(seed))
        return cls(embedding, transform, surrogate, standard, posterior, seed)

    def predict(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance (1, m) on the transformed scale at embedded rows Z (m, p)."""
        mean, sd = self.posterior.predict(*self.embedding.invert(Z))
        return (mean + bowl(self.embedding, Z))[None, :], sd[None, :] ** 2

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


def bowl(embedding: Embedding, Z: np.ndarray) -> np.ndarray:
    """Return the engine's prior mean (n,) on the transformed scale: corners are worse than the centre."""
    return -Settings().bowl * embedding.eccentricity(Z)


@dataclass(frozen=True)
class Portfolio:
    """Picks the member with the best log predictive density over ``folds`` held-out parts of the rows.

    What is there already is preferred (the engine's own model in the engine, the first member elsewhere): another must be
    better by ``margin`` nats in all. Under 8 rows it is taken unseen. The choice stands until the rows have grown by
    ``growth``.
    """

    members: Sequence[Surrogate]
    folds: int = 4
    margin: float = 3.0
    growth: float = 1.15
    name: str = "portfolio"
    _chosen: dict[str, tuple[int, Surrogate | None]] = field(default_factory=dict, repr=False, compare=False)

    def challenger(
        self, label: str, own: OutcomeModel, data: TrainingData, rng: np.random.Generator
    ) -> SurrogateOutcome | None:
        """Return the model of the best alternative to ``own`` if it foretells the data better, None otherwise."""
        rows, seed = len(data.y), int(rng.integers(2**31))
        last, member = self._chosen.get(label, (0, None))
        if rows >= max(8, last * self.growth) or rows < last:
            densities = [self._foretold(m, data, seed) for m in self.members]
            best = int(np.argmax(densities))
            better = rows >= 8 and densities[best] > self._left_out(own, data) + self.margin
            member = self.members[best] if better else None
            self._chosen[label] = (rows, member)
        return None if member is None else SurrogateOutcome.fit(member, data, rng)

    def _foretold(self, member: Surrogate, data: TrainingData, seed: int) -> float:
        """Return the log predictive density of y in held-out parts of the rows."""
        part, total = self._parts(data), 0.0
        for fold in range(self.folds):
            out = part == fold
            model = SurrogateOutcome.fit(member, _rows(data, ~out), np.random.default_rng(seed))
            (mean,), (variance,) = model.predict(model.embedding.embed(data.X[out], data.active[out]))
            total += _density(model.transform, data.y[out], mean, variance + 1e-3)
        return total

    def _left_out(self, own: OutcomeModel, data: TrainingData) -> float:
        """Return the same of the engine's own model, its hyperparameters those of all rows (R&W 5.12, by blocks)."""
        part, fitted, total = self._parts(data), own.members[0], 0.0
        inverse = np.linalg.inv(fitted.L @ fitted.L.T)
        above = own.transform.forward(data.y) - fitted.y
        for fold in range(self.folds):
            out = np.flatnonzero(part == fold)
            cov = np.linalg.inv(inverse[np.ix_(out, out)])
            mean = fitted.y[out] - cov @ fitted.alpha[out] + above[out]
            total += _density(own.transform, data.y[out], mean, np.diag(cov) * own.warm.inflation)
        return total

    def fit(self, data: TrainingData, rng: np.random.Generator) -> Posterior:
        """Return the posterior of the chosen member, fitted to all rows."""
        seed = int(rng.integers(2**31))
        member = self.members[0] if len(data.y) < 8 else self.choose(data, seed)
        return member.fit(data, np.random.default_rng(seed))

    def choose(self, data: TrainingData, seed: int) -> Surrogate:
        """Return the member that foretells held-out rows best."""
        part = self._parts(data)
        scores = [self._density(member, data, part, seed) for member in self.members]
        scores[0] += self.margin
        return self.members[int(np.argmax(scores))]

    def _parts(self, data: TrainingData) -> np.ndarray:
        """Return the fold (n,) of each row, whatever the order of rows."""
        order = np.lexsort((data.y, *data.X.T))
        part = np.empty(len(order), int)
        part[order] = np.arange(len(order)) % self.folds
        return part

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


def _density(transform: Transform, y: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> float:
    """Return the log density of y (n,) under independent normals on the transformed scale, up to a constant."""
    z = transform.forward(y)
    each = -0.5 * (z - mean) ** 2 / variance - 0.5 * np.log(variance) + transform.log_slope(y)
    return float(np.sum(each))


def _rows(data: TrainingData, mask: np.ndarray) -> TrainingData:
    return TrainingData(data.space, data.X[mask], data.active[mask], data.y[mask], data.noise[mask])
