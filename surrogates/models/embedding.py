"""Where configurations stand for a kernel: a Euclidean embedding of mixed and conditional spaces.

A stationary kernel on this embedding is positive definite, whatever the space holds:
an unconditional number stands at itself; a conditional number on an arc of radius 1 around the place "inactive"
(both inactive: distance 0; one inactive: distance 1, wherever the other stands); an unordered choice at a corner of a
simplex with edges of length 1. Every parameter is one group with a lengthscale of its own.

Notation: X (n, d), active (n, d) as in contracts · Z (n, p) embedded rows, p >= d · group (p,) parameter of
each column.
Source: the arc kernel of Swersky et al. 2013 ("Raiders of the lost architecture"), with the angle equal to x.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...evaluators.spaces.space import SearchSpace


@dataclass(frozen=True)
class Embedding:
    """The embedding of one space. Cheap: build it once per engine."""

    space: SearchSpace

    @cached_property
    def conditional(self) -> np.ndarray:
        """Which parameters can be inactive, (d,) bool."""
        return np.array([p.when is not None for p in self.space.parameters], bool)

    @cached_property
    def choices(self) -> np.ndarray:
        """Number of unordered choices per parameter, 0 for numbers, (d,) int."""
        return np.where(self.space.is_categorical, self.space.levels, 0).astype(int)

    @cached_property
    def group(self) -> np.ndarray:
        """Which parameter each embedded column belongs to, (p,) int."""
        return grouped(self.choices, self.conditional)

    def embed(self, X: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Return the embedded rows Z, (n, p)."""
        return embed_columns(X, active, self.choices, self.conditional)

    def invert(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return X (n, d) and active (n, d) of embedded rows; inverse of ``embed``."""
        X, active = np.full((len(Z), len(self.choices)), 0.5), np.ones((len(Z), len(self.choices)), bool)
        for j, k in enumerate(self.choices):
            part = Z[:, self.group == j]
            if k > 0:
                active[:, j] = part.any(axis=1)
                X[:, j] = np.where(active[:, j], (np.argmax(part, axis=1) + 0.5) / k, 0.5)
            elif self.conditional[j]:
                active[:, j] = part.any(axis=1)
                X[:, j] = np.where(active[:, j], np.arctan2(part[:, 1], part[:, 0]), 0.5)
            else:
                X[:, j] = part[:, 0]
        return X, active

    def eccentricity(self, Z: np.ndarray) -> np.ndarray:
        """Return how far embedded rows are from the centre, (n,): mean of (2x - 1)^2 over numbers, 1 at corners."""
        total, numbers = np.zeros(len(Z)), 0
        for j, k in enumerate(self.choices):
            columns = np.flatnonzero(self.group == j)
            if k > 0:
                continue
            numbers += 1
            if len(columns) == 1:
                total += (2.0 * Z[:, columns[0]] - 1.0) ** 2
            else:
                cosine, sine = Z[:, columns[0]], Z[:, columns[1]]
                total += np.where(cosine > 0, (2.0 * np.arctan2(sine, cosine) - 1.0) ** 2, 1.0 / 3.0)
        return total / max(numbers, 1)

    def numbers(self, Z: np.ndarray) -> np.ndarray:
        """Return the numbers of embedded rows from -1 to 1, 0 where inactive, (n, number of numbers)."""
        X, active = self.invert(Z)
        return np.where(active, 2.0 * X - 1.0, 0.0)[:, self.choices == 0]

    def chosen(self, Z: np.ndarray) -> np.ndarray:
        """Return which choices are made, over the root of the number of their parameters (n, number of choices)."""
        columns = (self.choices > 0)[self.group]
        return Z[:, columns] * np.sqrt(2.0 / max(np.count_nonzero(self.choices), 1))

    def squared_distances(self, Z: np.ndarray) -> np.ndarray:
        """Return D (d, n, n): squared distance per parameter between all pairs of rows."""
        D = np.zeros((len(self.choices), len(Z), len(Z)))
        for column, j in enumerate(self.group):
            difference = Z[:, column, None] - Z[None, :, column]
            D[j] += difference * difference
        return D


def embed_columns(
    X: np.ndarray, active: np.ndarray, choices: np.ndarray, conditional: np.ndarray
) -> np.ndarray:
    """Return the embedded rows Z (n, p) of d columns, of which ``choices`` (d,) says the number of unordered choices, 0 for
    a number, and ``conditional`` (d,) which can be inactive."""
    columns: list[np.ndarray] = []
    for j, k in enumerate(choices):
        x, on = X[:, j], active[:, j]
        if k > 0:
            index = np.clip((x * k).astype(int), 0, k - 1)
            columns.extend(((index == i) & on) * np.sqrt(0.5) for i in range(k))
        elif conditional[j]:
            columns.extend([np.cos(x) * on, np.sin(x) * on])
        else:
            columns.append(x)
    return np.stack(columns, axis=1) if columns else np.empty((len(X), 0))


def grouped(choices: np.ndarray, conditional: np.ndarray) -> np.ndarray:
    """Return which of d columns each embedded column belongs to, (p,)."""
    return np.repeat(np.arange(len(choices)), np.where(choices > 0, choices, np.where(conditional, 2, 1)))
