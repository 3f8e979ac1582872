"""An open study: what is stored of it, the way to change it, and its trials as last seen.

The state is the ledger's; the trials here are a copy that can be thrown away. It is brought up to date by what changed
since, in one transaction; what this process writes itself is taken over without reading it back. The history's arrays
are extended, not recomputed, as long as trials only end; an exclusion, a restoration or a late result rebuilds it.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...evaluators.problems.history import History
from ..contracts import Past
from ..ledger.ledger import Heads, Ledger, StoredStudy
from ..ledger.mirror import Mirror
from ..ledger.records import TrialRecord, failed_of, finished_of, past_of, pruned_of, running_of
from ..ledger.transaction import Change, change


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A study at one revision. ``trials_used`` and ``seconds_used`` count against the budget.

    ``past``: the decisions in which a planner had a part, by number of their trial; it only grows.
    """

    revision: int
    heads: Heads
    history: History
    trials_used: int
    seconds_used: float
    past: Sequence[Past]


class OpenStudy:
    """A study of a ledger that is worked on. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, stored: StoredStudy) -> None:
        self.ledger, self.stored = ledger, stored
        self.mirror = Mirror(stored.problem)
        self._lock = threading.Lock()
        self._records: dict[int, TrialRecord] = {}
        self._unread: dict[int, TrialRecord] = {}  # written here since the last refresh
        self._history = History(stored.problem)
        self._past: list[Past] = []
        self._revision = 0
        self._trials_used = 0
        self._seconds_used = 0.0

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Yield a change of the study, committed as a whole or not at all."""
        with change(self.ledger.database, self.stored.study_id) as current:
            yield current
        with self._lock:
            if (
                current.first_revision == self._revision
            ):  # else others wrote meanwhile: the next refresh reads it all
                self._revision = current.revision
                self._unread.update((record.number, record) for record in current.records)

    def refresh(self) -> Snapshot:
        """Read what changed since the last refresh; return how the study stands now."""
        with self._lock:
            heads, changed = self.ledger.look(self.stored, self._revision)
            self._revision = max([self._revision, heads.revision, *(record.revision for record in changed)])
            self._unread.update((record.number, record) for record in changed)
            if self._unread:
                self._apply(sorted(self._unread.values(), key=lambda record: record.revision))
                self._unread.clear()
            used = (self._trials_used, self._seconds_used)
            return Snapshot(self._revision, heads, self._history, *used, self._past)

    def records(self) -> tuple[TrialRecord, ...]:
        """Return all trials by number, as they stand now."""
        self.refresh()
        with self._lock:
            return tuple(self._records[number] for number in sorted(self._records))

    def named(self, numbers: Iterable[int]) -> list[TrialRecord]:
        """Return the trials of these numbers as they stand now, without those that do not exist."""
        self.refresh()
        with self._lock:
            return [self._records[number] for number in numbers if number in self._records]

    def _apply(self, changed: Sequence[TrialRecord]) -> None:
        before = [self._records.get(record.number) for record in changed]
        for old, new in zip(before, changed, strict=True):
            self._count(old, -1)
            self._count(new, +1)
            self._records[new.number] = new
        trials = sorted(
            (r for old, r in zip(before, changed, strict=True) if old is None), key=lambda r: r.number
        )
        self._past += [past for past in map(past_of, trials) if past is not None]
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
        running = [trial for trial in self._history.running if trial.number not in gone] + running_of(started)
        self._history = self._history.extended(
            finished=finished_of(ended), failed=failed_of(ended), pruned=pruned_of(ended), running=running
        )

    def _rebuild(self) -> None:
        counted = sorted(
            (r for r in self._records.values() if r.excluded is None),
            key=lambda r: (r.ended_at or 0, r.number),
        )
        self._history = History(self.stored.problem).extended(
            finished=finished_of(counted),
            failed=failed_of(counted),
            pruned=pruned_of(counted),
            running=running_of(counted),
        )

    def _count(self, record: TrialRecord | None, sign: int) -> None:
        if record is None or record.verdict == "added":
            return
        lost = record.failure is not None and record.failure.kind == "lost"
        self._trials_used += 0 if lost else sign
        self._seconds_used += sign * record.seconds


def _was_running(record: TrialRecord) -> bool:
    return record.state == "running" and record.excluded is None
