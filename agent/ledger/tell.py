"""What becomes of a trial after it was given out: results, failures, reports, exclusion, lost leases.

Telling is idempotent: the same ending again changes nothing, a different one raises ResultConflict and the first
stands. Only a trial that was failed as lost may still be told a result, because its worker turned out to live.
"""

import json
import operator
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa

from ...evaluators.errors import InvalidMeasurement
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ..errors import ResultConflict, TrialNotFound
from ..optuna.mirror import OptunaRows, report, state_of
from . import schema
from .database import MAX_INTEGER, Database, storable
from .leases import Lease, renewal, why_dead
from .records import Ending, Failure, Pruned, TrialRecord, ending_to_json, feasible_of, record_from_row
from .transaction import Change

_T, _L = schema.trials, schema.leases
_ROW = sa.select(_T).where(_T.c.study_id == sa.bindparam("study_id"), _T.c.number == sa.bindparam("number"))
_EVENT = {"finished": "told", "failed": "failed", "pruned": "pruned"}


class EndedThroughOptuna(Exception):
    """The trial was told through plain Optuna, which has to be taken in first (``adoption.py``). Internal."""


def end_trial(change: Change, optuna_rows: OptunaRows, number: int, ending: Ending) -> TrialRecord:
    """Write how a trial ended and return the record before; raises TrialNotFound, ResultConflict."""
    row, record = find(change, number)
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
    if not optuna_rows.end(change.connection, row.trial_id, ending, change.now, was=record.state):
        raise EndedThroughOptuna
    close_trial(change, optuna_rows.problem, number, ending)
    return record


def close_trial(change: Change, problem: Problem, number: int, ending: Ending) -> None:
    """Write how a trial ended into our own tables; Optuna's have it already."""
    state = state_of(ending)
    data = {"value": getattr(ending, "value", None)} if state != "failed" else ending_to_json(ending)
    revision = change.event(_EVENT[state], number, **(data or {}))  # pyright: ignore[reportArgumentType]
    change.connection.execute(
        _T.update()
        .where(_T.c.study_id == change.study_id, _T.c.number == number)
        .values(
            state=state,
            outcome=json.dumps(ending_to_json(ending)),
            value=getattr(ending, "value", None),
            feasible=feasible_of(problem, ending),
            ended_at=change.now,
            revision=revision,
        )
    )
    change.connection.execute(_L.delete().where(_L.c.study_id == change.study_id, _L.c.number == number))


def check_report(step: int, value: float) -> tuple[int, float]:
    """Return a report as plain numbers; raises InvalidMeasurement. NaN and infinities are numbers here."""
    whole = not isinstance(step, bool | str) and hasattr(step, "__index__")
    if not whole or not 0 <= operator.index(step) <= MAX_INTEGER:
        raise InvalidMeasurement(f"`step` must be a whole number in [0, {MAX_INTEGER}], got {step!r}.")
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise InvalidMeasurement(f"a reported value must be a number, got {value!r}.")
    return operator.index(step), float(value)


def report_value(change: Change, number: int, step: int, value: float) -> int:
    """Write an intermediate value of a running trial; return the trial's id in Optuna's tables."""
    row, record = find(change, number)
    if record.state != "running":
        raise ResultConflict(
            f"trial {number} is {record.state}, only a running trial can report; got step {step!r}."
        )
    report(change.connection, row.trial_id, step, value)
    return row.trial_id


def pruned_now(change: Change, number: int) -> Pruned:
    """Return the ending of a trial that is pruned at its last finite report; raises InvalidMeasurement when there
    is none."""
    row, record = find(change, number)
    if isinstance(record.ending, Pruned):
        return record.ending
    table = schema.optuna_reports
    last = change.connection.execute(
        sa.select(table.c.step, table.c.intermediate_value)
        .where(table.c.trial_id == row.trial_id, table.c.intermediate_value.is_not(None))
        .order_by(table.c.step.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        raise InvalidMeasurement(
            f"trial {number} reported no finite value; tell it a value or `failed=` instead of `pruned=True`."
        )
    return Pruned(last.step, last.intermediate_value)


def renew_leases(database: Database, study_id: int, numbers: Sequence[int], lasts_s: float) -> None:
    """Let this process's leases on these trials last ``lasts_s`` seconds from now."""
    with database.write() as connection:
        connection.execute(
            _L.update()
            .where(_L.c.study_id == study_id, _L.c.number.in_(list(numbers)))
            .values(renewal(lasts_s))
        )


def mark_excluded(change: Change, number: int, reason: str | None) -> None:
    """Exclude a trial for a reason, or restore it (None). Doing so twice changes nothing."""
    reason = None if reason is None else storable(reason)
    _, record = find(change, number)
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
    found = [
        (row.number, "no worker holds it" if row.worker is None else why_dead(Lease(*row[1:]), now))
        for row in connection.execute(query)
    ]
    return [(number, why) for number, why in found if why is not None]


def fail_lost(change: Change, optuna_rows: OptunaRows) -> list[tuple[TrialRecord, str]]:
    """Fail the running trials whose lease is dead or missing; return them as they were, and why."""
    failed = []
    for number, why in lost_trials(change.connection, change.study_id, change.now):
        with suppress(
            EndedThroughOptuna
        ):  # it was not lost: what was told there is taken in at the next look
            failed.append((end_trial(change, optuna_rows, number, Failure("lost", why)), why))
    return failed


def find(change: Change, number: int) -> tuple[sa.Row, TrialRecord]:
    """Return the row of a trial and its record; raises TrialNotFound."""
    row = None
    if 0 <= number <= MAX_INTEGER:
        row = change.connection.execute(_ROW, {"study_id": change.study_id, "number": number}).one_or_none()
    if row is None:
        raise TrialNotFound(
            f"no trial {number!r} in this study; it has trials 0 to {change.counters['next_number'] - 1}."
        )
    return row, record_from_row(row)
