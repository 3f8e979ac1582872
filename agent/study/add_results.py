"""Results from elsewhere into a study: many at once, from another Optuna study, from a table of comma-separated
values."""

import csv
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluators.errors import InvalidMeasurement, InvalidParameters
from ...evaluators.problems.history import Params
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.parameters import Categorical
from ..contracts import Decision
from ..ledger import idempotency
from ..ledger.claims import NewTrial, write_trials
from ..ledger.database import Database
from ..ledger.ledger import StoredStudy
from ..ledger.transaction import change
from ..optuna.mirror import OptunaRows


def add_many(
    database: Database,
    stored: StoredStudy,
    optuna_rows: OptunaRows,
    rows: "Iterable[tuple[Params, float | Sequence[float] | Measurement]]",
    source: str = "user",
    receipt: str | None = None,
) -> list[int]:
    """Record finished results in one transaction; return their numbers. The error for a bad row says which."""
    done = idempotency.found(database, receipt)
    if done is not None:
        return list(done["numbers"])
    decision = Decision({}, source, "added from elsewhere", "added")
    now = time.time()
    new = []
    for i, (params, value) in enumerate(rows):
        try:
            valid = stored.problem.space.validate(params)
            measurement = stored.problem.check(
                value if isinstance(value, Measurement) else Measurement(value)
            )
        except (InvalidParameters, InvalidMeasurement) as error:
            raise type(error)(f"row {i}: {error}") from None
        new.append(NewTrial(valid, decision, measurement, now, now))
    if not new:
        return []
    try:
        with change(database, stored.study_id) as current:
            numbers = write_trials(current, stored.problem, optuna_rows, new)
            idempotency.leave(current, receipt, numbers=numbers)
    except idempotency.AlreadyDone as before:
        return list(before.data["numbers"])
    return numbers


@dataclass(frozen=True, slots=True)
class Readable:
    """Rows that fit a problem, and the others: (row number, why)."""

    rows: tuple[tuple[Params, Measurement], ...]
    left_out: tuple[tuple[int, str], ...]


def from_optuna(problem: Problem, study_name: str, storage: str) -> Readable:
    """Return the finished trials of a plain Optuna study that fit ``problem``.

    Values are taken in order; Optuna's constraints are differences to limits and cannot be turned back, so outcome
    constraints are taken from user attributes of their names.
    """
    import optuna

    trials = optuna.load_study(study_name=study_name, storage=storage).get_trials(deepcopy=False)
    wanted = [c.name for c in problem.constraints]
    found = []
    for trial in trials:
        if trial.state == optuna.trial.TrialState.COMPLETE and trial.values is not None:
            measured = {name: trial.user_attrs[name] for name in wanted if name in trial.user_attrs}
            found.append((trial.number, trial.params, trial.values, measured))
    return _fitting(problem, found)


def from_csv(problem: Problem, path: str | Path) -> Readable:
    """Return the rows of a CSV file that fit ``problem``; columns are named as parameters, objectives and constraints.

    An empty cell is an inactive parameter. Raises InvalidMeasurement when a column of an objective is missing.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        missing = [o.name for o in problem.objectives if o.name not in columns]
        if missing:
            raise InvalidMeasurement(
                f"{str(path)!r} needs a column for each objective, {missing!r} is missing; it has {sorted(columns)!r}."
            )
        found = [(i, *_split(problem, row)) for i, row in enumerate(reader, start=2)]
    return _fitting(problem, found)


def _split(problem: Problem, row: Mapping[str, str]) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    params = {p.name: _read(p, row[p.name]) for p in problem.space.parameters if row.get(p.name, "") != ""}
    values = [_number(row[o.name]) for o in problem.objectives]
    measured = {c.name: _number(row[c.name]) for c in problem.constraints if row.get(c.name, "") != ""}
    return params, values, measured


def _read(parameter: Any, text: str) -> Any:  # Any: the three kinds of parameters
    if isinstance(parameter, Categorical):
        return next((choice for choice in parameter.choices if str(choice) == text), text)
    return _number(text)


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "e" not in text.lower() and "." not in text else number


def _fitting(
    problem: Problem, found: Iterable[tuple[int, Params, Sequence[Any], Mapping[str, Any]]]
) -> Readable:
    rows, left_out = [], []
    for number, params, values, measured in found:
        try:
            valid = problem.space.validate(params)
            rows.append((valid, problem.check(Measurement(values, constraints=measured))))
        except (InvalidParameters, InvalidMeasurement) as error:
            left_out.append((number, str(error)))
    return Readable(tuple(rows), tuple(left_out))
