"""Results from elsewhere into a study: many at once, from another Optuna study, from a table of comma-separated
values."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...evaluators.errors import InvalidMeasurement, InvalidParameters
from ...evaluators.problems.history import Params
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...serving.errors import InvalidInput
from ..contracts import Decision
from ..ledger import idempotency
from ..ledger.claims import write_trials
from ..ledger.records import NewTrial
from ..ledger.tell import checked_note
from ..views.csv_trials import Result, read_csv
from .open_study import OpenStudy


def add_many(
    study: OpenStudy,
    rows: "Iterable[tuple[Params, float | Sequence[float] | Measurement]]",
    source: str = "user",
    receipt: str | None = None,
) -> list[int]:
    """Record finished results in one transaction; return their numbers. The error for a bad row says which."""
    done = idempotency.receipt_of(study.ledger.database, receipt)
    if done is not None:
        return list(done["numbers"])
    problem = study.stored.problem
    decision = Decision({}, source, "added from elsewhere", "added")
    now = time.time()
    new = []
    for i, (params, value) in enumerate(rows):
        try:
            valid = problem.space.validate(params)
            measurement = problem.check(value if isinstance(value, Measurement) else Measurement(value))
        except (InvalidParameters, InvalidMeasurement) as error:
            raise type(error)(f"row {i}: {error}") from None
        new.append(NewTrial(valid, decision, measurement, now, now))
    if not new:
        return []
    try:
        with study.change() as current:
            numbers = [record.number for record in write_trials(current, study.mirror, new)]
            idempotency.leave(current, receipt, numbers=numbers)
    except idempotency.AlreadyDone as before:
        return list(before.data["numbers"])
    return numbers


@dataclass(frozen=True, slots=True)
class Readable:
    """Rows that fit a problem, and the others: (row number, why). ``excluded``: why, by position among the rows;
    ``notes``: what people wrote beside them."""

    rows: tuple[tuple[Params, Measurement], ...]
    left_out: tuple[tuple[int, str], ...]
    excluded: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)


def from_optuna(problem: Problem, study: Any) -> Readable:  # Any: an ``optuna.Study``, not imported here
    """Return the finished trials of a study of Optuna's that fit ``problem``.

    Values are taken in order; Optuna's constraints are differences to limits and cannot be turned back, so outcome
    constraints are taken from user attributes of their names.
    """
    names = [c.name for c in problem.constraints]
    finished = (t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE" and t.values)
    rows = []
    for trial in finished:
        measured = {name: trial.user_attrs[name] for name in names if name in trial.user_attrs}
        rows.append(Result(trial.number, trial.params, {"values": trial.values, "constraints": measured}))
    return _fitting(problem, rows)


def from_csv(problem: Problem, path: str | Path) -> Readable:
    """Return the rows of a CSV file that fit ``problem``; columns are named as parameters, objectives and constraints.

    An empty cell is an inactive parameter, any other column a metric. Raises InvalidMeasurement when a column of an
    objective is missing.
    """
    return _fitting(problem, read_csv(problem, path))


def _fitting(problem: Problem, found: Iterable[Result]) -> Readable:
    rows, left_out, excluded, notes = [], [], {}, {}
    for result in found:
        try:
            valid = problem.space.validate(result.params)
            measurement = problem.check(Measurement(**result.measured))
            note = checked_note(result.note)
        except InvalidInput as error:
            left_out.append((result.line, str(error)))
            continue
        if result.excluded:
            excluded[len(rows)] = result.excluded
        if note:
            notes[len(rows)] = note
        rows.append((valid, measurement))
    return Readable(tuple(rows), tuple(left_out), excluded, notes)
