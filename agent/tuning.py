"""Tune a vLLM server: the default first and again in between, a study in the middle, verification at the end.

A budget in seconds covers everything. The study decides what to try; a target (``evaluators/vllm_target``) measures it;
a contender is measured again, a hopeless one is not (racing). The best feasible trials are then verified
(``tuning_verification``). "No change" is a result. Everything is kept in one folder and goes on from there after an
interruption. Knows no terminal and no report.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluators.errors import SpaceExhausted
from ..evaluators.history import Params
from ..evaluators.parameters import Categorical, Parameter
from ..evaluators.problem import Problem
from ..evaluators.space import SearchSpace
from ..evaluators.vllm_attempt import Attempt
from ..evaluators.vllm_metrics import check_measured
from ..evaluators.vllm_target import VllmTarget
from ..serving.vllm_catalogue import STRAIN
from .contracts import AbstractStrategy
from .errors import BudgetExhausted, NoFeasibleTrial
from .named import planner_from, strategy_for
from .study import Study
from .trial import Trial
from .tuning_findings import feasible_by_belief, nearly_feasible
from .tuning_measures import Measures
from .tuning_odds import Harder
from .tuning_plan import TuningOutcome, TuningPlan, TuningState, changes
from .tuning_strategy import CostAwareEngine
from .tuning_verification import Say, Verification

DEFAULT_REPEATS = 3
WITHIN_NOISE = 2.0
"""A limit missed by this many coefficients of variation may be met: it is verified where nothing else is feasible."""


class Tuning:
    """One tuning session on one target. Call ``run``; the caller closes the target."""

    def __init__(
        self,
        plan: TuningPlan,
        target: VllmTarget,
        space: SearchSpace,
        *,
        say: Say,
        context: Mapping[str, Any] | None = None,
        earlier: Sequence[Params] = (),
    ) -> None:
        """Read the stored state. ``earlier``: configurations that were good before something changed; tried first."""
        self.plan = plan
        self.target = target
        self.space = space
        self.say = say
        self.context = dict(context or {})
        self.earlier = tuple(earlier)
        self._path = target.settings.folder / "tuning.json"
        self.state = TuningState.read(self._path)
        self.measures = Measures(plan, target, self.state)
        self._began = time.monotonic() - self.state.used_s
        self._took_s: list[float] = []

    def run(self) -> TuningOutcome:
        """Measure the default, search, verify, and return the outcome. Ctrl-C passes; state is kept."""
        self.measure_default()
        self.target.scale = self.measures.default()
        study = self._study()
        try:
            self.search(study)
            return self.conclude(study)
        finally:
            self._save()

    # The default -------------------------------------------------------------------------------------------------

    def measure_default(self) -> None:
        """Measure the default until there are ``DEFAULT_REPEATS`` results; raise what keeps it from running."""
        if len(self.state.default) >= DEFAULT_REPEATS:
            return
        self.say("default: measuring `" + self.target.spec({}).command() + "`")
        attempt = self.target.measure(self.space.default(), repeats=DEFAULT_REPEATS)
        error = attempt.error()
        if error is not None:
            raise error
        self.state.start_s = attempt.start_s
        self.state.default = [self.measures.metrics(row) for row in attempt.rows()]
        self.state.beside = [
            self.measures.metrics({**r.metrics, "devices": attempt.devices}) for r in attempt.beside
        ]
        if self.plan.objective.name == "max_rate_s":
            rate = self.measures.highest_rate(attempt)
            self.state.default = [{**m, "max_rate_s": rate} for m in self.state.default]
        check_measured(self.plan.objective.name, self.state.default[0])
        self._save()
        told = self.measures.told(self.measures.default())
        self.say(f"default: {told} · noise {self.measures.noise:.1%} · ready in {attempt.start_s:.1f} s")

    # The search --------------------------------------------------------------------------------------------------

    def _study(self) -> Study:
        objectives = [self.plan.objective, *self.plan.extra_objectives]
        problem = Problem(
            "vllm",
            self.space,
            objectives,
            self.measures.limits,
            description=f"Serving parameters of vLLM for {Path(self.plan.model).name}: {self.plan.objective.description}.",
            context=self.context,
        )
        url = f"sqlite:///{self.target.settings.folder.absolute()}/study.db"
        strategy = self.plan.strategy or self._strategy(problem)
        study = Study(problem, storage=url, seed=self.plan.seed, planner=self.plan.planner, strategy=strategy)
        if not any(t.source == "default" for t in study.trials):
            result = self.measures.measurement(self.measures.default(), len(self.state.default))
            study.add(self.space.default(), result, source="default")
            for params in self.earlier:
                study.enqueue(
                    self.space.clip(params), reason="was good in the earlier tuning", source="earlier"
                )
        return study

    def _strategy(self, problem: Problem) -> AbstractStrategy:
        """Return the usual strategy, with or without a planner, around an engine that knows costs and strain.

        The usual configuration by name is left out: the installed version's own default has been measured.
        """
        harder = {p.name: Harder(STRAIN[p.name]) for p in self.space if p.name in STRAIN and _ordered(p)}
        engine = CostAwareEngine(problem, self._cost, harder=harder)
        planner = planner_from(self.plan.planner)
        return strategy_for(problem, seed=self.plan.seed, planner=planner, engine=engine, by_name=False)

    def _cost(self, params: Params) -> float:
        """Seconds that a trial takes: a start is saved where the running server can be used."""
        loads = 2 if self.target.settings.rungs.beside else 1
        load_s = loads * (self.measures.default()["duration_s"] + 1.0)
        return load_s if self.target.reuses(params) else load_s + self.state.start_s

    def search(self, study: Study) -> None:
        """Ask, measure and tell until the budget without the verification's share, the trials or the space end."""
        done = sum(t.source != "default" for t in study.trials)
        while (self.plan.trials is None or done < self.plan.trials) and self.left_s > self.reserve_s:
            if done and done % self.plan.default_every == 0 and not self.target.settings.rungs.beside:
                self._default_again(study)
            try:
                trial = study.ask()
            except (SpaceExhausted, BudgetExhausted) as end:
                self.say(f"search: {end}")
                return
            attempt = self._race(study, dict(trial.params))
            self._tell(study, trial, attempt)
            self._took_s.append(attempt.seconds)
            done += 1
            self._save()

    def _tell(self, study: Study, trial: Trial, attempt: Attempt) -> None:
        error = attempt.error()
        if error is not None:
            study.tell(trial, failed=error)
            found = f"failed: {error}"
        else:
            cut = attempt.cut_s is not None
            study.tell(trial, self.measures.cut_off(attempt) if cut else self.measures.measured(attempt))
            found = self.measures.told(attempt.mean(), attempt)
        self.say(f"trial {trial.number}: {changes(self.space, trial.params)} · {found}")
        study.note(
            f"{attempt.command} · {attempt.rung} · {len(attempt.results)} runs", trial_number=trial.number
        )

    def _race(self, study: Study, params: Mapping[str, Any]) -> Attempt:
        """Measure once, as long as it may win; measure again while it may still be the best."""
        best = self._incumbent(study)
        attempt = self.target.measure(params, enough_s=None if best is None else self.measures.enough_s(best))
        while (
            attempt.failure is None
            and attempt.cut_s is None
            and not attempt.shared
            and len(attempt.results) < self.plan.repeats
            and self._may_win(study, attempt)
        ):
            attempt = self.target.more(attempt)
        if self.plan.objective.name == "max_rate_s" and attempt.failure is None and not attempt.shared:
            rate = self.measures.highest_rate(attempt)
            return attempt.with_metric("max_rate_s", rate)
        return attempt

    def _may_win(self, study: Study, attempt: Attempt) -> bool:
        """Return whether neither the incumbent nor a limit is out of reach of three standard errors."""
        metrics, slack = self.measures.metrics(attempt.mean()), 3 * self.measures.noise
        for limit in self.measures.limits:
            if limit.upper is not None and metrics[limit.name] > limit.upper * (1 + slack):
                return False
        if self.plan.objective.name == "max_rate_s":
            return False
        value, incumbent = metrics[self.plan.objective.name], self._incumbent(study)
        if incumbent is None:
            return True
        if self.plan.objective.direction == "maximize":
            return value > incumbent * (1 - slack)
        return value < incumbent * (1 + slack)

    def _incumbent(self, study: Study) -> float | None:
        """Return the objective of the best feasible trial, None while there is none."""
        try:
            best = study.best_trial
        except NoFeasibleTrial:
            return None
        assert best.measurement is not None
        return best.measurement.values[0]

    def _default_again(self, study: Study) -> None:
        attempt = self.target.measure(self.space.default(), reuse=False)
        if attempt.failure is None and self.plan.objective.name != "max_rate_s":
            self.state.default.append(self.measures.metrics(attempt.mean()))
            study.add(self.space.default(), self.measures.measured(attempt), source="default")
            self.say(
                f"default again: {self.measures.told(attempt.mean(), attempt)} · noise {self.measures.noise:.1%}"
            )

    # The end -----------------------------------------------------------------------------------------------------

    def conclude(self, study: Study) -> TuningOutcome:
        """Verify the best feasible trials against the default and return the outcome."""
        verification = Verification(self.measures, self.space, say=self.say, left_s=lambda: self.left_s)
        ranked = feasible_by_belief(study)
        if not ranked:
            ranked = nearly_feasible(study, WITHIN_NOISE * self.measures.noise)
            if ranked:
                self.say("no trial met every limit; the nearest misses one by no more than the noise")
        found = verification.first_better(ranked)
        command = self.target.spec({} if found.best is None else found.best.params).command()
        return TuningOutcome(
            found.verdict, study, self.measures.limits, found.best, command, self.target.spec({}).command(),
            tuple(found.sides[0]), tuple(found.sides[1]), self.measures.noise, time.monotonic() - self._began,
            verification.agreement(found),
        )  # fmt: skip

    # Time ------------------------------------------------------------------------------------------------------

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self.plan.budget_s - (time.monotonic() - self._began)

    @property
    def reserve_s(self) -> float:
        """Seconds that the verification will need: two servers per pair, each with its loads."""
        usual = sorted(self._took_s)[len(self._took_s) // 2] if self._took_s else self.state.start_s + 10
        ordinary = 30.0 if self.plan.verify_rung == "ordinary" else 0.0
        if self.target.settings.rungs.beside:  # a trial has loaded the default too
            return self.plan.pairs * (usual + self.state.start_s + 2 * ordinary)
        return 2 * self.plan.pairs * (usual + ordinary)

    def _save(self) -> None:
        self.state.used_s = time.monotonic() - self._began
        self.state.write(self._path)


def _ordered(parameter: Parameter) -> bool:
    return isinstance(parameter, Categorical) and parameter.ordered
