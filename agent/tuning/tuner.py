"""Tune a server: the default first and again in between, a study in the middle, verification at the end.

A budget in seconds covers everything. The study decides what to try; a target (``evaluators/engines/contract.py``) measures it;
a contender is measured again, a hopeless one is not (racing). The best feasible trials are then verified
(``tuning_verification``). "No change" is a result. Everything is kept in one folder and goes on from there after an
interruption. Knows no terminal and no report.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...evaluators.engines.contract import Tunable
from ...evaluators.errors import SpaceExhausted
from ...evaluators.problems.history import Params
from ...evaluators.problems.problem import Problem
from ...evaluators.servers.attempt import Attempt
from ...evaluators.spaces.parameters import Categorical, Parameter
from ...evaluators.spaces.space import SearchSpace
from ...surrogates.engine.expected import Expected
from ..contracts import AbstractStrategy
from ..errors import BudgetExhausted
from ..ledger.records import TrialRecord
from ..planner.by_name import SharedPlanner
from ..strategies.by_name import strategy_for
from ..study.study import Study
from ..study.trial import Trial
from ..views.changes import changed
from .clock import Clock
from .contenders import does_without, equal_share, fewest_changes_first, incumbent, may_win, next_ablation
from .engine import CostAwareEngine
from .findings import ended, feasible_by_belief, nearly_feasible, study_name
from .measures import Measures
from .odds import Harder
from .plan import TuningOutcome, TuningPlan, changes
from .state import TuningState, question_of
from .verdict import TuningVerdict
from .verification import Say, Verification, Verified

DEFAULT_REPEATS = 3
ABLATION = "ablation"
"""Source of trials that are the best one without one of its changes."""
TRIALS_AN_ABLATION = 4
"""Trials of the search for each of which time is kept to take one change back."""
WITHIN_NOISE = 2.0
"""A limit missed by this many coefficients of variation may be met: it is verified where nothing else is feasible."""


class Tuning:
    """One tuning session on one target. Call ``run``; the caller closes the target. ``study``: the search, None before it."""

    def __init__(
        self,
        plan: TuningPlan,
        target: Tunable,
        space: SearchSpace,
        *,
        say: Say,
        context: Mapping[str, Any] | None = None,
        earlier: Sequence[Params] = (),
        expected: Expected | None = None,
    ) -> None:
        """Read the stored state. ``earlier``: configurations that were good before something changed; tried first.
        ``expected``: estimates with which the search begins.

        Raises InvalidInput where the folder holds another tuning, or what cannot be read.
        """
        self.plan = plan
        self.target = target
        self.space = space
        self.say = lambda line: say(f"{line} · {self.clock.words()}")
        self.context = dict(context or {})
        self.earlier, self.expected = tuple(earlier), expected
        self._path = target.settings.folder / "tuning.json"
        self.state = TuningState.read(self._path)
        self.state.ask(question_of(plan, target.settings, space, self.context), target.settings.folder)
        self.measures = Measures(plan, target, self.state)
        self.clock = Clock(self.measures)
        self._planner = SharedPlanner(plan.planner)
        self.study: Study | None = None

    def run(self) -> TuningOutcome:
        """Measure the default, search, verify, and return the outcome. Ctrl-C passes; state is kept."""
        self.measure_default()
        self.target.scale = self.measures.default()
        try:
            self.study = study = self._study()
            self.search(study)
            self.simplify(study)
            return self.conclude(study)
        finally:
            self._planner.leave(self)
            self._save()

    # The default -------------------------------------------------------------------------------------------------

    def measure_default(self) -> None:
        """Measure the default unless that is done; raise what keeps it from running or from being judged."""
        if self.state.default:
            return self.say(f"default, as measured before: {self.measures.told(self.measures.default())}")
        self.say("default: measuring `" + self.target.spec({}).command() + "`")
        attempt = self.target.measure(self.space.default(), repeats=DEFAULT_REPEATS, label="default")
        attempt.require()
        self.measures.keep_default(attempt)
        self.state.default_s = self.clock.used_s
        self._save()
        words = self.measures.told(self.measures.default())
        self.say(f"default: {words} · noise {self.measures.noise:.1%} · ready in {attempt.start_s:.1f} s")
        few = self.measures.few_requests()
        if few:
            self.say(few)

    # The search --------------------------------------------------------------------------------------------------

    def _study(self) -> Study:
        engine = self.target.settings.engine
        problem = Problem(
            study_name(engine),
            self.space,
            self.plan.objectives,
            self.measures.limits,
            description=f"Serving parameters of {engine} for {Path(self.plan.model).name}: {self.plan.objective.description}.",
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
        strain = self.target.settings.strain
        harder = {p.name: Harder(strain[p.name]) for p in self.space if p.name in strain and _ordered(p)}
        engine = CostAwareEngine(problem, self._cost, harder=harder, expected=self.expected)
        planner = self._planner.join(self)
        return strategy_for(problem, seed=self.plan.seed, planner=planner, engine=engine, by_name=False)

    def _cost(self, params: Params) -> float:
        """Seconds that a trial takes: a start is saved where the running server can be used."""
        load_s = self.measures.load_s
        return load_s if self.target.reuses(params) else load_s + self.state.start_s

    def search(self, study: Study) -> None:
        """Ask, measure and tell until the budget without the verification's share, the trials or the space end."""
        done = sum(t.source not in ("default", ABLATION) for t in study.trials)
        again = not self.target.settings.rungs.beside and not self.plan.searches_load
        while (self.plan.trials is None or done < self.plan.trials) and self.clock.time_for(
            1 + self._ablations_due(study, done)
        ):
            if again and done and done % self.plan.default_every == 0:
                self._default_again(study)
            if not self._try_next(study):
                return
            done += 1
        if done and (self.plan.trials is None or done < self.plan.trials):
            what = f"search: ended after {done} trial{'s' * (done > 1)}, because another one"
            self.say(f"{what} and its verification take about {self.clock.next_s:.0f} s")

    def _try_next(self, study: Study) -> bool:
        """Ask for one trial, measure and tell it; return False where there is none."""
        try:
            trial = study.ask()
        except SpaceExhausted:
            self.say("search: every configuration has been tried")
            return False
        except BudgetExhausted as end:
            self.say(f"search: {end}")
            return False
        attempt = self._race(study, trial)
        self._tell(study, trial, attempt)
        if attempt.results and not attempt.shared:
            self.clock.took(attempt.seconds)
        self._save()
        return True

    def _ablations_due(self, study: Study, done: int) -> int:
        """Return for how many trials without one of the best trial's changes time is kept, a few of those done."""
        best = incumbent(study)
        changes = [] if best is None else changed(best.params, self.space.default())
        return min(len(changes), done // TRIALS_AN_ABLATION) if len(changes) > 1 else 0

    def simplify(self, study: Study) -> None:
        """Take the best trial's changes back one by one, for as long as there is time and nothing is lost by it.

        Each is measured, unless it was; what equals the best within the noise goes on with fewer changes. So the hand-over
        can say what each change that is left is worth, and none is left that is worth nothing.
        """
        ranked = self._by_worth(study)
        if not ranked or ranked[0].value is None:
            return
        best, share = ranked[0].value, equal_share(self.measures)
        params, needed = ranked[0].params, set[str]()
        while (step := next_ablation(study, params, needed)) is not None:
            name, fewer = step
            if not self._measured(study, fewer, f"the best without {name}"):
                return
            if does_without(study, fewer, best, share):
                params = fewer
            else:
                needed.add(name)

    def _measured(self, study: Study, params: Params, reason: str) -> bool:
        """Try a configuration that has not been tried; return whether there was the time."""
        if not self._tried(study, params):
            study.enqueue(params, reason=reason, source=ABLATION)
        while not self._tried(study, params):  # what was enqueued before comes before it
            if not (self.clock.time_for_trial and self._try_next(study)):
                return False
        return True

    def _tried(self, study: Study, params: Params) -> bool:
        key = self.space.key(params)
        return any(self.space.key(t.params) == key for t in study.trials)

    def _by_worth(self, study: Study) -> list[TrialRecord]:
        """Return the feasible trials, best first, and of those that equal the best the ones with fewer changes first."""
        ranked, worth = feasible_by_belief(study)
        return fewest_changes_first(ranked, worth, self.space.default(), equal_share(self.measures))

    def _tell(self, study: Study, trial: Trial, attempt: Attempt) -> None:
        error = attempt.error()
        if error is not None:
            study.tell(trial, failed=error)
            words = f"failed: {error}"
        else:
            cut = attempt.cut_s is not None
            study.tell(trial, self.measures.cut_off(attempt) if cut else self.measures.measured(attempt))
            words = self.measures.told(attempt.mean(), attempt)
        self.say(f"trial {trial.number}: {changes(self.space, trial.params)} · {words}")
        study.remark(
            f"{attempt.command} · {attempt.rung} · {len(attempt.results)} runs", trial_number=trial.number
        )

    def _race(self, study: Study, trial: Trial) -> Attempt:
        """Measure once, as long as it may win; measure again while it may still be the best."""
        best = incumbent(study)
        enough_s = None if best is None or best.value is None else self.measures.enough_s(best.value)
        label, searched = f"trial {trial.number}", self.plan.searches_load
        key = self.space.key(trial.params)
        replicate = any(
            self.space.key(t.params) == key for t in ended(study)
        )  # tells nothing unless it is measured
        reuse = not (searched or replicate)
        attempt = self.target.measure(trial.params, reuse=reuse, enough_s=enough_s, label=label)
        if attempt.failure is not None or attempt.cut_s is not None or attempt.shared:
            return attempt
        if searched:
            return self.measures.at_highest_load(attempt)
        while (
            attempt.failure is None
            and len(attempt.results) < self.plan.repeats
            and may_win(study, self.measures, self.measures.metrics(attempt.mean()))
        ):
            attempt = self.target.more(attempt, label=label)
        return attempt

    def _default_again(self, study: Study) -> None:
        attempt = self.target.measure(self.space.default(), reuse=False, label="default again")
        if attempt.failure is None:
            self.state.default.append(self.measures.metrics(attempt.mean()))
            study.add(self.space.default(), self.measures.measured(attempt), source="default")
            self.say(
                f"default again: {self.measures.told(attempt.mean(), attempt)} · noise {self.measures.noise:.1%}"
            )

    # The end -----------------------------------------------------------------------------------------------------

    def conclude(self, study: Study) -> TuningOutcome:
        """Verify the best feasible trials against the default and return the outcome."""
        verification = Verification(
            self.measures, self.space, say=self.say, left_s=lambda: self.clock.left_s, save=self._save
        )
        conclusion = self._nothing_tried(study) or verification.first_better(self._ranked(study))
        command = self.target.spec({} if conclusion.best is None else conclusion.best.params).command()
        return TuningOutcome(
            conclusion.verdict, study, self.measures.limits, conclusion.best, command, self.target.spec({}).command(),
            tuple(conclusion.sides[0]), tuple(conclusion.sides[1]), self.measures.noise, self.clock.used_s,
            verification.agreement(conclusion),
        )  # fmt: skip

    def _ranked(self, study: Study) -> list[TrialRecord]:
        """Return what to verify, best first: the feasible trials, else those that miss a limit within the noise."""
        ranked = self._by_worth(study)
        if not ranked:
            ranked = nearly_feasible(study, WITHIN_NOISE * self.measures.noise)
            if ranked:
                self.say("no trial met every limit; the nearest misses one by no more than the noise")
        return ranked

    def _nothing_tried(self, study: Study) -> Verified | None:
        """Return the verdict on a budget in which no trial fits, None where there was one."""
        if any(t.source != "default" for t in study.trials) or self.clock.time_for_trial:
            return None
        least = math.ceil(self.clock.least_s / 10) * 10
        reason = (
            f"a trial and its verification do not fit in {self.plan.budget_s:.0f} s; "
            f"this model and workload need a `--budget` of at least {least} s"
        )
        return Verified(TuningVerdict("nothing tried", reason))

    def _save(self) -> None:
        self.state.used_s = self.clock.used_s
        self.state.write(self._path)


def _ordered(parameter: Parameter) -> bool:
    return isinstance(parameter, Categorical) and parameter.ordered
