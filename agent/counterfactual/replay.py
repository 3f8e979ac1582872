"""The same study without its planner, trial for trial.

A new study in memory, with the seed and the engine of the old one, is asked for a trial where the old one was, and told
each result before the same decision as there: the ledger's events say what a decision had seen. What came from outside
stays as it was: added results, enqueued configurations, exclusions, lost workers. A trial that comes out the same is not
evaluated again. Without a model in it the engine decides from the same random streams, so that the two studies are
bit-identical until the planner's first trial. That holds for evaluators that give the same result again, recorded tables
for one; others are refused.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from ...evaluators.errors import SpaceExhausted
from ...evaluators.problems.history import Params
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...serving.errors import InvalidInput
from ..contracts import Spent
from ..engine_options import EngineOptions
from ..ledger.events import Event
from ..ledger.ledger import StoredStudy
from ..ledger.records import Ending, Failure, Pruned, TrialRecord
from .worth import Counterfactual, incumbents

Evaluated = Callable[[int, Params], Ending]
"""Runs a configuration as the trial of that number: with its seed."""

_CIRCUMSTANCES = ("lost", "infrastructure")
"""Kinds of failure that say nothing of the configuration."""
_REMOVABLE = (None, "trialogue")
"""Strategies that are the surrogate's when their planner is taken away."""
_BEGINNINGS = ("asked", "added")
_ENDS = ("told", "failed", "pruned", "added")
_CHANGES = (*_ENDS, "excluded", "restored")
"""Kinds of events."""
_PAGE = 1000


class Replayable(Protocol):
    """What a counterfactual needs of a study."""

    stored: StoredStudy
    problem: Problem

    def __init__(self, problem: Problem, *, seed: int, engine: EngineOptions | None) -> None: ...
    @property
    def trials(self) -> tuple[TrialRecord, ...]: ...  # noqa: D102
    @property
    def spent(self) -> Spent: ...  # noqa: D102
    def events(self, after: int = 0, *, limit: int = 1000) -> tuple[Event, ...]: ...  # noqa: D102
    def ask(self, n: int) -> Sequence[Any]: ...  # noqa: D102
    def enqueue(self, params: Params, *, reason: str = "", source: str = "") -> None: ...  # noqa: D102
    def finish(self, number: int, ending: Ending) -> TrialRecord: ...  # noqa: D102
    def exclude(self, number: int, reason: str) -> None: ...  # noqa: D102
    def restore(self, number: int) -> None: ...  # noqa: D102


def counterfactual(study: Replayable, evaluate: Evaluated) -> Counterfactual:
    """Return what the planner was worth in ``study``. Raises InvalidInput where that cannot be told."""
    records = study.trials
    _check(study, records)
    _check_repeats(records, evaluate)
    without = type(study)(
        study.problem, seed=study.stored.seed, engine=EngineOptions.stored(study.stored.config)
    )
    replay = _Replay(study, records, without, evaluate)
    replay.go()
    trials = without.trials
    key = study.problem.space.key
    differing = (r.number for r, t in zip(records, trials, strict=False) if key(r.params) != key(t.params))
    objective = study.problem.objectives[0]
    return Counterfactual(
        study=study.stored.name,
        objective=objective.name,
        maximize=objective.direction == "maximize",
        best=incumbents(study.problem, records),
        best_without=incumbents(study.problem, trials),
        proposed=tuple(r.number for r in records if replay.is_proposed(r)),
        differs_from=next(differing, None),
        spent=study.spent,
        trials=trials,
    )


class _Replay:
    """One study run again in another."""

    def __init__(
        self, study: Replayable, records: Sequence[TrialRecord], without: Replayable, evaluate: Evaluated
    ) -> None:
        self._records, self._without, self._evaluate = records, without, evaluate
        self._key = study.problem.space.key
        events = tuple(_events(study))
        self._queued = frozenset(
            (self._key(e.data["params"]), e.data["reason"]) for e in events if e.kind == "enqueued"
        )
        self._seen = {
            e.trial_number: e.data.get("seen", e.number - 1) for e in events if e.kind in _BEGINNINGS
        }
        self._changes = deque(e for e in events if e.kind in _CHANGES)
        self._ended = {e.trial_number: e.number for e in self._changes if e.kind in _ENDS}
        self._endings: dict[int, Ending] = {}
        self._lost: dict[str, Params] = {}

    def go(self) -> None:
        """Ask and tell to the end of the study, or of a finite space."""
        try:
            for batch in self._batches():
                self._change_until(self._seen[batch[0].number])
                self._run(batch)
        except SpaceExhausted:
            pass
        self._change_until(math.inf)

    def is_proposed(self, record: TrialRecord) -> bool:
        """Whether a planner proposed a trial, and nobody queued it."""
        return record.verdict in ("kept", "unchecked") and not self._is_given(record)

    def _is_given(self, record: TrialRecord) -> bool:
        """Whether a configuration came from outside: added, or through the queue."""
        return record.verdict == "added" or (self._key(record.params), record.reason) in self._queued

    def _batches(self) -> Iterator[list[TrialRecord]]:
        """Yield the trials that were decided together: they began at the same moment; given ones come alone."""
        batch: list[TrialRecord] = []
        for record in self._records:
            together = batch and record.started_at == batch[0].started_at
            if batch and (not together or self._is_given(record) or self._is_given(batch[0])):
                yield batch
                batch = []
            batch.append(record)
        if batch:
            yield batch

    def _run(self, batch: Sequence[TrialRecord]) -> None:
        is_given = self._is_given(batch[0])
        if is_given:
            params = self._lost.get(self._key(batch[0].params), batch[0].params)  # queued again: its own
            self._without.enqueue(params, reason=batch[0].reason, source=batch[0].source)
        for record, trial in zip(batch, self._without.ask(len(batch)), strict=False):
            ending = self._ending(record, trial.params)
            if isinstance(ending, Failure) and ending.kind in _CIRCUMSTANCES and not is_given:
                self._lost[self._key(record.params)] = trial.params
            if ending is not None:
                self._endings[record.number] = ending

    def _ending(self, record: TrialRecord, params: Params) -> Ending | None:
        """Return how the trial ends without the planner: as it did, where it ran the same or its worker was lost."""
        ending = record.ending
        circumstance = isinstance(ending, Failure) and ending.kind in _CIRCUMSTANCES
        if ending is None or circumstance or self._key(record.params) == self._key(params):
            return ending
        return self._evaluate(record.number, params)

    def _change_until(self, moment: float) -> None:
        """Tell, exclude and restore what the study had up to its event of number ``moment``, in that order."""
        while self._changes and self._changes[0].number <= moment:
            event = self._changes.popleft()
            number = event.trial_number
            if event.number == self._ended.get(number) and number in self._endings:
                self._without.finish(number, self._endings[number])
            elif event.kind == "excluded" and number is not None and self._is_same(number):
                self._without.exclude(number, event.data["reason"])
            elif event.kind == "restored" and number is not None and self._is_same(number):
                self._without.restore(number)

    def _is_same(self, number: int) -> bool:
        there = self._without.trials
        return number < len(there) and self._key(there[number].params) == self._key(
            self._records[number].params
        )


def _events(study: Replayable) -> Iterator[Event]:
    after = 0
    while page := study.events(after, limit=_PAGE):
        yield from page
        after = page[-1].number


def _check(study: Replayable, records: Sequence[TrialRecord]) -> None:
    strategy = study.stored.config.get("strategy")
    if strategy not in _REMOVABLE:
        raise InvalidInput(
            f"strategy {strategy!r} of study {study.stored.name!r} is not the surrogate with a planner; "
            "compare strategies with `trialogue compare`."
        )
    if not any(r.asked or r.proposals for r in records):
        raise InvalidInput(
            f"no planner had a part in study {study.stored.name!r}: it is what it would be without one."
        )
    if len(study.problem.objectives) > 1:
        raise InvalidInput(
            f"study {study.stored.name!r} has {len(study.problem.objectives)} objectives: no single number says what a "
            "planner was worth in it."
        )
    engine = EngineOptions.stored(study.stored.config)
    if engine is not None and engine.transfer:
        raise InvalidInput(
            f"study {study.stored.name!r} learns from {', '.join(engine.transfer)}, which its replay in memory does not have; "
            "compare with and without a planner by `trialogue compare`."
        )
    pruned = [r.number for r in records if isinstance(r.ending, Pruned)]
    if pruned:
        raise InvalidInput(
            f"trial {pruned[0]} of study {study.stored.name!r} was stopped early, by what it was compared with; what "
            "would have become of it without the planner cannot be told."
        )


def _check_repeats(records: Sequence[TrialRecord], evaluate: Evaluated) -> None:
    """Run the first result and the last one again; raises InvalidInput where they do not repeat."""
    counted = [r for r in records if r.excluded is None and r.verdict != "added"]
    finished = {r.number: r for r in counted if r.values is not None}
    for number in {min(finished), max(finished)} if finished else ():
        again = evaluate(number, finished[number].params)
        values = again.values if isinstance(again, Measurement) else again
        if values != finished[number].values:
            raise InvalidInput(
                f"trial {number} gave {finished[number].values} in the study and {values} now; a counterfactual needs an "
                "evaluator that repeats itself. What a planner is worth under noise: `trialogue compare`, with seeds."
            )
