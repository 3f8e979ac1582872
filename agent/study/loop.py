"""The loop of ``Study.run``: ask, evaluate somewhere, tell, until something ends it.

Evaluations run in this thread, in threads, or in any ``concurrent.futures.Executor``; decisions are made here. A
heartbeat renews the leases of what is running. On Ctrl-C, and when an executor breaks, no trial is left running: those
that did are failed as "lost", and queued again where the loop is a worker's.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ...evaluators.errors import EvaluationFailed, SpaceExhausted
from ...evaluators.problems.history import Value
from ...evaluators.programs.call import Evaluate, check_callable
from ...evaluators.programs.run import Report
from ...serving.errors import InvalidInput
from ..errors import BudgetExhausted, ExecutorBroken, LedgerUnavailable, ResultConflict
from ..evaluation.job import Evaluated, Job, evaluate_job, evaluation_seed, informed
from ..evaluation.threads import DaemonThreads
from ..ledger.leases import LEASE_S, Lease, own_lease
from ..ledger.records import Ending, Failure, TrialRecord
from ..lineage import needs_checkpoint
from .trial import Trial

_log = logging.getLogger(__name__)

_TICK_S = 0.5
"""How often a waiting loop looks at its deadline."""


class Runnable(Evaluated, Protocol):
    """What the loop needs of a study, here or behind a service."""

    @property
    def trials(self) -> Sequence[TrialRecord]: ...  # noqa: D102

    def ask(self, *, fixed: Mapping[str, Value] | None = None, lease: Lease | None = None) -> Trial: ...  # noqa: D102
    def finish(self, number: int, ending: Ending, *, requeue: bool = False) -> TrialRecord: ...  # noqa: D102
    def renew(self, numbers: list[int], lasts_s: float = LEASE_S) -> None: ...  # noqa: D102
    def reporter(self, number: int) -> Report: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended: trials that ended in it, and why it stopped, in words."""

    trials: int
    why: str


class Loop:
    """One call of ``Study.run``.

    ``n_trials``: trials to start; ``seconds``: no trial is started later (running ones are waited for). At least one
    of the two, or a budget on the study. ``workers``: evaluations at a time (default: 1, or what the executor has).
    ``on_trial``: called in this thread with each ended trial. ``workdir``: a folder in which each trial keeps its own;
    None makes temporary ones. ``requeue``: what is interrupted here is queued again, for another worker.
    ``stand_in``: what answers a trial in the evaluator's place; None is to evaluate it.
    """

    def __init__(
        self,
        study: Runnable,
        evaluate: Evaluate,
        *,
        n_trials: int | None = None,
        seconds: float | None = None,
        executor: Executor | None = None,
        workers: int | None = None,
        on_trial: Callable[[TrialRecord], object] | None = None,
        on_start: Callable[[Trial], object] | None = None,
        workdir: str | Path | None = None,
        fidelity: float = 1.0,
        requeue: bool = False,
        stand_in: Callable[[Trial], Ending | None] | None = None,
    ) -> None:
        _check(evaluate, n_trials, seconds, workers)
        self._study, self._evaluate, self._executor = study, evaluate, executor
        self._left = n_trials
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self._workers = workers or (1 if executor is None else workers_of(executor))
        self._on_trial, self._on_start = on_trial, on_start
        self._workdir = None if workdir is None else Path(workdir)
        self._fidelity, self._requeue, self._stand_in = fidelity, requeue, stand_in
        self._running: dict[Future[Ending], int] = {}
        self._inline: int | None = None
        self._ended = 0
        self._why = ""
        self._abandoned = False

    def go(self) -> RunEnd:
        """Run to the end; raises KeyboardInterrupt and ExecutorBroken after leaving the ledger clean."""
        with _heartbeat(self._study, self._numbers):
            try:
                if self._executor is None and self._workers == 1:
                    self._go_inline()
                else:
                    self._go_in_executor()
            # whatever ends the loop, Ctrl-C too, the ledger must be clean; always raised again
            except BaseException as error:
                self._abandon(_interruption(error))
                raise
        return RunEnd(self._ended, self._why)

    def _go_inline(self) -> None:
        while (trial := self._next()) is not None:
            self._inline = trial.number
            self._finish(trial.number, evaluate_job(self._job(trial)))

    def _go_in_executor(self) -> None:
        executor = self._executor or DaemonThreads()
        self._fill(executor)
        while self._running:
            done, _ = wait(self._running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            for future in done:
                self._finish(self._running[future], self._outcome(future))
            self._fill(executor)

    def _fill(self, executor: Executor) -> None:
        while len(self._running) < self._workers and (trial := self._next()) is not None:
            self._inline = trial.number  # until it is handed over
            try:
                future = executor.submit(evaluate_job, self._job(trial))
            except (BrokenExecutor, RuntimeError) as error:
                raise ExecutorBroken(
                    f"the executor takes no more work ({error}); pass a new one and run again."
                ) from error
            self._running[future] = trial.number
            self._inline = None
            future.add_done_callback(partial(self._tell_early, trial.number))

    def _tell_early(self, number: int, future: "Future[Ending]") -> None:
        """Tell a result when it comes, even while the loop waits for a decision, so that no crash loses it.

        Runs in the executor's thread. The loop tells it once more, which changes nothing, and says what went wrong here.
        """
        if self._abandoned or future.cancelled() or future.exception() is not None:
            return
        try:
            self._study.finish(number, future.result())
        except (ResultConflict, LedgerUnavailable) as error:
            _log.debug("trial %s: %s", number, error)

    def _next(self) -> Trial | None:
        """Return the next trial that is to be evaluated; those that the study's proxy answers are told on the way."""
        while (trial := self._asked()) is not None:
            answer = None if self._stand_in is None else self._stand_in(trial)
            if answer is None:
                return trial
            self._inline = trial.number
            self._finish(trial.number, answer)
        return None

    def _asked(self) -> Trial | None:
        if self._why:
            return None
        if self._left == 0:
            self._why = "the number of trials asked for is reached"
        elif self._deadline is not None and time.monotonic() >= self._deadline:
            self._why = f"the {self._seconds:g} seconds are over"
        else:
            try:
                trial = self._study.ask(lease=own_lease(lasts_s=LEASE_S))
            except (BudgetExhausted, SpaceExhausted) as end:
                self._why = str(end)
                return None
            self._left = None if self._left is None else self._left - 1
            if self._on_start is not None:
                self._inline = trial.number
                self._on_start(trial)
                self._inline = None
            return trial
        return None

    def _job(self, trial: Trial) -> Job:
        seed, report = evaluation_seed(self._study.seed, trial.number), self._study.reporter(trial.number)
        arguments = (self._evaluate, trial.params, self._study.problem, trial.number, seed, report)
        if self._workdir is None and needs_checkpoint(trial.source):
            raise InvalidInput(
                f"trial {trial.number} goes on from the checkpoint of trial {trial.parent}: say where trials keep their "
                "folders, with `workdir=` (`--workdir`), the same for all workers."
            )
        protocol, problem = self._study.protocol, self._study.problem
        made_on = protocol.instances("tuning")
        stops = informed(protocol.stop_rules(problem), lambda: self._study.trials)
        return Job(*arguments, self._workdir, self._fidelity, trial.source, made_on, stops)

    def _outcome(self, future: "Future[Ending]") -> Ending:
        try:
            return future.result()
        except EvaluationFailed as failure:  # an executor's own word on a lost machine
            return Failure(failure.kind, failure.reason)
        except BrokenExecutor as error:
            raise ExecutorBroken(
                f"the executor lost its workers ({error}); pass a new one and run again."
            ) from error
        # the edge to an executor that is not ours, which raises what it likes: mostly that it cannot pickle the evaluator
        except Exception as error:
            raise ExecutorBroken(
                f"the executor could not run the evaluator ({type(error).__name__}: {error}); for processes it must "
                "be a function of a module, with arguments that can be pickled."
            ) from error

    def _finish(self, number: int, ending: Ending) -> None:
        record = None
        try:
            record = self._study.finish(number, ending)
        except ResultConflict as conflict:  # somebody else told it meanwhile: the first result stands
            _log.warning("%s", conflict)
        self._inline = None if self._inline == number else self._inline
        self._running = {future: n for future, n in self._running.items() if n != number}
        if record is None:
            return
        self._ended += 1
        if self._on_trial is not None:
            self._on_trial(record)

    def _numbers(self) -> list[int]:
        numbers = list(self._running.copy().values())
        return numbers if self._inline is None else [*numbers, self._inline]

    def _abandon(self, reason: str) -> None:
        numbers = self._numbers()
        self._abandoned = True
        for future in self._running:
            future.cancel()  # what has not begun shall not begin
        for number in numbers:
            try:
                self._study.finish(number, Failure("lost", reason), requeue=self._requeue)
            # a trial that cannot be told now is found by its lease
            except (ResultConflict, LedgerUnavailable) as error:
                _log.warning("trial %s: %s", number, error)


def workers_of(executor: Executor) -> int:
    """Return how many evaluations an executor runs at a time, where it says so, else the number of processors."""
    for name in ("max_workers", "_max_workers"):  # the standard executors keep it under the second name only
        if isinstance(count := getattr(executor, name, None), int):
            return max(1, count)
    return os.cpu_count() or 1


@contextmanager
def _heartbeat(study: Runnable, numbers: Callable[[], list[int]]) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(LEASE_S / 3):
            leases = numbers()
            try:
                if leases:
                    study.renew(leases)
            except LedgerUnavailable as error:
                _log.warning("the leases of trials %s could not be renewed: %s", leases, error)

    thread = threading.Thread(target=beat, name="trialogue-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _interruption(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by the user (Ctrl-C)"
    return f"the run ended with {type(error).__name__}: {error}"


def _check(evaluate: Any, n_trials: int | None, seconds: float | None, workers: int | None) -> None:
    check_callable(evaluate)
    for name, value in (("n_trials", n_trials), ("workers", workers)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < (name == "workers")
        ):
            raise InvalidInput(f"`{name}` must be a whole number >= {int(name == 'workers')}, got {value!r}.")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds >= 0):
        raise InvalidInput(f"`seconds` must be a number >= 0, got {seconds!r}.")
