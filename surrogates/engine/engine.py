"""The engine: conditions Gaussian processes on a study's history. The heart of trialogue when no model helps.

Fits under one process-wide lock with one thread; keeps warm starts between calls; bounded rows, so that long
histories stay affordable. Knows nothing of studies, ledgers or language models.

Notation: as in contracts.py.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ...evaluators.problems.history import History, Rows
from ...evaluators.problems.problem import Problem
from ..alternatives.portfolio import Portfolio, SurrogateOutcome
from ..contracts import Surrogate, TrainingData
from ..models.coreset import MOST, TrainingRows, choose_rows, left_out_error
from ..models.embedding import Embedding
from ..models.feasibility import Classifier, failure_rows, fit_classifier
from ..models.mean import Bowl, Slope
from ..models.outcome import OutcomeModel, Settings, Warm, fit_outcome, mixture
from ..options.features import prior_kernel
from ..options.multitask import EarlierStudy, seeds, transferred
from ..options.prior import DRAWS, BelievedDensity, sampled_scores, trust
from ..options.sensitivity import coreset
from ..threads import one_thread
from .belief import PENDING, GaussianBelief, LimitModel, Model


@dataclass
class GaussianEngine:
    """Gaussian processes with log expected improvement, for mixed, conditional, noisy, constrained problems.

    Deterministic in (history, rng, earlier calls). Safe to call from several threads: calls are serialized.
    """

    problem: Problem
    settings: Settings = field(default_factory=Settings)
    surrogate: Surrogate | None = None
    """Another model of the objective than the engine's own Gaussian process (limits keep theirs)."""
    earlier: tuple[EarlierStudy, ...] = ()
    """Studies whose trials the engine's own model of the objectives learns from."""
    _warm: dict[str, Warm] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._embedding = Embedding(self.problem.space)
        self._believed = BelievedDensity(self.problem.space)
        self._seeds = seeds(self.problem.space, self.earlier) if self.earlier else ()

    def condition(self, history: History, rng: np.random.Generator) -> GaussianBelief:
        """Return the belief given ``history``. Never raises for what a history holds, however degenerate."""
        with one_thread():
            classifiers = self._classifiers(history)
            model = self._fit(history, classifiers, rng) if _distinct(history) else None
        notes = (*(n for o in model.objectives for n in o.notes), *model.notes) if model else ()
        return GaussianBelief(
            history, self._embedding, model, notes, self.problem.signs, self.settings, classifiers,
            self._seeds,
        )  # fmt: skip

    def _fit(self, history: History, classifiers: tuple[Classifier, ...], rng: np.random.Generator) -> Model:
        Y = history.Y * self.problem.signs
        feasible = np.array([self.problem.feasible(t.measurement) for t in history.finished])
        data = history.rows("finished")
        training = self._training_rows(data, np.where(feasible, Y[:, 0], -np.inf), Y[:, 0], rng)
        rows = training.rows
        Z = self._embedding.embed(data.X[rows], data.active[rows])
        D = self._embedding.squared_distances(Z)
        objectives = tuple(
            self._objective(i, history, training, D, Z, Y[rows, i], rng) for i in range(Y.shape[1])
        )
        limits = self._limits(history, rows, D, Z, rng)
        standard = np.stack([o.transform.forward(Y[:, i]) for i, o in enumerate(objectives)], axis=1)
        has_outcome = feasible[rows] if feasible.any() else np.ones(len(rows), bool)
        best = objectives[0].predict(Z[has_outcome])[0].max(axis=1)
        model = Model(
            self._embedding, objectives, limits, classifiers, best,
            standard[feasible if feasible.any() else slice(None)], bool(feasible.any()),
            *_scalarisations(Y.shape[1]), self.settings.caution, self._price(history, rows, D, Z, rng),
            training.notes + self._stated_error(history, rows, standard[:, 0], objectives[0]),
        )  # fmt: skip
        if self._believed.columns:
            model = replace(model, believed=self._believed, trust=self._trust(model, history, rng))
        running = history.rows("running")
        return model.with_fantasies(running.X[-PENDING:], running.active[-PENDING:])

    def _trust(self, model: Model, history: History, rng: np.random.Generator) -> float:
        """Return the power with which the user's belief counts."""
        rows = (self._believed.draw(rng, DRAWS), self.problem.space.sample_rows(rng, DRAWS))
        Z = [self._embedding.embed(*self.problem.space.canonical(X)) for X in rows]
        scores = [sampled_scores(*model.objectives[0].predict(z), model.log_feasible(z), rng) for z in Z]
        return trust(*scores, ended=len(history.finished) + len(history.failed))

    def _training_rows(
        self, data: Rows, feasible_y: np.ndarray, y: np.ndarray, rng: np.random.Generator
    ) -> TrainingRows:
        if self.settings.coreset == "usual" or len(y) <= MOST:
            return TrainingRows(choose_rows(data.X, feasible_y, y, rng))
        kernel = prior_kernel(self._embedding, self.settings.length)
        best = int(np.lexsort([-y, -feasible_y])[0])
        return coreset(kernel, self._embedding.embed(data.X, data.active), best, MOST, rng)

    def _stated_error(
        self,
        history: History,
        rows: np.ndarray,
        standard: np.ndarray,
        outcome: OutcomeModel | SurrogateOutcome,
    ) -> tuple[str, ...]:
        """Return how far the model is from the rows that it was not trained on, in words; empty when there are none."""
        data = history.rows("finished")

        def predicted(i: np.ndarray) -> np.ndarray:
            return mixture(*outcome.predict(self._embedding.embed(data.X[i], data.active[i])))[0]

        error = left_out_error(rows, standard, predicted, np.random.default_rng(len(standard)))
        return () if error is None else (error,)

    def _objective(
        self, i: int, history: History, chosen: TrainingRows, D: np.ndarray, Z: np.ndarray, y: np.ndarray,
        rng: np.random.Generator,
    ) -> OutcomeModel | SurrogateOutcome:  # fmt: skip
        rows = chosen.rows
        sem = chosen.standard_errors(history.Y_sem[rows, i], y, self.settings.noise)
        data = history.rows("finished")
        training = TrainingData(self.problem.space, data.X[rows], data.active[rows], y, sem**2)
        if self.surrogate is None:
            own = self._outcome(f"objective {i}", D, Z, y, sem, rng)
            return transferred(self.earlier, self.problem, i, training, own) if self.earlier else own
        if isinstance(self.surrogate, Portfolio):
            own = self._outcome(f"objective {i}", D, Z, y, sem, rng)
            return self.surrogate.challenger(f"objective {i}", own, training, rng) or own
        return SurrogateOutcome.fit(self.surrogate, training, rng)

    def _outcome(
        self, name: str, D: np.ndarray, Z: np.ndarray, y: np.ndarray, sem: np.ndarray, rng: np.random.Generator
    ) -> OutcomeModel:  # fmt: skip
        """Return the model of an objective, a constraint or a price; only objectives are expected to form a bowl."""
        s, trend = self.settings, Bowl(self._embedding)
        if name.startswith("objective"):
            alone = bool((self._embedding.choices > 0).all())
            trend = Bowl(self._embedding, s.bowl, s.bowl_sd, s.bowl_each, s.slope, s.choice if alone else 0.0)
            s = replace(s, heavy_tail=s.choice_tail) if alone else s
        elif name.startswith("constraint"):
            s = replace(s, transforms=s.limit_transforms)
        warm = self._warm.get(name)
        model = fit_outcome(D, Z, self._embedding.group, y, sem, warm=warm, settings=s, rng=rng, trend=trend)
        self._warm[name] = model.warm
        return model

    def _price(
        self, history: History, rows: np.ndarray, D: np.ndarray, Z: np.ndarray, rng: np.random.Generator
    ) -> OutcomeModel | None:
        """Return the model of the log price of a trial; None unless asked for and at least four prices are known."""
        if not self.settings.price:
            return None
        prices = [getattr(history.finished[i].measurement, self.settings.price) for i in rows]
        places = np.array([i for i, p in enumerate(prices) if p is not None and p > 0], int)
        if len(places) < 4:
            return None
        values = np.log([prices[i] for i in places])
        unknown = np.full(len(places), np.nan)
        return self._outcome("price", D[:, places][:, :, places], Z[places], values, unknown, rng)

    def _limits(
        self, history: History, rows: np.ndarray, D: np.ndarray, Z: np.ndarray, rng: np.random.Generator
    ) -> tuple[LimitModel, ...]:
        out = []
        for j, constraint in enumerate(self.problem.constraints):
            values = history.C[rows, j]
            measured = np.flatnonzero(np.isfinite(values))
            if len(measured) < 2:
                continue
            model = self._outcome(
                f"constraint {constraint.name}", D[:, measured][:, :, measured], Z[measured], values[measured],
                np.full(len(measured), np.nan), rng,
            )  # fmt: skip
            out.append(LimitModel(model, constraint.lower, constraint.upper))
        return tuple(out)

    def _classifiers(self, history: History) -> tuple[Classifier, ...]:
        if not history.failed:
            return ()
        kinds = failure_rows([t.kind for t in history.failed])
        good, bad = history.rows("finished"), history.rows("failed")
        out, slope = [], Slope(self._embedding, self.settings.failure_slope)
        mean = Bowl(self._embedding, self.settings.failure_bowl).mean
        for kind, mask in kinds.items():
            latest, failed = _latest(len(good.X), 150), np.flatnonzero(mask)[-150:]
            X, active = (
                np.vstack([good.X[latest], bad.X[failed]]),
                np.vstack([good.active[latest], bad.active[failed]]),
            )
            Z = self._embedding.embed(X, active)
            labels = np.r_[np.ones(len(latest)), -np.ones(len(failed))]
            D = self._embedding.squared_distances(Z)
            out.append(fit_classifier(kind, D, Z, self._embedding.group, labels, slope, mean))
        return tuple(out)


def _latest(n: int, most: int) -> np.ndarray:
    return np.arange(max(0, n - most), n)


def _distinct(history: History) -> bool:
    """Return whether two finished trials differ, in configuration or value."""
    if len(history.finished) < 2:
        return False
    X, Y = history.rows("finished").X, history.Y
    return bool((X[0] != X).any() or (Y[0] != Y).any())


def _scalarisations(m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return fixed weights (8, m) and normals (32, m) for three and more objectives."""
    rng = np.random.default_rng(0)
    return np.maximum(rng.dirichlet(np.ones(m), 8), 0.02), rng.standard_normal((32, m))
