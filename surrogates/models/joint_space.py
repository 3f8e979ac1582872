"""Where the configurations of several studies stand together, though their spaces only overlap.

Numbers stand where this study's range has them, inside it or not; unordered choices are those of all studies; what a study
lacks is inactive in its rows, as a conditional parameter is, so that a kernel's lengthscale says how much that means.

Notation: Z (n, p) embedded rows · g columns: this study's parameters, then those that only others have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...evaluators.problems.history import Params, Value
from ...evaluators.spaces.parameters import Categorical, Parameter
from ...evaluators.spaces.space import SearchSpace
from .embedding import embed_columns, grouped

BEYOND = 0.5
"""How far outside this study's range, in units of it, a trial of an earlier study is near."""

Sense = tuple[str, object]
"""A choice by what it means: True, 1 and "1" are three."""


@dataclass(frozen=True)
class JointSpace:
    """This study's parameters, then those that only earlier studies have, as columns of one embedding.

    ``choices``: of each column the unordered choices of all studies, none for numbers. ``conditional``: which columns are
    absent somewhere.
    """

    space: SearchSpace
    others: tuple[Parameter, ...]
    choices: tuple[tuple[Sense, ...], ...]
    conditional: np.ndarray

    @classmethod
    def of(cls, space: SearchSpace, earlier: Sequence[tuple[SearchSpace, Sequence[Params]]]) -> "JointSpace":
        """Return the union of the spaces of this study and of earlier ones, of which the trials are given too."""
        parameters = [p for other, _ in earlier for p in other.parameters]
        others = {p.name: p for p in parameters if p.name not in space}
        every = (*space.parameters, *others.values())
        choices = []
        for p in every:
            alike = [
                q
                for q in (p, *parameters)
                if q.name == p.name and isinstance(q, Categorical) and _is_unordered(p)
            ]
            choices.append(tuple(dict.fromkeys(_sense(c) for q in alike for c in q.choices)))
        joint = cls(space, tuple(others.values()), tuple(choices), np.zeros(len(every), bool))
        absent = np.array([p.when is not None or p.name in others for p in every], bool)
        for _, params in earlier:
            absent |= ~joint.placed(params)[1].all(axis=0)
        return replace(joint, conditional=absent)

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of unordered choices of each column, 0 for numbers, (g,)."""
        return np.array([len(c) for c in self.choices], int)

    @cached_property
    def group(self) -> np.ndarray:
        """Which column each embedded column belongs to, (p,)."""
        return grouped(self.counts, self.conditional)

    def placed(self, params: Sequence[Params]) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates and activity (n, g) of configurations of any study."""
        every = (*self.space.parameters, *self.others)
        X, active = np.full((len(params), len(every)), 0.5), np.zeros((len(params), len(every)), bool)
        for j, (p, choices) in enumerate(zip(every, self.choices, strict=True)):
            for i, configuration in enumerate(params):
                place = (
                    self._coordinate(p, choices, configuration[p.name]) if p.name in configuration else None
                )
                if place is not None:
                    X[i, j], active[i, j] = place, True
        return X, active

    def _coordinate(self, p: Parameter, choices: tuple[Sense, ...], value: Value) -> float | None:
        if not choices:
            return _place(p, value)
        return (choices.index(_sense(value)) + 0.5) / len(choices) if _sense(value) in choices else None

    def of_this(self, X: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Return embedded rows (n, p) of this study's coordinates."""
        rows, on = np.full((len(X), len(self.choices)), 0.5), np.zeros((len(X), len(self.choices)), bool)
        on[:, : X.shape[1]] = active
        for j, p in enumerate(self.space.parameters):  # this study's choices come first among all
            rows[:, j] = X[:, j] * (p.levels / self.counts[j] if self.choices[j] else 1.0)
        return embed_columns(rows, on, self.counts, self.conditional)

    def of_earlier(self, params: Sequence[Params]) -> np.ndarray:
        """Return embedded rows (n, p) of an earlier study's configurations."""
        return embed_columns(*self.placed(params), self.counts, self.conditional)


def is_near(space: SearchSpace, params: Params) -> bool:
    """Whether every number that the space knows lies within its range or ``BEYOND`` it."""
    places = [
        _place(p, params[p.name]) for p in space.parameters if p.name in params and not _is_unordered(p)
    ]
    return all(u is None or -BEYOND <= u <= 1 + BEYOND for u in places)


def _is_unordered(parameter: Parameter) -> bool:
    return isinstance(parameter, Categorical) and not parameter.ordered


def _place(parameter: Parameter, value: Value) -> float | None:
    """Return the coordinate of a value on a parameter's scale, also beyond its range; None where it has no place."""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if not isinstance(parameter, Categorical):
        return None if number is None else float(parameter.encode([number])[0])
    senses = [_sense(c) for c in parameter.choices]
    if _sense(value) in senses:
        return (senses.index(_sense(value)) + 0.5) / len(senses)
    numbers = [float(c) for c in parameter.choices if isinstance(c, int | float)]
    if number is None or len(numbers) < len(senses) or np.any(np.diff(numbers) <= 0):
        return None
    return float(np.interp(number, numbers, (np.arange(len(numbers)) + 0.5) / len(numbers)))


def _sense(value: object) -> Sense:
    """Return a choice so that True, 1 and "1" are three."""
    return (type(value).__name__ if isinstance(value, bool | str) else "", value)
