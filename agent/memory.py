"""A study's trials kept in memory, brought up to date from the ledger by what changed since.

The state is the ledger's; this is a copy that can be thrown away. The history's arrays are extended, not recomputed,
as long as trials only end; an exclusion, a restoration or a late result rebuilds it.
"""

from collections.abc import Sequence

from ..evaluators.history import History
from ..evaluators.problem import Problem
from .ledger import Heads, Ledger
from .records import TrialRecord, failed_of, finished_of, pruned_of, running_of


class Memory:
    """The trials of one study by number, and the history that strategies see. Not safe for several threads at once."""

    def __init__(self, ledger: Ledger, study_id: int, problem: Problem) -> None:
        self._ledger, self._study_id = ledger, study_id
        self._problem = problem
        self.records: dict[int, TrialRecord] = {}
        self.history = History(problem)
        self.revision = 0
        self.trials_used = 0
        self.seconds_used = 0.0

    def refresh(self) -> Heads:
        """Read what changed since the last refresh; return the study's counters at least as new as the trials."""
        heads = self._ledger.heads(self._study_id)
        if heads.revision > self.revision:
            self._apply(self._ledger.changed_trials(self._study_id, self.revision))
            self.revision = max(self.revision, heads.revision)
        return heads

    def _apply(self, changed: Sequence[TrialRecord]) -> None:
        before = [self.records.get(record.number) for record in changed]
        for old, new in zip(before, changed, strict=True):
            self._count(old, -1)
            self._count(new, +1)
            self.records[new.number] = new
            self.revision = max(self.revision, new.revision)
        grown = all(
            (old is None or _was_running(old)) and new.excluded is None
            for old, new in zip(before, changed, strict=True)
        )
        if not grown:
            self._rebuild()
            return
        ended = [record for record in changed if record.state != "running"]
        started = [
            new for old, new in zip(before, changed, strict=True) if new.state == "running" and old is None
        ]
        gone = {record.number for record in ended}
        running = [trial for trial in self.history.running if trial.number not in gone] + running_of(started)
        self.history = self.history.extended(
            finished=finished_of(ended), failed=failed_of(ended), pruned=pruned_of(ended), running=running
        )

    def _rebuild(self) -> None:
        counted = sorted(
            (r for r in self.records.values() if r.excluded is None),
            key=lambda r: (r.ended_at or 0, r.number),
        )
        self.history = History(self._problem).extended(
            finished=finished_of(counted),
            failed=failed_of(counted),
            pruned=pruned_of(counted),
            running=running_of(counted),
        )

    def _count(self, record: TrialRecord | None, sign: int) -> None:
        if record is None or record.verdict == "added":
            return
        lost = record.failure is not None and record.failure.kind == "lost"
        self.trials_used += 0 if lost else sign
        self.seconds_used += sign * record.seconds


def _was_running(record: TrialRecord) -> bool:
    return record.state == "running" and record.excluded is None
