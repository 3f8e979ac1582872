"""The same decisions for Optuna users: ``optuna.create_study(sampler=TrialogueSampler(space))``.

Thin: reads the trials of an Optuna study into a history, lets a strategy decide, and gives the parameters to Optuna
one by one. Has no claims, leases or budgets; those need a ``Study``. A parameter that the space does not have is drawn
uniformly.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ...evaluators.errors import InvalidMeasurement, InvalidParameters
from ...evaluators.problems.history import FailedTrial, FinishedTrial, History, PrunedTrial, RunningTrial
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Constraint, Objective, Problem
from ...evaluators.spaces.space import SearchSpace
from ..contracts import AbstractPlanner, AbstractStrategy, Ask, Decision
from ..planner.by_name import planner_from
from ..planner.specification import referee_of
from ..strategies.by_name import needs_model, strategy_for


class TrialogueSampler(BaseSampler):
    """Proposes the parameters of whole trials from ``space``; the objective must suggest them with the same
    distributions.

    ``constraints``: names of constraints that the objective sets with ``trial.set_constraint`` (feasible iff <= 0).
    Who proposed a trial, why, and what the surrogate believed stand in the trial's user attributes.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        planner: "str | AbstractPlanner | None" = None,
        strategy: "str | AbstractStrategy | None" = None,
        constraints: Sequence[str] = (),
        description: str = "",
    ) -> None:
        self._space, self._seed, self._description = space, seed, description
        self._planner, self._given = planner, strategy
        self._constraints = tuple(constraints)
        self._other = RandomSampler(seed=seed)
        self._problem: Problem | None = None
        self._strategy: AbstractStrategy | None = None
        self._opened: AbstractPlanner | None = None

    def close(self) -> None:
        """End the planner where its name was given; the next trial opens it again."""
        opened, self._opened = self._opened, None
        if isinstance(self._planner, str) and opened is not None:
            opened.close()
            self._strategy = None

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the distributions of the whole space; which of them are active is decided with the values."""
        return self._space.distributions()

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Decide the trial's parameters and note the reason on the trial."""
        problem, strategy = self._prepared(study)
        history = _history(problem, study.get_trials(deepcopy=False), trial.number)
        (decision,) = strategy.plan(Ask(history, trial.number)).decisions
        for key, value in _attributes(decision).items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)  # as Optuna's own samplers do
        return dict(decision.params)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a parameter that the space does not have, or that is inactive in it, uniformly."""
        return self._other.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Do nothing: streams derive from the seed and the trial's number, so processes do not repeat each other."""

    def _prepared(self, study: optuna.Study) -> tuple[Problem, AbstractStrategy]:
        if self._problem is None or self._strategy is None:
            self._problem = _problem(study, self._space, self._constraints, self._description)
            strategy = self._given
            if strategy is not None and not isinstance(strategy, str):
                self._strategy = strategy
            else:
                self._opened = planner_from(self._planner) if needs_model(strategy) else None
                self._strategy = strategy_for(
                    self._problem, seed=self._seed, planner=self._opened, strategy=strategy,
                    referee=referee_of(self._planner),
                )  # fmt: skip
        return self._problem, self._strategy


def _problem(
    study: optuna.Study, space: SearchSpace, constraints: Sequence[str], description: str
) -> Problem:
    words = {StudyDirection.MAXIMIZE: "maximize", StudyDirection.MINIMIZE: "minimize"}
    many = len(study.directions) > 1
    names = study.metric_names or [
        f"objective_{i}" if many else "objective" for i in range(len(study.directions))
    ]
    objectives = [Objective(n, words[d]) for n, d in zip(names, study.directions, strict=True)]  # pyright: ignore[reportArgumentType]: closed set
    limits = [Constraint(name, upper=0.0) for name in constraints]
    return Problem(study.study_name, space, objectives, limits, description)


def _history(problem: Problem, trials: Sequence[FrozenTrial], current: int) -> History:
    finished, failed, pruned, running = [], [], [], []
    for trial in trials:
        if trial.number == current:
            continue
        try:
            params = problem.space.validate(trial.params)
        except InvalidParameters:  # from before the space was what it is
            continue
        source = str(trial.user_attrs.get("source", "user"))
        if trial.state == TrialState.COMPLETE and (measurement := _measurement(problem, trial)) is not None:
            finished.append(FinishedTrial(trial.number, params, measurement, source))
        elif trial.state == TrialState.PRUNED and trial.intermediate_values:
            step = max(trial.intermediate_values)
            pruned.append(PrunedTrial(trial.number, params, step, trial.intermediate_values[step]))
        elif trial.state == TrialState.FAIL:
            reason = str(trial.user_attrs.get("failure", "failed"))
            failed.append(FailedTrial(trial.number, params, "crash", reason, source))
        elif trial.state == TrialState.RUNNING:
            running.append(RunningTrial(trial.number, params))
    return History(problem).extended(finished=finished, failed=failed, pruned=pruned, running=running)


def _measurement(problem: Problem, trial: FrozenTrial) -> Measurement | None:
    if not all(math.isfinite(value) for value in trial.values):
        return None
    try:
        return problem.check(Measurement(trial.values, constraints=trial.constraints))
    except InvalidMeasurement:  # a constraint was not set: nobody could say whether the trial is feasible
        return None


def _attributes(decision: Decision) -> Mapping[str, Any]:
    attributes: dict[str, Any] = {
        "source": decision.source,
        "verdict": decision.verdict,
        "reason": decision.reason,
    }
    if decision.prediction is not None:
        attributes |= {
            "predicted_mean": list(decision.prediction.mean),
            "predicted_sd": list(decision.prediction.sd),
        }
    return attributes
