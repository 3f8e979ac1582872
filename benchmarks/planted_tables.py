"""MOOT's tables as problems with a known optimum: what ``no_harm.py`` needs to script models on problems not our own.

A model near the optimum names the row nearest to a point drawn around the best row. Regret is 0 at the best row and 1 at
the mean row. The gate was never tuned on any of them.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from league import moot
from planted import Planted

import trialogue as tl


@dataclass(frozen=True)
class PlantedTable(Planted):
    """A table whose best row is the planted optimum; ``around`` draws rows."""

    table: moot.Table | None = None

    @cached_property
    def _task(self) -> Any:  # Any: league.suite.Task
        assert self.table is not None
        return self.table.task((30,))

    @cached_property
    def problem(self) -> tl.Problem:
        return self._task.case.problem

    def loss(self, params: Mapping[str, Any]) -> float:
        return float(self._task.regret(params))

    def value(self, params: Mapping[str, Any]) -> float:
        return float(self._task.case.evaluate(params).value)

    @cached_property
    def typical(self) -> float:
        return 1.0

    @cached_property
    def worst(self) -> dict[str, Any]:
        return max(self.space.sample(np.random.default_rng(1), 400), key=self.loss)

    def around(
        self, centre: Mapping[str, Any], sd: float, right: float
    ) -> Callable[[random.Random], dict[str, Any]]:
        draw = super().around(centre, sd, right)
        return lambda rng: dict(self.space.clip(draw(rng)))


def table_problems(data: Path, number: int, *, seed: int = 0, max_rows: int = 5_000) -> list[Planted]:
    """Return ``number`` tables drawn by ``seed`` before anything is measured; ``data`` holds MOOT's ``optimize/``."""
    made: list[Planted] = []
    for table in moot.subset(moot.paths(data), number, seed=seed, max_rows=max_rows):
        space = table.replay().problem.space
        row = table.rows[int(np.argmin(table.distance))]
        best = space.clip({n: row[table.columns.index(n)] for n in table.parameters})
        made.append(PlantedTable(table.name, space, lambda v: 0.0, best, {}, table=table))
    return made
