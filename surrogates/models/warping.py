"""Input warping: numbers whose scale was stated badly are stretched where the objective changes fast, if the rows show it.

Every unconditional number is mapped by a Kumaraswamy distribution function, 1 - (1 - x^a)^b, with (a, b) out of a few; a map
is taken when it raises the log posterior of the rows by ``GAIN``. Knows nothing of outcomes.

Notation: as in gp.py. Source: Snoek et al. 2014 ("Input warping for Bayesian optimization of non-stationary functions").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from .gp import Task, log_posterior

SHAPES = ((0.5, 1.0), (1.0, 0.5), (2.0, 1.0), (1.0, 2.0))
"""(a, b): stretched at the low end, at the high end, squeezed at the low end, at the high end."""

GAIN = 2.0
"""Nats by which a map must raise the log posterior."""


def identity(Z: np.ndarray) -> np.ndarray:
    """Return the rows as they are."""
    return Z


@dataclass(frozen=True)
class Warp:
    """Maps embedded rows to embedded rows; ``shapes``: (a, b) by embedded column, the identity elsewhere."""

    shapes: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the warped rows (n, p)."""
        if not self.shapes:
            return Z
        out = Z.copy()
        for column, shape in self.shapes.items():
            out[:, column] = warped(Z[:, column], shape)
        return out


def warped(x: np.ndarray, shape: tuple[float, float]) -> np.ndarray:
    """Return 1 - (1 - x^a)^b for x in [0, 1]."""
    a, b = shape
    return 1.0 - (1.0 - np.clip(x, 0.0, 1.0) ** a) ** b


def choose_warp(
    task: Task, theta: np.ndarray, Z: np.ndarray, columns: Mapping[int, int]
) -> tuple[Warp, Task]:
    """Return the warp that the rows support, column by column, and the task with its distances.

    ``columns``: the parameter of each embedded column that may be warped. theta is held.
    """
    shapes: dict[int, tuple[float, float]] = {}
    level = log_posterior(theta, task)
    for column, j in columns.items():
        variants = [(shape, _moved(task, j, warped(Z[:, column], shape))) for shape in SHAPES]
        levels = [log_posterior(theta, t) for _, t in variants]
        best = int(np.argmax(levels))
        if levels[best] > level + GAIN:
            level, shapes[column], task = levels[best], *variants[best]
    return Warp(shapes), task


def _moved(task: Task, j: int, x: np.ndarray) -> Task:
    """Return the task with the squared distances of parameter j those of x (n,)."""
    D = task.D.copy()
    D[j] = (x[:, None] - x[None, :]) ** 2
    return replace(task, D=D)
