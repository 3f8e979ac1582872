"""A recorded table as a problem: what was measured once is looked up, and a simulated clock charges what it took.

A row is one measured configuration; repeated configurations are replicates, of which ``run.seed`` picks one. A
configuration that is not in the table is not in the space. Knows nothing of how the table was recorded. Format (CSV
with a header): one column per parameter (an empty cell is None, "not set"), one per objective and constraint, and
any of ``sem``, ``failed`` (the reason; its other results are empty), ``kind`` (of the failure), ``start_s`` and
``seconds`` (to start and to measure).
"""

import csv
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import EvaluationFailed, InvalidSpecification
from ..problems.problem import Constraint, Objective, Problem
from ..programs.results import measurement_of
from ..programs.run import Run
from ..spaces.parameters import Categorical, Choice, Parameter
from ..spaces.space import SearchSpace
from ..text_files import number_or_text

RESERVED = ("sem", "failed", "kind", "start_s", "seconds")


@dataclass
class SimulatedClock:
    """Seconds that evaluations would have taken. Safe to advance from several threads."""

    now_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.now_s += seconds


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded evaluation: what it returned or why it failed, and the seconds it took."""

    result: Mapping[str, Any]  # Any: as an evaluator returns it, see results.py
    start_s: float
    seconds: float


@dataclass(frozen=True)
class Replay:
    """A table that answers instead of an experiment; a callable for ``Study.run``. Made by ``read`` or ``of_rows``."""

    problem: Problem
    rows: Mapping[str, Sequence[Row]]
    """Recorded evaluations by the canonical key of their configuration, replicates in the order of the table."""
    clock: SimulatedClock = field(default_factory=SimulatedClock)

    @classmethod
    def read(cls, path: Path | str, **options: Any) -> "Replay":
        """Return the replay of a CSV file with a header; ``options``: those of ``of_rows``."""
        arguments: dict[str, Any] = {"name": Path(path).stem, **options}  # Any: of several types
        return cls.of_rows(_read(Path(path)), **arguments)

    @classmethod
    def of_rows(
        cls,
        table: Sequence[Mapping[str, Choice]],
        *,
        objectives: Sequence[Objective] | None = None,
        constraints: Sequence[Constraint | str] = (),
        parameters: Sequence[Parameter] | None = None,
        ignore: Sequence[str] = (),
        only: Mapping[str, Choice] | None = None,
        name: str = "replay",
        description: str = "",
    ) -> "Replay":
        """Return the replay of recorded rows; ``only``: take the rows that have these values in these columns.

        Columns that are no objective, constraint, reserved or ignored name and have more than one value are parameters:
        ordered choices where all values are numbers, else unordered ones. ``parameters`` overrides that (with scales,
        descriptions, conditions). Raises InvalidSpecification for a table that does not hold what is named.
        """
        outline = Problem(name, _PLACEHOLDER_SPACE, objectives, constraints, description)
        results = [o.name for o in outline.objectives] + [c.name for c in outline.constraints]
        _require(table, [*results, *(only or {})])
        rows_of_study = [row for row in table if all(row[k] == v for k, v in (only or {}).items())]
        if not rows_of_study:
            raise InvalidSpecification(
                f"`replay`: no row has {dict(only or {})!r}; look at the table for its values."
            )
        kinds = parameters or _kinds(rows_of_study, {*results, *RESERVED, *ignore})
        _require(table, [p.name for p in kinds])
        space = SearchSpace(kinds, allowed=[_configuration(row, kinds) for row in rows_of_study])
        rows: dict[str, list[Row]] = {}
        for row in rows_of_study:
            rows.setdefault(space.key(_configuration(row, kinds)), []).append(_recorded(row, results))
        return cls(Problem(name, space, outline.objectives, outline.constraints, description), rows)

    def __call__(self, params: Mapping[str, Any], run: Run) -> Any:
        """Return a recorded result of ``params``, and charge the clock. Raises EvaluationFailed where that was
        recorded."""
        replicates = self.rows[self.problem.space.key(self.problem.space.validate(params))]
        row = replicates[run.seed % len(replicates)]
        self.clock.advance(row.start_s + row.seconds)
        if "failed" in row.result:
            measurement_of(row.result, self.problem)  # raises the recorded failure
            raise EvaluationFailed("recorded as failed")
        return {**row.result, "seconds": row.start_s + row.seconds}


_PLACEHOLDER_SPACE = SearchSpace([Categorical("row", ["any"])])
"""Stands in while objectives and constraints are checked, before the columns are read."""


def _read(path: Path) -> tuple[Mapping[str, Choice], ...]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = tuple(reader.fieldnames or ())
            rows = tuple({k: _cell(v) for k, v in row.items()} for row in reader if _whole(path, reader, row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidSpecification(f"`replay`: {str(path)!r} cannot be read as CSV: {error}.") from None
    if not rows:
        raise InvalidSpecification(f"`replay`: {str(path)!r} has no rows; it needs a header and results.")
    if len(set(columns)) < len(columns):
        raise InvalidSpecification(f"`replay`: {str(path)!r} names a column twice: {', '.join(columns)}.")
    return rows


def _require(table: Sequence[Mapping[str, Choice]], names: Sequence[str]) -> None:
    columns = table[0] if table else {}
    for name in names:
        if name not in columns:
            raise InvalidSpecification(
                f"`replay`: the table has no column {name!r}; it has {', '.join(columns)}."
            )


def _kinds(rows: Sequence[Mapping[str, Choice]], others: set[str]) -> list[Parameter]:
    """Return the parameters of a table: its columns that are not ``others`` and vary."""
    columns = [c for c in rows[0] if c not in others]
    varying = [c for c in columns if len({(type(row[c]) is bool, row[c]) for row in rows}) > 1]
    if not varying:
        raise InvalidSpecification(
            f"`replay`: none of the columns {', '.join(columns)} varies; there is nothing to tune."
        )
    return [_choices([row[column] for row in rows], column) for column in varying]


def _whole(path: Path, reader: Any, row: Mapping[Any, Any]) -> bool:
    """Refuse a row with too few or too many cells."""
    if None in row or None in row.values():
        raise InvalidSpecification(
            f"`replay`: line {reader.line_num} of {str(path)!r} has not one cell per column."
        )
    return True


def _cell(text: str) -> Choice:
    """Return what a cell means: nothing, a truth value, a whole number, a number, or text."""
    text = text.strip()
    if text.lower() in {"", "true", "false"}:
        return {"": None, "true": True, "false": False}[text.lower()]
    return number_or_text(text)


def _choices(cells: Sequence[Choice], column: str) -> Categorical:
    """Return the parameter of a column: its values, in order where they are numbers."""
    values = list({(type(v) is bool, v): v for v in cells}.values())
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        return Categorical(column, sorted(numbers), ordered=True)
    if len({isinstance(v, bool) for v in values if v is not None}) > 1:
        values = list(dict.fromkeys(str(v) for v in values))
    return Categorical(column, sorted(values, key=lambda v: (v is None, str(v))))


def _configuration(row: Mapping[str, Choice], parameters: Sequence[Parameter]) -> dict[str, Choice]:
    """Return the parameters of a row; an empty cell is left out where None is no choice."""
    configuration = {}
    for parameter in parameters:
        value = row[parameter.name]
        choices = parameter.choices if isinstance(parameter, Categorical) else ()
        if value is not None or None in choices:
            configuration[parameter.name] = (
                str(value) if str(value) in choices and value not in choices else value
            )
    return configuration


def _recorded(row: Mapping[str, Choice], results: Sequence[str]) -> Row:
    start_s, seconds = (float(str(row.get(name) or 0)) for name in ("start_s", "seconds"))
    if row.get("failed") not in (None, False):
        return Row({"failed": str(row["failed"]), "kind": row.get("kind") or "crash"}, start_s, seconds)
    result = {name: row[name] for name in results}
    if row.get("sem") is not None:
        result["sem"] = row["sem"]
    return Row(result, start_s, seconds)
