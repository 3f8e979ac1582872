"""A study's trials as comma-separated values, and such a table as results again: nothing measured is lost between.

A column has the plain name of what it holds. Where two things share a name, or it is one of the remarks', the name
gets a prefix (``parameter:loss``, ``objective:loss``); tables written by hand need one only there. A choice is written
as people would, unless that could be read as another choice of its parameter: then as JSON.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from ...evaluators.errors import InvalidMeasurement
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.parameters import Categorical, Parameter
from ...evaluators.text_files import number_or_text, read_text

REMARKS = ("number", "state", "source", "verdict", "why", "hypothesis", "failure", "excluded")
"""Columns that say how a trial came about; an import reads ``excluded`` of them."""
PREFIXES = ("parameter:", "objective:", "constraint:", "metric:", "sem:", "measurement:", "trial:")
NOTE = "trial:note"
PRICES = ("seconds", "cost")

Row = Mapping[str, Any]  # Any: cells as text, or JSON-ready data of a trial


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a table: ``line`` in the file, parameters, arguments of a Measurement, why it is excluded, its note."""

    line: int
    params: Mapping[str, Any]
    measured: Mapping[str, Any]
    excluded: str = ""
    note: str = ""


def write_csv(file: TextIO, problem: Problem, rows: Sequence[Row]) -> None:
    """Write one line per trial (``TrialRecord.to_dict``); inverse of ``read_csv`` where a trial is finished."""
    table = _Table(problem)
    cells = [table.cells(row) for row in rows]
    first = ["number", "state", *(h for (kind, _), h in table.headers.items() if kind != "constraint")]
    keys = dict.fromkeys(key for row in cells for key in row)
    columns = [c for c in first if c in keys or c in REMARKS] + [c for c in keys if c not in first]
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)


def read_csv(problem: Problem, path: str | Path) -> list[Result]:
    """Return the lines of a table, not yet checked against ``problem``.

    An empty cell is an inactive parameter or no value; a column of another name is a metric. Raises InvalidMeasurement
    when an objective has no column, or a column could be a parameter or an objective, InvalidSpecification for what is no text.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        columns = _Table(problem).found_in(str(path), [c for c in reader.fieldnames or () if c])
        return [columns.result(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InvalidMeasurement(f"{str(path)!r} is no table, at line {reader.line_num}: {error}.") from None


class _Table:
    """The columns that a problem's trials need."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.parameters = {p.name: _Cells(p) for p in problem.space.parameters}

    @cached_property
    def headers(self) -> dict[tuple[str, str], str]:
        """Header of each (kind, name)."""
        pairs = [
            *(("parameter", p) for p in self.parameters),
            *(("objective", o.name) for o in self.problem.objectives),
            *(("constraint", c.name) for c in self.problem.constraints),
        ]
        uses = Counter([*REMARKS, *(name for _, name in pairs)])
        plain = {n for n, count in uses.items() if count == 1 and not n.startswith(PREFIXES)}
        return {(kind, n): n if n in plain else f"{kind}:{n}" for kind, n in pairs}

    def cells(self, row: Row) -> dict[str, Any]:
        """Return one trial as cells by header."""
        ending = row["ending"] or {}
        cells = {"number": row["number"], "state": row["state"]}
        for name, value in row["params"].items():
            cells[self.headers["parameter", name]] = self.parameters[name].text(value)
        names = [o.name for o in self.problem.objectives]
        cells |= {self.headers["objective", n]: v for n, v in zip(names, row["values"] or (), strict=False)}
        cells |= {
            self.headers.get(("constraint", n), f"constraint:{n}"): v
            for n, v in ending.get("constraints", {}).items()
        }
        cells |= {f"sem:{n}": v for n, v in zip(names, ending.get("sem", ()), strict=False)}
        cells |= {f"measurement:{n}": ending[n] for n in PRICES if n in ending}
        remarks = {
            "source": row["source"],
            "verdict": row["verdict"],
            "why": row["reason"],
            "hypothesis": row["hypothesis"],
            "failure": ending.get("reason", ""),
            "excluded": row["excluded"] or "",
        }
        if row["note"]:
            cells[NOTE] = row["note"]
        cells |= {n: text.replace("\r\n", "\n").replace("\r", "\n") for n, text in remarks.items()}
        return cells | {self._metric(n): _metric_text(v) for n, v in ending.get("metrics", {}).items()}

    def _metric(self, name: str) -> str:
        names = {*REMARKS, *(n for _, n in self.headers)}
        plain = name and name.isprintable() and name not in names and not name.startswith(PREFIXES)
        return name if plain else "metric:" + json.dumps(name)

    def found_in(self, path: str, columns: Sequence[str]) -> "_FoundColumns":
        """Return where each thing stands in a table with these columns."""
        prefixed = {key: h for key, h in self.headers.items() if h in columns}
        bare = {key: key[1] for key in self.headers if key not in prefixed and key[1] in columns}
        for kind, name in list(bare):
            if kind == "objective" and ("parameter", name) in bare:
                raise InvalidMeasurement(
                    f"{path!r}: {name!r} is a parameter and an objective; call the columns "
                    f"'parameter:{name}' and 'objective:{name}'."
                )
            if kind == "constraint" and name in self.parameters:
                del bare[kind, name]
        columns_by_key = prefixed | bare
        names = [o.name for o in self.problem.objectives]
        missing = [n for n in names if ("objective", n) not in columns_by_key]
        if missing:
            raise InvalidMeasurement(
                f"{path!r} needs a column for each objective, {missing!r} is missing; it has {sorted(columns)!r}."
            )
        extra = {f"sem:{n}" for n in names} | {f"measurement:{n}" for n in PRICES} | {*REMARKS, NOTE}
        metrics = {c: _metric_name(c) for c in columns if c not in extra and c not in columns_by_key.values()}
        return _FoundColumns(self, columns_by_key, metrics)


@dataclass(frozen=True)
class _FoundColumns:
    table: _Table
    found: Mapping[tuple[str, str], str]
    metrics: Mapping[str, str]

    def result(self, line: int, row: Row) -> Result:
        """Return one line as parameters and arguments of a Measurement."""
        texts = {key: row[h] for key, h in self.found.items() if row.get(h) not in (None, "")}
        cells = {
            n: c.value(texts["parameter", n])
            for n, c in self.table.parameters.items()
            if ("parameter", n) in texts
        }
        names = [o.name for o in self.table.problem.objectives]
        sem = [number_or_text(row.get(f"sem:{n}") or "") for n in names]
        measured: dict[str, Any] = {
            "values": [number_or_text(texts.get(("objective", n), "")) for n in names],
            "constraints": {
                n: number_or_text(cell) for (kind, n), cell in texts.items() if kind == "constraint"
            },
            "metrics": {n: _metric_value(row[c]) for c, n in self.metrics.items() if row.get(c)},
        }
        if "" not in sem:
            measured["sem"] = sem
        measured |= {n: number_or_text(cell) for n in PRICES if (cell := row.get(f"measurement:{n}"))}
        remark = "" if "excluded" in self.found.values() else row.get("excluded") or ""
        return Result(line, cells, measured, remark, row.get(NOTE) or "")


class _Cells:
    """How the values of one parameter are written and read."""

    def __init__(self, parameter: Parameter) -> None:
        self._choices: dict[str, Any] = {}
        if isinstance(parameter, Categorical):
            texts = [str(c) for c in parameter.choices]
            clear = len(set(texts)) == len(texts) and all(t and t.isprintable() for t in texts)
            written = texts if clear else [json.dumps(c) for c in parameter.choices]
            self._choices = dict(zip(written, parameter.choices, strict=True))
        self._texts = {json.dumps(c): text for text, c in self._choices.items()}

    def text(self, value: Any) -> str:
        """Return a canonical value as a cell."""
        return self._texts[json.dumps(value)] if self._choices else repr(value)

    def value(self, cell: str) -> Any:
        """Return the value of a cell; where it was written by hand, the choice it can only mean."""
        if not self._choices:
            return number_or_text(cell)
        if cell in self._choices:
            return self._choices[cell]
        same = [c for c in self._choices.values() if str(c) == cell]
        if len(same) == 1:
            return same[0]
        plain = _json_value(cell)
        return cell if isinstance(plain, list | dict) else plain


def _metric_text(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value and _json_value(value) == value:
        return value
    return json.dumps(value)


def _metric_value(cell: str) -> Any:
    plain = _json_value(cell)
    return cell if isinstance(plain, list | dict) else plain


def _metric_name(column: str) -> str:
    if not column.startswith("metric:"):
        return column
    name = _json_value(column.removeprefix("metric:"))
    return name if isinstance(name, str) else column.removeprefix("metric:")


def _json_value(text: str) -> Any:
    """Return what a text means as JSON; the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
