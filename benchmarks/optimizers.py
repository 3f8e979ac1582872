"""Optimizers behind one ask/tell, for benchmarks: trialogue's engine, and its peers at their library defaults.

``ask`` returns active parameters; ``tell`` takes the benchmark's Outcome (a failed or infeasible trial is told the way the
library's documentation says: as failed, or with its constraint values).
"""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from problems.base import Case, Outcome
from wired import Wired

from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.random_streams import stream

Params = dict[str, Any]
WIRED = ("ax", "hebo", "nevergrad", "smac")


class Optimizer(Protocol):
    def ask(self) -> Params: ...
    def tell(self, params: Params, outcome: Outcome) -> None: ...


def failure_kind(text: str) -> Any:
    return "out_of_memory" if "memory" in text else "timeout" if "timeout" in text else "crash"


class Trialogue:
    """The engine alone, without a ledger."""

    def __init__(self, case: Case, seed: int, **settings: Any) -> None:
        from trialogue.surrogates.alternatives.by_name import alternative
        from trialogue.surrogates.engine.engine import GaussianEngine
        from trialogue.surrogates.models.outcome import Settings

        surrogate = alternative(settings.pop("surrogate")) if "surrogate" in settings else None
        self.engine = GaussianEngine(case.problem, Settings(**settings), surrogate=surrogate)
        self.history, self.seed, self.index = History(case.problem), seed, 0

    def ask(self) -> Params:
        rng = stream(self.seed, self.index, "surrogate")
        self.index += 1
        return dict(self.engine.condition(self.history, rng).suggest(1, rng)[0].params)

    def tell(self, params: Params, outcome: Outcome) -> None:
        number = len(self.history)
        if outcome.value is None:
            failed = FailedTrial(number, params, failure_kind(outcome.failure), outcome.failure)
            self.history = self.history.extended(failed=[failed])
        else:
            measured = Measurement(outcome.value, constraints=outcome.constraints or {})
            self.history = self.history.extended(finished=[FinishedTrial(number, params, measured)])


class Study:
    """trialogue as its users run it: Study.ask and Study.tell, ledger in memory."""

    def __init__(self, case: Case, seed: int) -> None:
        import trialogue as tl

        self.study = tl.Study(case.problem, name=f"{case.name}-{seed}", seed=seed)

    def ask(self) -> Params:
        self.trial = self.study.ask()
        return dict(self.trial.params)

    def tell(self, params: Params, outcome: Outcome) -> None:
        if outcome.value is None:
            self.study.tell(self.trial, failed=outcome.failure)
        else:
            self.study.tell(self.trial, Measurement(outcome.value, constraints=outcome.constraints or {}))


class Random:
    def __init__(self, case: Case, seed: int) -> None:
        self.space, self.rng = case.problem.space, np.random.default_rng([seed, 77])

    def ask(self) -> Params:
        return self.space.sample(self.rng, 1)[0]

    def tell(self, params: Params, outcome: Outcome) -> None:
        pass


class Optuna:
    """Define-by-run over the same space, so that conditions are Optuna's own."""

    def __init__(self, case: Case, seed: int, *, sampler: str) -> None:
        import optuna

        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(logging.ERROR)
        self.optuna, self.case = optuna, case
        limits = self._limits if case.problem.constraints else None
        make = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, constraints_func=limits),
            "group": lambda: optuna.samplers.TPESampler(
                seed=seed, multivariate=True, group=True, constraints_func=limits
            ),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed, constraints_func=limits),
        }
        self.study = optuna.create_study(sampler=make[sampler]())

    def _limits(self, trial: Any) -> list[float]:
        return trial.user_attrs["limits"]

    def ask(self) -> Params:
        space, params = self.case.problem.space, Params()
        self.trial = self.study.ask()
        distributions = space.distributions()
        for i, name in enumerate(space.names):
            conditions = space._conditions[i]
            if all(c.parent.name in params and c.holds(params[c.parent.name]) for c in conditions):
                params[name] = self.trial._suggest(name, distributions[name])
        return space.validate(params)

    def tell(self, params: Params, outcome: Outcome) -> None:
        state = self.optuna.trial.TrialState
        if outcome.value is None:
            self.trial.set_user_attr("limits", [1.0] * len(self.case.problem.constraints))
            self.study.tell(self.trial, state=state.FAIL)
            return
        measured = outcome.constraints or {}
        limits = []
        for c in self.case.problem.constraints:
            value = measured[c.name]
            limits.append(
                max(
                    value - c.upper if c.upper is not None else -1e9,
                    c.lower - value if c.lower is not None else -1e9,
                )
            )
        self.trial.set_user_attr("limits", limits)
        self.study.tell(self.trial, outcome.value)


def make(name: str, case: Case, seed: int) -> Optimizer:
    """Return the optimizer of that name; ``trialogue:key=value,…`` sets fields of the engine's Settings."""
    if name == "study":
        return Study(case, seed)
    if name == "random":
        return Random(case, seed)
    if name.startswith("optuna-"):
        return Optuna(case, seed, sampler=name.removeprefix("optuna-"))
    if name in WIRED:
        return Wired(name, case, seed)
    label, _, options = name.partition(":")
    if label != "trialogue":
        raise SystemExit(f"Unknown optimizer {name!r}.")
    settings = dict(o.split("=", 1) for o in options.split(";") if o)
    return Trialogue(case, seed, **{k: eval(v) for k, v in settings.items()})
