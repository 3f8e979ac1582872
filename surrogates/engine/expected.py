"""An engine that was told what to expect: estimates beforehand, corrected by trials, unlearnt where they are wrong.

Objective and limits are positive numbers; log y = a + b · log e + g(x), with e the estimate, a its bias, b how far it is to
be trusted, g what it does not know. The prior of b is centred at 1: estimates decide while there are no trials, and trials
may move it to 0 or below. An engine around another, which answers where this one cannot. Knows nothing of where estimates
come from.

Notation: as in gp.py; e is the last column of a row, and has no part in the distances of g.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...evaluators.problems.history import History, Params, Value
from ...evaluators.problems.problem import Problem
from ..contracts import Assessment, Belief, Engine, Prediction, Suggestion
from ..models.embedding import Embedding
from ..models.gp import Fitted, Priors, Task, fit_map, sample_thetas
from ..models.outcome import mixture
from ..optim.acquisition import log_expected_improvement, log_probability_below
from ..threads import one_thread

Expected = Callable[[Params], Mapping[str, float] | None]
"""What is expected of a configuration, by the names of objective and limits, in their units; None: nothing is known."""

BIAS_SD = 1.0
"""Standard deviation of a: an estimated latency is off by a factor of e."""
TRUST_SD = 0.7
"""Standard deviation of b around 1. Chosen on every fourth task of ``serving.py --estimates``: 0.4 took longer to unlearn."""
RESIDUAL_SD = 0.4
"""Of g, before any trial."""
CAUTION = 1.5
"""Power of P(feasible), as in the engine."""
EVERYWHERE = 20.0
"""Log lengthscale of a column that has no part in the kernel."""
SAMPLES = 6
"""Of the hyperparameters."""


class ExpectingEngine:
    """Expected improvement under a mean that was estimated. Deterministic in (history, rng, earlier calls)."""

    def __init__(self, problem: Problem, expected: Expected, engine: Engine) -> None:
        self._expected, self._engine = expected, engine
        self._names = (problem.objectives[0].name, *(c.name for c in problem.constraints))
        self._embedding = Embedding(problem.space)
        self._known: dict[str, np.ndarray] = {}

    def condition(self, history: History, rng: np.random.Generator) -> Belief:
        """Return the belief given ``history``; the inner engine's where there are several objectives."""
        if len(history.problem.objectives) > 1:
            return self._engine.condition(history, rng)
        with one_thread():
            values = np.hstack([history.Y[:, :1], history.C])
            rows = self.rows([t.params for t in history.finished])
            corrected = [self._fit(rows, values[:, i], i, rng) for i in range(len(self._names))]
        return ExpectingBelief(self._engine, history, tuple(corrected), self)

    def rows(self, params: Sequence[Params]) -> np.ndarray:
        """Return embedded rows and the log estimates of every output behind them, (m, p + 1 + limits).

        Each configuration is estimated once; what is not known is taken to be as the others are.
        """
        space = self._embedding.space
        if not params:
            return np.empty((0, len(self._embedding.group) + len(self._names)))
        for p in params:
            if space.key(p) not in self._known:
                estimate = self._expected(p) or {}
                values = np.array([float(estimate.get(n, np.nan)) for n in self._names])
                self._known[space.key(p)] = np.log(np.where(values > 0, values, np.nan))
        every = np.array([*self._known.values()])
        is_finite = np.isfinite(every)
        usual = np.where(is_finite, every, 0.0).sum(axis=0) / np.maximum(is_finite.sum(axis=0), 1)
        estimates = np.array([self._known[space.key(p)] for p in params])
        Z = self._embedding.embed(*space.encode(params))
        return np.hstack([Z, np.where(np.isfinite(estimates), estimates, usual)])

    def columns(self, rows: np.ndarray, i: int) -> np.ndarray:
        """Return the rows with the estimate of output i alone, (m, p + 1)."""
        p = len(self._embedding.group)
        return np.hstack([rows[:, :p], rows[:, p + i : p + i + 1]])

    def _fit(self, rows: np.ndarray, y: np.ndarray, i: int, rng: np.random.Generator) -> "Corrected":
        """Return the model of output i from its measured rows, of which there may be none."""
        is_usable = np.isfinite(y) & (y > 0)
        Z, log_y = self.columns(rows[is_usable], i), np.log(y[is_usable])
        d, features = len(self._embedding.space), EstimateFeatures(float(Z[:, -1].mean()) if len(Z) else None)
        priors = Priors.default(d)
        priors.mean[-2], priors.sd[-2] = 2.0 * np.log(RESIDUAL_SD), 1.0
        thetas, residual = [priors.mean], log_y - Z[:, -1]
        if len(Z) > 1:
            phi = features(Z)
            task = Task(
                self._embedding.squared_distances(Z[:, :-1]), residual, np.zeros(len(Z)), priors, phi @ phi.T
            )
            thetas = sample_thetas(task, fit_map(task, [priors.mean]), rng, n=SAMPLES)
        group = np.append(self._embedding.group, d)
        return Corrected(tuple(
            Fitted.build(np.insert(t, d, EVERYWHERE), group, Z, residual, np.zeros(len(Z)), features=features)
            for t in thetas
        ))  # fmt: skip


@dataclass(frozen=True)
class EstimateFeatures:
    """The features of a and b: a constant, and the log estimate around ``centre``, where there is one."""

    centre: float | None

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the scaled features (n, 2)."""
        apart = np.zeros(len(Z)) if self.centre is None else Z[:, -1] - self.centre
        return np.stack([np.full(len(Z), BIAS_SD), TRUST_SD * apart], axis=1)


@dataclass(frozen=True)
class Corrected:
    """The posterior of one output on the scale of natural logarithms. ``members`` differ in hyperparameters."""

    members: tuple[Fitted, ...]

    def predict(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of log y, (S, m), at rows with their estimate (m, p + 1)."""
        pairs = [m.predict(Z) for m in self.members]
        return np.stack([p[0] for p in pairs]) + Z[:, -1], np.stack([p[1] for p in pairs])


class ExpectingBelief:
    """The belief of an ``ExpectingEngine``: modelled before the first trial. The inner engine is asked only for suggestions."""

    modelled = True
    notes: Sequence[str] = ()

    def __init__(
        self, inner: Engine, history: History, corrected: tuple[Corrected, ...], engine: ExpectingEngine
    ) -> None:
        self._inner, self._history, self._corrected, self._engine = inner, history, corrected, engine

    def suggest(
        self, n: int, rng: np.random.Generator, *, fixed: Mapping[str, Value] | None = None
    ) -> tuple[Suggestion, ...]:
        """Return the inner engine's suggestions: what is around this one chooses among what it assesses."""
        return self._inner.condition(self._history, rng).suggest(n, rng, fixed=fixed)

    def assess(self, params: Sequence[Params]) -> tuple[Assessment, ...]:
        """Return how good configurations look; before anything is feasible, by what is expected of the objective."""
        if not params:
            return ()
        with one_thread():
            rows, sign = self._engine.rows(params), float(self._history.problem.signs[0])
            mean, variance = self._corrected[0].predict(self._engine.columns(rows, 0))
            likely = self._log_feasible(rows)
            best = self._best()
            gain = (
                mixture(sign * mean, variance)[0]
                if best is None
                else log_expected_improvement(sign * mean, variance, best)
            )
            centre, sd = mixture(mean, variance)
        scores, p = CAUTION * likely + gain, np.exp(likely)
        return tuple(
            Assessment(
                float(scores[i]), sign * float(centre[i]), float(sd[i]),
                Prediction((float(np.exp(centre[i])),), (float(np.exp(centre[i]) * sd[i]),), float(p[i])),
            )
            for i in range(len(params))
        )  # fmt: skip

    def _log_feasible(self, rows: np.ndarray) -> np.ndarray:
        """Return log P(all limits hold) (m,), taken as independent."""
        total = np.zeros(len(rows))
        for i, constraint in enumerate(self._history.problem.constraints, start=1):
            mean, variance = self._corrected[i].predict(self._engine.columns(rows, i))
            if constraint.upper is not None and constraint.upper > 0:
                total += log_probability_below(mean, variance, float(np.log(constraint.upper)))
            if constraint.lower is not None and constraint.lower > 0:
                total += log_probability_below(-mean, variance, -float(np.log(constraint.lower)))
        return total

    def _best(self) -> np.ndarray | None:
        """Return what improvement is measured against (S,), None while nothing is feasible."""
        problem = self._history.problem
        params = [t.params for t in self._history.finished if problem.feasible(t.measurement)]
        if not params:
            return None
        mean, _ = self._corrected[0].predict(self._engine.columns(self._engine.rows(params), 0))
        return (problem.signs[0] * mean).max(axis=1)
