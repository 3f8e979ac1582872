"""The study: ask for a trial, evaluate it anywhere, tell the result.

Everything is in the ledger before a method returns; a ``Study`` holds only a copy that it brings up to date. Any
number of studies in any number of processes may work on the same name. Threads may share a ``Study``: decisions are
made one at a time. ``Ask.index``, which selects the random streams, counts the trials that the strategy has decided:
added, enqueued and told trials do not shift it, so the same seed and the same results give the same trials.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self, overload

from optuna.pruners import BasePruner

from ...evaluators.errors import EvaluationFailed, FailureKind
from ...evaluators.problems.history import History, Params, Value
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.programs.call import Evaluate
from ...evaluators.random_streams import stream
from ...evaluators.spaces.base import shown
from ...evaluators.spaces.space import SearchSpace
from ...serving.errors import InvalidInput
from ...surrogates.contracts import Engine, Prediction
from ..budget import Budget
from ..certainty.held_out import HeldOutScore
from ..certainty.verdict import Certified
from ..contracts import AbstractPlanner, AbstractStrategy, CallRecord, Spent
from ..counterfactual.replay import counterfactual
from ..counterfactual.worth import Counterfactual
from ..engine_options import EngineOptions
from ..errors import TrialNotFound
from ..evaluation.job import evaluate_again
from ..evaluation.reporter import Reporter
from ..evaluation.soup import Scored, SoupResult, greedy_soup
from ..evaluation.stand_in import StandIn
from ..ledger import idempotency, tell as endings
from ..ledger.allowance import Allowance
from ..ledger.events import Event, events_after
from ..ledger.leases import LEASE_S, Lease
from ..ledger.ledger import Ledger
from ..ledger.records import Ending, Failure, TrialRecord, ending_of
from ..optuna.pruning import Pruning
from ..planner.by_name import SharedPlanner
from ..protocol import StudyProtocol
from ..proxy import ProxyOptions
from ..strategies.decider import Decider
from ..strategies.simple import default_engine
from ..views.best import best_of, front_of
from ..views.changes import FewChanges, few_changes
from ..views.earlier import earlier_studies
from ..views.winner import robust_trial, standing_values
from . import add_results, ask as asking, fork as forks, held_out, verify as verifying
from .create import StudyOptions, ledger_of, open_study
from .loop import Loop, RunEnd
from .open_study import OpenStudy
from .trial import Trial, number_of
from .verify import VerificationPlan


class Study:
    """A search for the best configuration of one problem, kept in a ledger.

    Creates the study, or resumes the one of that name. ``problem``: None opens what is stored under ``name``, as ``load``
    does. ``storage``: None (in memory), a database URL or a shared ``Ledger``. ``seed``: None is 0 for a new study and
    whatever is stored for an old one. ``planner``: see ``agent/planner/by_name.py``. ``strategy``: a name of
    ``agent/strategies/by_name.py`` or an ``AbstractStrategy``. ``engine``: what is chosen of the surrogate's side.
    ``protocol``: on which seeds and data it tunes and tests. ``proxy``: see ``ProxyOptions``. ``pruner``: one of
    ``optuna.pruners``. None keeps what is stored. Resuming fails the trials whose worker is dead as "lost"; those of living
    workers go on; ``reap=False`` leaves lost ones alone too. A planner given by name is opened when it is first needed,
    shared with forks, and ended by ``close`` or ``with``.
    Raises StudyMismatch, StudyNotFound, LedgerUnavailable, InvalidInput.
    """

    def __init__(
        self, problem: Problem | None, *, name: str | None = None, storage: "str | Ledger | None" = None,
        seed: int | None = None, planner: "str | AbstractPlanner | SharedPlanner | None" = None,
        budget: Budget | None = None, strategy: "str | AbstractStrategy | None" = None,
        engine: EngineOptions | None = None, protocol: StudyProtocol | None = None, proxy: ProxyOptions | None = None,
        pruner: BasePruner | None = None, reap: bool = True,
    ) -> None:  # fmt: skip
        self.ledger = ledger_of(storage)
        options = StudyOptions(planner, budget, strategy, engine, protocol, proxy)
        opened = open_study(self.ledger, name, problem, seed, options)
        self.stored = stored = opened.stored
        self.problem = stored.problem
        self.budget = budget or Budget(**stored.config.get("budget", {}))
        self.knowledge: tuple[str, ...] = ()
        engine, settings = engine or EngineOptions.stored(stored.config), opened.settings
        self.protocol, self.proxy = StudyProtocol.stored(stored.config), ProxyOptions.stored(stored.config)
        engine = self.protocol.engine_options(engine, settings.strategy)
        how, past = settings.strategy, partial(earlier_studies, self.ledger, stored)
        self._decider = Decider(self.problem, self.seed, settings.planner, how, engine, earlier=past)
        self._open = OpenStudy(self.ledger, stored)
        self._pruner = pruner
        self._reports = endings.PendingReports(self._open.change, self.problem)
        self._pruning = None if pruner is None else Pruning(self.ledger.database, stored.name, pruner)
        if opened.resumed and reap:
            self.reap()

    @classmethod
    def load(
        cls, name: str, *, storage: "str | Ledger", planner: "str | AbstractPlanner | SharedPlanner | None" = None,
        budget: Budget | None = None, strategy: "str | AbstractStrategy | None" = None,
        pruner: BasePruner | None = None, reap: bool = True,
    ) -> Self:  # fmt: skip
        """Return the stored study of that name; what is not given is as stored. Raises StudyNotFound.

        With ``reap=False`` nothing is written, so a read-only database can be looked at.
        """
        return cls(
            None, name=name, storage=storage, planner=planner, budget=budget, strategy=strategy, pruner=pruner,
            reap=reap,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The study's name in its ledger."""
        return self.stored.name

    @property
    def seed(self) -> int:
        """The seed from which every random stream of the study derives."""
        return self.stored.seed

    @property
    def lineage(self) -> Mapping[str, Any] | None:
        """Where a fork comes from: parent, trials copied and left out; None for a study of its own."""
        return self.stored.lineage

    @property
    def strategy(self) -> AbstractStrategy:
        """What decides the next trials; made, and its planner opened, when it is first needed."""
        return self._decider.strategy

    def close(self) -> None:
        """Give back the planner, which ends with the last study that uses it; used again, a study opens it again."""
        self._decider.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _engine(self) -> Engine:
        return default_engine(self.problem)

    @overload
    def ask(self, *, fixed: Mapping[str, Value] | None = None, lease: Lease | None = None) -> Trial: ...

    @overload
    def ask(
        self, n: int, *, fixed: Mapping[str, Value] | None = None, lease: Lease | None = None,
        receipt: str | None = None, allowance: Allowance | None = None,
    ) -> list[Trial]: ...  # fmt: skip

    def ask(
        self, n: int | None = None, *, fixed: Mapping[str, Value] | None = None, lease: Lease | None = None,
        receipt: str | None = None, allowance: Allowance | None = None,
    ) -> Trial | list[Trial]:  # fmt: skip
        """Return the next trial, or a list of up to ``n``; enqueued points come first, unless parameters are ``fixed``.

        Fewer than ``n`` come when the budget ends. ``lease``: who will hold it (default: this process). ``receipt``:
        the request's key; the same key again gives the same trials (``idempotency.py``), as in the other verbs.
        ``allowance``: what the caller may use today. Raises BudgetExhausted, DailyBudgetSpent, SpaceExhausted,
        InvalidParameters, LedgerUnavailable.
        """
        at_once = 1 if n is None else asking.checked_n(n)
        with self._decider.lock:
            context = (self.knowledge, standing_values(self) if self.protocol.only else None)
            request = asking.AskRequest(
                at_once, self._decider.plan, self.budget, fixed, lease, receipt, allowance, *context
            )
            records = asking.ask(self._open, request)
        trials = [Trial(record, self.report_soon) for record in records]
        return trials if n is not None else trials[0]

    def enqueue(
        self, params: Params, *, reason: str = "enqueued by the user", source: str = "user", receipt: str | None = None,
    ) -> None:  # fmt: skip
        """Put a configuration before everything the strategy would do. Raises InvalidParameters."""
        valid = self.problem.space.validate(params)
        with idempotency.once(self._open.change(), receipt) as current:
            asking.enqueue(current, valid, source, reason)

    def tell(
        self, trial: "Trial | TrialRecord | int", value: float | Sequence[float] | Measurement | None = None, *,
        failed: str | EvaluationFailed | None = None, kind: FailureKind = "crash", pruned: bool = False,
    ) -> TrialRecord:  # fmt: skip
        """Record how a trial ended: exactly one of a value, ``failed`` (a reason) or ``pruned=True`` (after a report).

        The same result again is fine; another one raises ResultConflict. A result that cannot be recorded raises
        InvalidMeasurement and leaves the trial running. Raises TrialNotFound, LedgerUnavailable.
        """
        ending = ending_of(self.problem, value, failed, kind, pruned)
        return self.finish(number_of(trial), ending)

    def finish(self, number: int, ending: Ending | None, *, requeue: bool = False) -> TrialRecord:
        """Record an ending as a value; ``tell`` in other words. None: pruned at its last report.
        ``requeue``: its worker was interrupted; in the same transaction the configuration is queued again."""
        self.write_reports(number)
        with self._open.change() as current:
            record = endings.end_trial(current, self._open.mirror, number, ending)
            if requeue and current.records and isinstance(ending, Failure):
                asking.enqueue_again(current, [(record, ending.reason)])
        return record

    def report(self, number: int, step: int, value: float) -> bool:
        """Record an intermediate value of a running trial; return whether the pruner would stop it."""
        values = dict([endings.check_report(step, value)])
        with self._open.change() as current:
            trial_id = endings.report_values(current, self.problem, number_of(number), values)
        return self._pruning is not None and self._pruning.should_stop(trial_id)

    def report_soon(self, number: int, step: int, value: float) -> bool:
        """Record an intermediate value with others of the same half second, unless a pruner is to judge it now."""
        return self.report(number, step, value) if self._pruning else self._reports.add(number, step, value)

    def write_reports(self, number: int) -> None:
        """Write what ``report_soon`` still holds of a trial that ends."""
        self._reports.close(number)

    def add(
        self, params: Params, value: float | Sequence[float] | Measurement, *, source: str = "user"
    ) -> TrialRecord:
        """Record a finished result from elsewhere; it counts as knowledge and not against the budget."""
        return self.trial(self.add_many([(params, value)], source=source)[0])

    def add_many(
        self, rows: Iterable[tuple[Params, "float | Sequence[float] | Measurement"]], *, source: str = "user",
        receipt: str | None = None,
    ) -> list[int]:  # fmt: skip
        """Record many finished results in one transaction; return their numbers. All are recorded or none."""
        return add_results.add_many(self._open, rows, source, receipt)

    def exclude(self, number: int, reason: str) -> None:
        """Leave a trial out of everything that is learnt from the study, and say why. It stays in the ledger."""
        if not reason:
            raise InvalidInput("`reason` must say why the trial is excluded, got ''.")
        with self._open.change() as current:
            endings.mark_excluded(current, self.problem, number_of(number), reason)

    def restore(self, number: int) -> None:
        """Let an excluded trial count again."""
        with self._open.change() as current:
            endings.mark_excluded(current, self.problem, number_of(number), None)

    def reap(self, *, requeue: bool = False) -> list[int]:
        """Fail the running trials whose worker is dead as "lost"; return their numbers. ``requeue``: try them
        again first; a configuration that was lost three times is left alone."""
        return asking.reap(self._open, requeue=requeue)

    def renew(self, numbers: list[int], lasts_s: float = LEASE_S) -> None:
        """Renew the leases on running trials, so that they are not taken for lost."""
        endings.renew_leases(self.ledger.database, self.stored.study_id, numbers, lasts_s)

    def reporter(self, number: int) -> Reporter:
        """Return what a trial's evaluation reports to; it can be sent to another process."""
        return Reporter(self, number)

    @property
    def address(self) -> tuple[str, str]:
        """Where another process finds this study: database URL and name."""
        return self.ledger.url, self.name

    @property
    def opener(self) -> "Callable[[], Study] | None":
        """What opens this study in another process, to report to it; None for a study in memory."""
        if self.ledger.database.in_memory:
            return None
        return partial(Study.load, self.name, storage=self.ledger.url, pruner=self._pruner, reap=False)

    def note(self, text: str, *, trial_number: int | None = None) -> str:
        """Write the note of the study, or of a trial, in place of the last one; no words take it away. Return it
        as it is kept.

        Raises InvalidInput for more than 2,000 characters or control characters, TrialNotFound.
        """
        text = endings.checked_note(text if isinstance(text, str) else shown(text))
        with self._open.change() as current:
            endings.write_note(current, self.problem, text, trial_number)
        return text

    def remark(self, text: str, *, trial_number: int | None = None) -> None:
        """Leave a remark among the study's events."""
        with self._open.change() as current:
            current.event("remark", trial_number, text=text)

    def record_calls(self, calls: Iterable[CallRecord], allowance: Allowance | None = None) -> None:
        """Count model calls made outside ``ask`` (a chat session) against the study's budgets, and the caller's day."""
        with self._open.change() as current:
            asking.charge(current, calls, allowance)

    def refresh(self) -> History:
        """Read what other processes did; return the history."""
        return self._open.refresh().history

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials by number, excluded ones too (``excluded`` says why)."""
        return self._open.records()

    def trial(self, number: int) -> TrialRecord:
        """Return one trial; raises TrialNotFound."""
        for record in self._open.named([number_of(number)]):
            return record
        raise TrialNotFound(
            f"no trial {shown(number)} in study {self.name!r}; it has {len(self.trials)} trials."
        )

    @property
    def best_trial(self) -> TrialRecord:
        """The best feasible finished trial; raises NoFeasibleTrial, and InvalidInput for several objectives."""
        return best_of(self.problem, self.trials)

    @property
    def winner(self) -> TrialRecord:
        """The trial that the study recommends, as the protocol's ``choose`` says; raises as ``best_trial``."""
        return self.best_trial if self.protocol.choose == "best" else robust_trial(self, self._engine)

    @property
    def pareto_front(self) -> tuple[TrialRecord, ...]:
        """The feasible trials that no other beats in every objective; empty when none is feasible."""
        return front_of(self.problem, self.trials)

    @property
    def spent(self) -> Spent:
        """Model calls, tokens and money used so far."""
        return self.ledger.heads(self.stored.study_id).spent

    def events(self, after: int = 0, *, limit: int = 1000) -> tuple[Event, ...]:
        """Return what happened after event number ``after``, oldest first."""
        return events_after(self.ledger.database, self.stored.study_id, after, limit=limit)

    def predict(self, params: Params) -> Prediction | None:
        """Return what the surrogate believes of a configuration; None while there is too little to model."""
        valid = self.problem.space.validate(params)
        history = self.refresh()
        belief = self._engine.condition(history, stream(self.seed, len(history), "predict"))
        return belief.assess([valid])[0].prediction if belief.modelled else None

    def changes(self, number: int | None = None) -> FewChanges | None:
        """Return how few of the winner's (or a trial's) changes carry its gain, as the surrogate predicts; fits it once.
        Raises as ``winner``, TrialNotFound."""
        record = self.winner if number is None else self.trial(number)
        return few_changes(self.refresh(), self._engine, record.params)

    def fork(self, name: str, *, space: SearchSpace | None = None, problem: Problem | None = None) -> Self:
        """Return a new study in a changed space (or problem) of the same ledger, with the trials that fit in it.
        Its ``lineage`` says how many were copied and how many were left out, and why."""
        stored = forks.fork(self, name, problem or forks.with_space(self.problem, space))
        return type(self).load(
            stored.name, storage=self.ledger, planner=self._decider.planner, budget=self.budget,
            strategy=self._decider.chosen, pruner=self._pruner, reap=False,
        )  # fmt: skip

    def run(
        self, evaluate: Evaluate, n_trials: int | None = None, seconds: float | None = None, **options: Any
    ) -> RunEnd:
        """Ask, evaluate and tell until ``n_trials`` are started, ``seconds`` are over, or the budget or the space ends.

        ``evaluate(params)`` or ``evaluate(params, run)``; raising fails the trial and the study goes on. Options
        (``loop.Loop``): ``executor`` (any ``concurrent.futures.Executor``), ``workers``, ``on_trial``,
        ``on_start``, ``workdir``, ``fidelity``.
        """
        if all(end is None for end in (n_trials, seconds, self.budget.trials, self.budget.seconds)):
            raise InvalidInput(
                "`run` needs an end: give `n_trials=`, `seconds=`, or the study a budget of trials or seconds."
            )
        options["stand_in"] = StandIn(self.proxy, self.refresh) if self.proxy else None
        return Loop(self, evaluate, n_trials=n_trials, seconds=seconds, **options).go()

    def verify(
        self, evaluate: Evaluate, candidate: int | None = None, *, against: int | None = None, pairs: int = 20,
        least: float | None = None, **options: Any,
    ) -> Certified:  # fmt: skip
        """Run the best trial and the default (or two others) anew, in turns, until the difference is certain or
        hopeless. Again: goes on where it ended. Arguments: ``verify.VerificationPlan``; options: those of ``run``."""
        plan = VerificationPlan(candidate, against, pairs=pairs, least=least)
        return verifying.verify(self, evaluate, plan, options)

    def test(self, evaluate: Evaluate, number: int | None = None, **options: Any) -> HeldOutScore:
        """Measure the winner (or a trial) once on the protocol's test seeds and data; return its score there, with what
        tuning had shown. Again: reads what is there. Options: those of ``run``."""
        return held_out.test(self, evaluate, number, options)

    def soup(self, score: Scored, workdir: str | Path, *, most: int = 10) -> SoupResult:
        """Return the greedy mean of the weights that the best trials left in their folders below ``workdir``, as
        ``score(weights)`` on held-out data allows; noted among the events."""
        mixture = greedy_soup(self, score, Path(workdir), most)
        self.remark(str(mixture))
        return mixture

    def counterfactual(self, evaluate: Evaluate) -> Counterfactual:
        """Run the study again without its planner, trial for trial, and return what the planner was worth in it.
        For recorded or deterministic evaluators; only what differs is evaluated. Nothing is written. Raises InvalidInput."""
        return counterfactual(self, partial(evaluate_again, self, evaluate))
