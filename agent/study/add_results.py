"""Results from elsewhere into a study: many at once, from another Optuna study, from a table of comma-separated
values."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...evaluators.errors import InvalidMeasurement, InvalidParameters
from ...evaluators.problems.history import Params
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ..contracts import Decision
from ..ledger import idempotency
from ..ledger.claims import NewTrial, write_trials
from ..ledger.database import Database
from ..ledger.ledger import StoredStudy
from ..ledger.transaction import change
from ..optuna.mirror import OptunaRows
from ..views.csv_trials import Result, read_csv


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
    """Rows that fit a problem, and the others: (row number, why). ``excluded``: why, by position among the rows."""

    rows: tuple[tuple[Params, Measurement], ...]
    left_out: tuple[tuple[int, str], ...]
    excluded: Mapping[int, str] = field(default_factory=dict)


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
            results = {"values": trial.values, "constraints": measured}
            found.append(Result(trial.number, trial.params, results))
    return _fitting(problem, found)


def from_csv(problem: Problem, path: str | Path) -> Readable:
    """Return the rows of a CSV file that fit ``problem``; columns are named as parameters, objectives and constraints.

    An empty cell is an inactive parameter, any other column a metric. Raises InvalidMeasurement when a column of an
    objective is missing.
    """
    return _fitting(problem, read_csv(problem, path))


def _fitting(problem: Problem, found: Iterable[Result]) -> Readable:
    rows, left_out, excluded = [], [], {}
    for result in found:
        try:
            valid = problem.space.validate(result.params)
            measurement = problem.check(Measurement(**result.measured))
        except (InvalidParameters, InvalidMeasurement) as error:
            left_out.append((result.line, str(error)))
            continue
        if result.excluded:
            excluded[len(rows)] = result.excluded
        rows.append((valid, measurement))
    return Readable(tuple(rows), tuple(left_out), excluded)
