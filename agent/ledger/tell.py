"""What becomes of a trial after it was given out: results, failures, reports, exclusion, notes, lost leases.

Telling is idempotent: the same ending again changes nothing, a different one raises ResultConflict and the first
stands. Only a trial that was failed as lost may still be told a result, because its worker turned out to live.
A note stands in the row of its study or trial; every change of it leaves an event with the words (decision 0161).
"""

import json
import math
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

import sqlalchemy as sa

from ...evaluators.errors import InvalidMeasurement
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.base import plain_number, shown, storable, whole_number
from ...serving.errors import InvalidInput
from ..errors import ResultConflict, TrialNotFound
from . import mirror as optuna, schema
from .database import MAX_INTEGER, Database
from .leases import Lease, renewal, why_dead
from .mirror import Mirror
from .records import (
    Ending,
    Failure,
    Pruned,
    TrialRecord,
    ending_from_json,
    ending_to_json,
    feasible_of,
    record_from_row,
    state_of,
)
from .transaction import Change

_T, _L, _R = schema.trials, schema.leases, schema.reports
_ROW = sa.select(_T).where(_T.c.study_id == sa.bindparam("study_id"), _T.c.number == sa.bindparam("number"))
_EVENT = {"finished": "told", "failed": "failed", "pruned": "pruned"}

INTERVAL_S = 0.5
"""A report that comes sooner after the last transaction waits for the next one."""
MOST = 1_000
"""Reports that wait at a time."""
NOTE_CHARACTERS = 2_000
"""At most, in a note: it is read in lists; what is longer is a document, and a note may name it."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the words around them, in a terminal too."""


def end_trial(change: Change, mirror: Mirror, number: int, ending: Ending | None) -> TrialRecord:
    """Write how a trial ended (None: pruned at its last report) and return its record. Raises TrialNotFound,
    ResultConflict, InvalidMeasurement."""
    row, record = find(change, mirror.problem, number)
    ending = ending or _pruned_now(change, record)
    if record.ending is not None:
        if ending_to_json(record.ending) == ending_to_json(ending):
            return record
        lost = isinstance(record.ending, Failure) and record.ending.kind == "lost"
        if not (lost and isinstance(ending, Measurement)):
            raise ResultConflict(
                f"trial {number} already ended with {ending_to_json(record.ending)!r}, got {ending_to_json(ending)!r}; "
                f"the first result stands. To discard it: `study.exclude({number}, reason=…)`."
            )
        change.event("recovered", number)
    mirror.end(change.connection, row.trial_id, ending, change.now, was=record.state)
    return _close(change, mirror.problem, record, ending)


def _close(change: Change, problem: Problem, record: TrialRecord, ending: Ending) -> TrialRecord:
    state, number = state_of(ending), record.number
    outcome = json.dumps(ending_to_json(ending))
    data = {"value": getattr(ending, "value", None)} if state != "failed" else ending_to_json(ending)
    revision = change.event(_EVENT[state], number, **(data or {}))  # pyright: ignore[reportArgumentType]
    change.connection.execute(
        _T.update()
        .where(_T.c.study_id == change.study_id, _T.c.number == number)
        .values(
            state=state,
            outcome=outcome,
            value=getattr(ending, "value", None),
            feasible=feasible_of(problem, ending),
            ended_at=change.now,
            revision=revision,
        )
    )
    change.connection.execute(_L.delete().where(_L.c.study_id == change.study_id, _L.c.number == number))
    ended = replace(
        record, state=state, ending=ending_from_json(state, outcome), ended_at=change.now, revision=revision
    )
    change.records.append(ended)
    return ended


def check_report(step: int, value: float) -> tuple[int, float]:
    """Return a report as plain numbers; raises InvalidMeasurement. NaN and infinities are numbers here."""
    whole = whole_number(step)
    if whole is None or not 0 <= whole <= MAX_INTEGER:
        raise InvalidMeasurement(f"`step` must be a whole number in [0, {MAX_INTEGER}], got {shown(step)}.")
    plain = plain_number(value)
    try:
        if not isinstance(plain, bool) and isinstance(plain, int | float):
            return whole, float(plain)
    except OverflowError:  # an integer past the largest float
        pass
    raise InvalidMeasurement(f"a reported value must be a number, got {shown(value)}.")


def report_values(change: Change, problem: Problem, number: int, values: Mapping[int, float]) -> int:
    """Write intermediate values of a running trial, by step; return the trial's id in the mirror."""
    row, record = find(change, problem, number)
    if record.state != "running":
        raise ResultConflict(
            f"trial {number} is {record.state}, only a running trial can report; got step {max(values)!r}."
        )
    steps = _R.c.step.in_(list(values))
    change.connection.execute(
        _R.delete().where(_R.c.study_id == change.study_id, _R.c.number == number, steps)
    )
    rows = [
        {"study_id": change.study_id, "number": number, "step": step, "value": value}
        for step, value in ((step, v if math.isfinite(v) else None) for step, v in values.items())
    ]
    change.connection.execute(_R.insert(), rows)
    optuna.report(change.connection, row.trial_id, values)
    return row.trial_id


class PendingReports:
    """Reports of one study's trials, from several threads: a burst is one transaction.

    The first report of a trial, and each that comes after a pause, is written at once; what comes faster is written
    together with a later one, or when the trial ends. Only where no pruner asks for each. A crash loses those of a burst.
    """

    def __init__(
        self,
        change: Callable[[], AbstractContextManager[Change]],
        problem: Problem,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._change, self._problem, self._clock = change, problem, clock
        self._lock = threading.RLock()
        self._pending: dict[int, dict[int, float]] = {}
        self._written: dict[int, float] = {}

    def add(self, number: int, step: int, value: float) -> bool:
        """Take a report, never a reason to stop; a later one of the same step replaces it.

        Raises InvalidMeasurement, ResultConflict.
        """
        step, value = check_report(step, value)
        with self._lock:
            pending = self._pending.setdefault(number, {})
            pending[step] = value
            since = self._clock() - self._written.get(number, float("-inf"))
            if since >= INTERVAL_S or len(pending) >= MOST:
                self._flush(number)
        return False

    def close(self, number: int) -> None:
        """Write what waits for a trial that ends; nothing where it has ended elsewhere."""
        with self._lock, suppress(ResultConflict):
            self._flush(number)
            self._written.pop(number, None)

    def _flush(self, number: int) -> None:
        pending = self._pending.pop(number, {})
        if pending:
            with self._change() as current:
                report_values(current, self._problem, number, pending)
            self._written[number] = self._clock()


def _pruned_now(change: Change, record: TrialRecord) -> Pruned:
    """Return the ending of a trial that is pruned at its last finite report; raises InvalidMeasurement when there
    is none."""
    number = record.number
    if isinstance(record.ending, Pruned):
        return record.ending
    query = sa.select(_R.c.step, _R.c.value).where(_R.c.study_id == change.study_id, _R.c.number == number)
    last = change.connection.execute(
        query.where(_R.c.value.is_not(None)).order_by(_R.c.step.desc()).limit(1)
    ).one_or_none()
    if last is None:
        raise InvalidMeasurement(
            f"trial {number} reported no finite value; tell it a value or `failed=` instead of `pruned=True`."
        )
    return Pruned(last.step, last.value)


def renew_leases(database: Database, study_id: int, numbers: Sequence[int], lasts_s: float) -> None:
    """Let this process's leases on these trials last ``lasts_s`` seconds from now."""
    with database.write() as connection:
        connection.execute(
            _L.update()
            .where(_L.c.study_id == study_id, _L.c.number.in_(list(numbers)))
            .values(renewal(lasts_s))
        )


def mark_excluded(change: Change, problem: Problem, number: int, reason: str | None) -> None:
    """Exclude a trial for a reason, or restore it (None). Doing so twice changes nothing."""
    reason = None if reason is None else storable(reason)
    _, record = find(change, problem, number)
    if record.excluded == reason:
        return
    revision = (
        change.event("restored", number)
        if reason is None
        else change.event("excluded", number, reason=reason)
    )
    change.connection.execute(
        _T.update()
        .where(_T.c.study_id == change.study_id, _T.c.number == number)
        .values(excluded=reason, revision=revision)
    )
    change.records.append(replace(record, excluded=reason, revision=revision))


def checked_note(text: str) -> str:
    """Return a note as it is kept: no space around it, lines ended by a newline. Raises InvalidInput for what no door
    could show."""
    plain = text.replace("\r\n", "\n").strip(" \n\t")
    if len(plain) > NOTE_CHARACTERS:
        raise InvalidInput(
            f"a note must have at most {NOTE_CHARACTERS} characters, got {len(plain)}; shorten it."
        )
    for c in plain:
        if c in _TURNING or (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"):
            raise InvalidInput(
                f"a note must have no control characters but newlines and tabs, got {c!r}; leave it out."
            )
    return plain


def write_note(change: Change, problem: Problem, text: str, trial_number: int | None) -> None:
    """Write the note of the study, or of a trial (raises TrialNotFound); the same words again change nothing."""
    if trial_number is None:
        mine = schema.studies.c.study_id == change.study_id
        if (change.connection.scalar(sa.select(schema.studies.c.note).where(mine)) or "") != text:
            change.event("note", text=text)
            change.connection.execute(schema.studies.update().where(mine).values(note=text))
        return
    _, record = find(change, problem, trial_number)
    if record.note == text:
        return
    revision = change.event("note", trial_number, text=text)
    change.connection.execute(
        _T.update()
        .where(_T.c.study_id == change.study_id, _T.c.number == trial_number)
        .values(note=text, revision=revision)
    )
    change.records.append(replace(record, note=text, revision=revision))


def lost_trials(connection: sa.Connection, study_id: int, now: float) -> list[tuple[int, str]]:
    """Return the running trials whose lease is dead or missing, by number, and why; ``now`` in seconds since the epoch."""
    query = (
        sa.select(
            *(_T.c.number, _L.c.worker, _L.c.host, _L.c.boot_id, _L.c.pid),
            *(_L.c.process_started, _L.c.expires_at, _L.c.expires_mono),
        )
        .outerjoin(_L, sa.and_(_L.c.study_id == _T.c.study_id, _L.c.number == _T.c.number))
        .where(_T.c.study_id == study_id, _T.c.state == "running")
        .order_by(_T.c.number)
    )
    candidates = [
        (row.number, "no worker holds it" if row.worker is None else why_dead(Lease(*row[1:]), now))
        for row in connection.execute(query)
    ]
    return [(number, why) for number, why in candidates if why is not None]


def fail_lost(change: Change, mirror: Mirror) -> list[tuple[TrialRecord, str]]:
    """Fail the running trials whose lease is dead or missing; return them, and why."""
    lost = lost_trials(change.connection, change.study_id, change.now)
    return [(end_trial(change, mirror, number, Failure("lost", why)), why) for number, why in lost]


def find(change: Change, problem: Problem, number: int) -> tuple[sa.Row, TrialRecord]:
    """Return the row of a trial and its record; raises TrialNotFound."""
    row = None
    if 0 <= number <= MAX_INTEGER:
        row = change.connection.execute(_ROW, {"study_id": change.study_id, "number": number}).one_or_none()
    if row is None:
        raise TrialNotFound(
            f"no trial {number!r} in this study; it has trials 0 to {change.counters['next_number'] - 1}."
        )
    return row, record_from_row(row, problem)
