"""What the engine believes given one history: how good configurations look, and which to run next.

Knows nothing of fitting (engine.py) or of how the space is searched (search.py). Immutable after it was built.

Notation: as in contracts.py; "standardized" is the scale of the outcome transform: prior mean 0, prior sd 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ...evaluators.problems.history import History, Params, Value
from ..alternatives.portfolio import SurrogateOutcome
from ..contracts import Assessment, Origin, Prediction, Suggestion
from ..models.coreset import MOST
from ..models.embedding import Embedding
from ..models.feasibility import Classifier
from ..models.outcome import OutcomeModel, Settings, mixture
from ..optim.acquisition import (
    log_chebyshev_improvement,
    log_expected_improvement,
    log_hypervolume_improvement,
    log_probability_below,
    worth_repeating,
)  # fmt: skip
from ..optim.initial_design import next_design_row
from ..optim.search import Domain, candidates, keys, maximise
from ..optim.trust_region import trust_side
from ..options.allocation import next_repeat
from ..options.determinantal import RandomDesign
from ..options.prior import BelievedDensity
from ..options.subspace import RandomSubspace
from ..options.volumes import spread_design_row
from ..threads import one_thread

SEARCHED = 64
"""Suggestions of one batch that are each searched for, given those before; the rest of it is drawn. Each search costs more
than the last one: of 400 the last took twenty times as long as the first."""
DRAWN = 4
"""Rows that are drawn for each one that is taken then."""
PENDING = 128
"""Running trials, the newest, that the model takes in."""
_WHY_AGAIN = {
    "gain": "measuring it again tells more about the best than any new configuration",
    "variance": "measured again, so that the variance of the best ones' means is least",
}


@dataclass(frozen=True)
class LimitModel:
    """A measured constraint: its model, and the limits in its own unit."""

    model: OutcomeModel
    lower: float | None
    upper: float | None

    def log_probability(self, Z: np.ndarray) -> np.ndarray:
        """Return log P(lower <= value <= upper) (m,), the limits taken as independent."""
        mean, variance = self.model.predict(Z)
        total = np.zeros(len(Z))
        if self.upper is not None:
            total += log_probability_below(
                mean, variance, float(self.model.transform.forward(np.array(self.upper)))
            )
        if self.lower is not None:
            total += log_probability_below(
                -mean, variance, -float(self.model.transform.forward(np.array(self.lower)))
            )
        return total


@dataclass(frozen=True)
class Model:
    """All that was fitted: one model per objective, one per measured constraint, one classifier per kind of failure.

    ``best`` (S,): what improvement is measured against. ``front`` (n, m): feasible outcomes on the
    standardized scales.
    ``feasible``: whether any finished trial is feasible.
    """

    embedding: Embedding
    objectives: tuple[OutcomeModel | SurrogateOutcome, ...]
    limits: tuple[LimitModel, ...]
    classifiers: tuple[Classifier, ...]
    best: np.ndarray
    front: np.ndarray
    feasible: bool
    weights: np.ndarray
    normals: np.ndarray
    caution: float = 1.0
    price: OutcomeModel | None = None
    """Of the logarithm of what a trial costs; expected improvement is then per unit of it."""
    notes: tuple[str, ...] = ()
    believed: BelievedDensity | None = None
    """Where the user believes the best to be, counted with power ``trust``."""
    trust: float = 0.0

    def log_feasible(self, Z: np.ndarray) -> np.ndarray:
        """Return log P(feasible) (m,) at embedded rows."""
        total = np.zeros(len(Z))
        for part in (*self.limits, *self.classifiers):
            total += part.log_probability(Z)
        return total

    def log_acquisition(self, Z: np.ndarray) -> np.ndarray:
        """Return log(EI x P(feasible)) (m,); while nothing is feasible, P(feasible) counts most."""
        feasible = self.caution * self.log_feasible(Z)
        gain = self._log_gain(Z) - (0.0 if self.price is None else self.price.natural(Z)[0])
        return feasible + gain if self.feasible else feasible + 0.25 * gain

    def _log_gain(self, Z: np.ndarray) -> np.ndarray:
        if len(self.objectives) == 1:
            return log_expected_improvement(*self.objectives[0].predict(Z), self.best)
        pairs = [mixture(*o.predict(Z)) for o in self.objectives]
        mean, variance = np.stack([p[0] for p in pairs]), np.stack([p[1] ** 2 for p in pairs])
        if len(pairs) == 2:
            return log_hypervolume_improvement(mean, variance, self.front)
        return log_chebyshev_improvement(mean, variance, self.front, self.weights, self.normals)

    def score(self, X: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Return ``log_acquisition`` of canonical rows."""
        value = self.log_acquisition(self.embedding.embed(X, active))
        return value if self.believed is None else value + self.trust * self.believed.log_density(X, active)

    def with_fantasies(self, X: np.ndarray, active: np.ndarray) -> "Model":
        """Return the model that also believes its own means at these rows: how running trials are taken in."""
        if not len(X):
            return self
        Z = self.embedding.embed(X, active)
        likely = self.log_feasible(Z) > np.log(0.5)
        best = self.best
        if likely.any():
            best = np.maximum(best, self.objectives[0].predict(Z[likely])[0].max(axis=1))
        return replace(
            self,
            best=best,
            objectives=tuple(o.with_fantasies(Z) for o in self.objectives),
            limits=tuple(replace(c, model=c.model.with_fantasies(Z)) for c in self.limits),
        )


@dataclass(frozen=True)
class GaussianBelief:
    """The belief of ``GaussianEngine``. ``model`` is None while fewer than two finished trials differ."""

    history: History
    embedding: Embedding
    model: Model | None
    notes: tuple[str, ...] = ()
    signs: np.ndarray = field(default_factory=lambda: np.ones(1))
    settings: Settings = field(default_factory=Settings)
    classifiers: tuple[Classifier, ...] = ()
    seeds: Sequence[Params] = ()
    """Configurations that were the best elsewhere: the first trials after the default."""

    @property
    def modelled(self) -> bool:
        """Whether there is a model yet."""
        return self.model is not None

    def assess(self, params: Sequence[Params]) -> tuple[Assessment, ...]:
        """Return how good valid configurations look, in order; empty while nothing is modelled."""
        if self.model is None or not params:
            return ()
        X, active = self.embedding.space.encode(params)
        with one_thread():
            return self._assess_rows(self.model, X, active)

    def suggest(
        self, n: int, rng: np.random.Generator, *, fixed: Mapping[str, Value] | None = None
    ) -> tuple[Suggestion, ...]:
        """Return n distinct configurations that are neither tried nor running. Raises SpaceExhausted."""
        occupied, X, active = set(self._taken), self._tried[0], self._tried[1]
        model, suggestions = self.model, list[Suggestion]()
        with one_thread():
            for i in range(min(n, SEARCHED)):
                domain = Domain(self.embedding.space, occupied, dict(fixed or {}))
                if i and model is not None:
                    model = model.with_fantasies(X[-1:], active[-1:])
                x, origin, reason, worth = self._next(domain, model, X, active, rng, ahead=i)
                row, mask = self.embedding.space.canonical(x[None, :])
                assessment = self._assess_rows(model, row, mask)[0] if model is not None else None
                if origin == "replicate" and assessment is not None:
                    assessment = replace(assessment, log_acquisition=worth)
                suggestions.append(
                    Suggestion(self.embedding.space.decode(row)[0], origin, reason, assessment)
                )
                occupied.add(keys(row)[0])
                X, active = np.vstack([X, row]), np.vstack([active, mask])
            domain = Domain(self.embedding.space, occupied, dict(fixed or {}))
            suggestions += self._drawn(domain, model, rng, n - len(suggestions))
        return tuple(suggestions)

    def _drawn(
        self, domain: Domain, model: Model | None, rng: np.random.Generator, n: int
    ) -> list[Suggestion]:
        """Return n suggestions: the best of what is drawn. Raises SpaceExhausted."""
        suggestions: list[Suggestion] = []
        while len(suggestions) < n:
            rows, active = candidates(domain, self._anchors, rng, DRAWN * n)
            order = rng.permutation(np.unique(keys(rows), return_index=True)[1])
            if model is not None:
                order = order[np.argsort(-model.score(rows[order], active[order]), kind="stable")]
            order = order[: n - len(suggestions)]
            rows, active = rows[order], active[order]
            assessed = [None] * n if model is None else self._assess_rows(model, rows, active)
            reason = f"drawn: {SEARCHED} of a batch are searched for"
            for params, assessment in zip(self.embedding.space.decode(rows), assessed, strict=False):
                suggestions.append(Suggestion(params, "random", reason, assessment))
            domain = replace(domain, taken={*domain.taken, *keys(rows)})
        return suggestions

    def _next(
        self, domain: Domain, model: Model | None, X: np.ndarray, active: np.ndarray, rng: np.random.Generator, *,
        ahead: int,
    ) -> tuple[np.ndarray, Origin, str, float]:  # fmt: skip
        """Return a row, where it comes from, why, and the log acquisition of the best new row (NaN where unknown)."""
        space = self.embedding.space
        first = self._default_row(domain)
        if first is not None:
            origin = "the declared defaults" if space.has_defaults else "the centre of the scaled space"
            return first, "default", f"{origin}: first, so that all else is measured against it", np.nan
        ended = len(self.history.finished) + len(self.history.failed)
        if model is None or ended + ahead < self.settings.design:
            return *self._design_row(domain, X, active, rng), np.nan
        x, value = self._best(domain, model, rng)
        again = self._worth_repeating(domain, model, x, ahead)
        if again is not None:
            return (again, "replicate", _WHY_AGAIN[self.settings.replicates], value)
        what = "expected improvement" if model.feasible else "probability of being feasible (none is yet)"
        return x, "acquisition", f"largest {what}, log value {value:.2f}", value

    def _design_row(
        self, domain: Domain, X: np.ndarray, active: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, Origin, str]:
        s = self.settings
        seeds = domain.repair(self.embedding.space.encode(self.seeds)[0])[0] if self.seeds else X[:0]
        seeds = seeds[domain.untaken(seeds)]
        if len(seeds):
            return seeds[0], "transfer", "the best of an earlier study"
        if s.subspace:
            subspace = RandomSubspace.random(self.embedding.space, s.subspace)
            sample = subspace.maximise(lambda X, _: rng.random(len(X)), domain, X[:0], rng, n=64)
            if sample is not None:
                return sample[0], "initial_design", f"drawn from a random subspace of {s.subspace} dimensions"
        believed = BelievedDensity(self.embedding.space)
        rows = domain.repair(believed.draw(rng, 64))[0] if believed.columns else X[:0]
        rows = rows[domain.untaken(rows)]
        if len(rows):
            return rows[0], "initial_design", "drawn from what is believed of the parameters"
        spread = spread_design_row(domain, len(X), rng) if s.design_kind == "ariel" else None
        if spread is not None:
            return spread, "initial_design", "the next of points spread over the boxes of all configurations"
        if s.design_kind in ("integrated", "ariel"):
            x = next_design_row(
                self.embedding, domain, X, active, rng, length=s.design_length, survival=self._survival
            )
            return x, "initial_design", "tells most about the whole space given what was tried"
        design = RandomDesign(self.embedding, s.design, s.design_length, repeated=s.design_kind == "dpp")
        x = design.next_row(domain, self.embedding.embed(X, active), rng, self._survival)
        words = {"dpp": "a determinantal point process", "volume": "volume-rescaled sampling"}
        return x, "initial_design", f"drawn by {words[s.design_kind]} given what was tried"

    def _best(self, domain: Domain, model: Model, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """Return the row (d,) with the best acquisition found, and its value."""
        s = self.settings
        if s.subspace:
            subspace = RandomSubspace.random(self.embedding.space, s.subspace)
            optimum = subspace.maximise(model.score, domain, self._anchors, rng, n=s.candidates)
            if optimum is not None:
                return optimum
        region = self._region(model)
        return maximise(
            model.score, domain, self._anchors, rng, n=s.candidates, region=region, changed=s.changed
        )

    def _worth_repeating(self, domain: Domain, model: Model, x: np.ndarray, ahead: int) -> np.ndarray | None:
        """Return the tried row (d,) whose repetition is worth more than ``x``; None where there is none."""
        outcome, history = model.objectives[0], self.history
        possible = not ahead and not domain.fixed and model.feasible and len(model.objectives) == 1
        if possible and self.settings.replicates == "variance":
            return self._allocated()
        if not possible or self.settings.replicates == "never" or not isinstance(outcome, OutcomeModel):
            return None
        feasible = np.array([history.problem.feasible(t.measurement) for t in history.finished])
        y = np.where(feasible, (history.Y * self.signs)[:, 0], -np.inf)
        rows = np.argsort(-y, kind="stable")[: min(int(feasible.sum()), MOST)]
        data = history.rows("finished")
        canonical, active = self.embedding.space.canonical(np.vstack([data.X[rows], x]))
        Z = self.embedding.embed(canonical, active)
        p_new = float(np.exp(model.log_feasible(Z[-1:])[0]))
        best = worth_repeating(
            outcome, Z[:-1], keys(canonical[:-1]), y[rows], history.Y_sem[rows, 0], Z[-1], p_new
        )
        return None if best is None else canonical[best]

    def _allocated(self) -> np.ndarray | None:
        """Return the tried row (d,) that the allocation of replicates measures next; None where it is for a new one."""
        data, bad, space = self.history.rows("finished"), self.history.rows("failed"), self.embedding.space
        feasible = [self.history.problem.feasible(t.measurement) for t in self.history.finished]
        X = space.canonical(data.X)[0]
        names = [*keys(X), *keys(space.canonical(bad.X)[0])] if len(bad.X) else keys(X)
        good = [i for i, holds in enumerate(feasible) if holds]
        lost = [names[i] for i in range(len(names)) if i not in set(good)]
        name = next_repeat([names[i] for i in good], (self.history.Y * self.signs)[good, 0], lost)
        return None if name is None else X[names.index(name)]

    def _region(self, model: Model) -> np.ndarray | None:
        """Return the half widths (d,) of the trust region around the best trial; None in few dimensions."""
        d, outcome = len(self.embedding.space), model.objectives[0]
        if d <= self.settings.wide or not isinstance(outcome, OutcomeModel):
            return None
        length = np.exp(np.mean([m.theta[:-2] for m in outcome.members], axis=0))
        side = trust_side((self.history.Y * self.signs)[:, 0], d)
        return np.clip(0.5 * side * length / np.exp(np.mean(np.log(length))), 0.01, 1.0)

    def _survival(self, Z: np.ndarray) -> np.ndarray:
        """Return log P(no failure) (m,) at embedded rows."""
        return sum((c.log_probability(Z) for c in self.classifiers), np.zeros(len(Z)))

    def _default_row(self, domain: Domain) -> np.ndarray | None:
        space = self.embedding.space
        x, active = domain.repair(space.encode([space.default()])[0])
        if len(x) == 0 or keys(x)[0] in domain.taken:
            return None
        del active
        return x[0] if len(self.history) == 0 and len(domain.taken) == 0 else None

    def _assess_rows(self, model: Model, X: np.ndarray, active: np.ndarray) -> tuple[Assessment, ...]:
        Z = self.embedding.embed(X, active)
        log_acquisition, p = model.score(X, active), np.exp(model.log_feasible(Z))
        natural = [o.natural(Z) for o in model.objectives]
        z_mean, z_sd = mixture(*model.objectives[0].predict(Z))
        out = []
        for i in range(len(X)):
            mean = tuple(float(s * m[i]) for s, (m, _) in zip(self.signs, natural, strict=True))
            prediction = Prediction(mean, tuple(float(sd[i]) for _, sd in natural), float(p[i]))
            out.append(Assessment(float(log_acquisition[i]), float(z_mean[i]), float(z_sd[i]), prediction))
        return tuple(out)

    @cached_property
    def _tried(self) -> tuple[np.ndarray, np.ndarray]:
        rows = [self.history.rows(kind) for kind in ("finished", "failed", "pruned", "running")]
        return np.vstack([r.X for r in rows]), np.vstack([r.active for r in rows])

    @cached_property
    def _taken(self) -> frozenset[bytes]:
        return (
            frozenset(keys(self.embedding.space.canonical(self._tried[0])[0]))
            if len(self._tried[0])
            else frozenset()
        )

    @cached_property
    def _anchors(self) -> np.ndarray:
        """The best five finished rows, feasible ones before others."""
        history = self.history
        if not history.finished:
            return np.empty((0, len(self.embedding.space)))
        y = (history.Y * self.signs)[:, 0]
        feasible = np.array([history.problem.feasible(t.measurement) for t in history.finished])
        order = np.lexsort([-y, ~feasible])
        rows = history.rows("finished").X[order[:5]]
        if self.model is None or self.model.believed is None:
            return rows
        return np.vstack([rows, self.embedding.space.encode([self.embedding.space.default()])[0]])
