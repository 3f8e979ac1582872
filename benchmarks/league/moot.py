"""MOOT's tables: read, score by distance to the ideal, and search as a listed space.

A row is one measured configuration. Columns ending in ``+`` are maximized, in ``-`` minimized, in ``X`` ignored; the
rest are parameters. The distance of a row is the root mean square, over goals scaled to [0, 1], of what it lacks to
the ideal: 0 is the best conceivable. Knows nothing of optimizers. Source: github.com/timm/moot.
"""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from problems.base import Case, Outcome

import trialogue as tl
from trialogue.evaluators.targets.replay import Replay

from .suite import Params, Task

Cell = float | str
OBJECTIVE = "distance to ideal"


def cell(value: Any) -> Cell:
    """Return a value in the one form in which equal cells are equal: a number where it is one, else its text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value).strip()


def plain(name: str) -> str:
    """Return a column's name without blanks, as some published runs write it."""
    return name.replace(" ", "")


@dataclass(frozen=True)
class Table:
    """One task: columns by plain name, rows of cells, the distance (n,) of each row."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    distance: np.ndarray
    _lookups: dict[tuple[str, ...], dict[tuple[Cell, ...], list[int]]] = field(
        default_factory=dict, repr=False
    )

    @property
    def parameters(self) -> list[str]:
        """Names of the columns that are neither goals nor ignored."""
        return [c for c in self.columns if c[-1] not in "+-X"]

    def score(self, params: Mapping[str, Any]) -> float | None:
        """Return the regret of a configuration, 0 for the best row and 1 for the mean row; None where no row has it.

        Where several rows have these values, their mean counts.
        """
        values = {plain(k): cell(v) for k, v in params.items()}
        names = tuple(c for c in self.columns if c in values)
        if not names or len(names) < len(values):
            return None
        numbers = self._lookup(names).get(tuple(values[n] for n in names))
        return None if numbers is None else float(self.regret(self.distance[numbers].mean()))

    def regret(self, distance: Any) -> Any:
        """Return distances on the scale on which the best row is 0 and the mean row 1."""
        best, mean = self.distance.min(), self.distance.mean()
        return (distance - best) / (mean - best)

    def _lookup(self, names: tuple[str, ...]) -> dict[tuple[Cell, ...], list[int]]:
        if names not in self._lookups:
            places, numbers = [self.columns.index(n) for n in names], dict[tuple[Cell, ...], list[int]]()
            for number, row in enumerate(self.rows):
                numbers.setdefault(tuple(row[p] for p in places), []).append(number)
            self._lookups[names] = numbers
        return self._lookups[names]

    def replay(self) -> Replay:
        """Return the table as a listed space with one objective, the distance; an unknown cell (``?``) is a choice."""
        places = [(name, self.columns.index(name)) for name in self.parameters]
        rows: list[dict[str, Any]] = [
            {**{name: row[p] for name, p in places}, OBJECTIVE: float(d)}
            for row, d in zip(self.rows, self.distance, strict=True)
        ]
        return Replay.of_rows(rows, objectives=[tl.Objective(OBJECTIVE, "minimize")], name=self.name)

    def task(self, marks: tuple[int, ...]) -> Task:
        """Return the table as a task that starts, like the published runs, from a row drawn at random."""
        replay = self.replay()
        space = replay.problem.space

        def evaluate(params: Params) -> Outcome:
            return Outcome(replay.rows[space.key(params)][0].result[OBJECTIVE])

        def regret(params: Params) -> float:
            return self.score(params) or 0.0

        def first(seed: int) -> Params:
            return space.sample(np.random.default_rng([seed, 18]), 1)[0]

        return Task("moot", Case(replay.problem, "moot", evaluate), regret, marks, first, listed=True)


def read(path: Path) -> Table | None:
    """Return a table; None where it has no goal, no parameter, or all rows are equally good."""
    csv.field_size_limit(2**30)
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *lines = csv.reader(file)
    columns = [plain(c) for c in header]
    goals = [i for i, c in enumerate(columns) if c[-1:] in ("+", "-")]
    rows = [[cell(v) for v in line] for line in lines if len(line) == len(columns)]
    rows = [row for row in rows if all(isinstance(row[i], float) for i in goals)]
    if not goals or not rows or all(c[-1:] in ("+", "-", "X") for c in columns):
        return None
    Y = np.array([[row[i] for i in goals] for row in rows], float)
    distance = distances(Y, np.array([columns[i][-1] == "+" for i in goals]))
    return Table(path.stem, columns, rows, distance) if np.ptp(distance) > 0 else None


def distances(Y: np.ndarray, maximized: np.ndarray) -> np.ndarray:
    """Return the distance to the ideal (n,) of rows of goals Y (n, k)."""
    low, high = Y.min(0), Y.max(0)
    scaled = (Y - low) / np.where(high > low, high - low, 1.0)
    return np.sqrt(((scaled - maximized) ** 2).mean(1))


def paths(data: Path) -> list[Path]:
    """Return the files of the tables in a folder, in an order that depends on their names alone."""
    return sorted(data.glob("optimize/**/*.csv"), key=lambda p: hashlib.sha256(p.stem.encode()).hexdigest())


def subset(files: Sequence[Path], number: int, *, seed: int, max_rows: int) -> list[Table]:
    """Return ``number`` tables of at most ``max_rows`` rows, drawn by ``seed`` before anything is measured."""
    order = np.random.default_rng(seed).permutation(len(files))
    tables: list[Table] = []
    for i in order:
        table = read(files[i]) if len(tables) < number else None
        if table is not None and len(table.rows) <= max_rows:
            tables.append(table)
    return tables
