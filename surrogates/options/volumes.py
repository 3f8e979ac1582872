"""Volume coding: every configuration of a discrete or tree-structured space is a box in the unit cube.

The decisions that lead to a configuration are its symbols. As in arithmetic coding each narrows an interval, in
proportion to its probability given the symbols before; as in a k-d tree the intervals of d axes take turns. The boxes
fill the cube, so that any point of it is a configuration, and points that are spread out are spread out over branches,
however many parameters a branch has. Exact: the ends of boxes are fractions. A continuous or long range is a box for
each 32nd of it, as in ``Decisions``.

Notation: d axes · a point (d,) of the unit cube · a step is a decision and the branch taken.
Source: Celotti, Brodeur & Rouat 2020, "AriEL: volume coding for sentence generation", where a language model gives the
probabilities.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from ...evaluators.errors import InvalidSpace
from ...evaluators.spaces.parameters import Categorical
from ...evaluators.spaces.space import Params, SearchSpace
from ...evaluators.trees.decisions import Decisions, Step
from ..optim.search import Domain

Weigh = Callable[[Sequence[Step], int, int], Sequence[Fraction]]
"""Given the steps so far, a parameter's index and the number of branches, returns the weight of each branch."""

Interval = tuple[Fraction, Fraction]

MOST_AXES = 8
MOST_STATES = 5_000
"""States of the count of configurations: beyond it the conditions of a space are too entangled to count."""

AHEAD = 64
"""Points of a design that are looked at for one that is allowed and new."""

BITS = 30
LOW_BITS = 62
"""Random bits below the first 30 of a coordinate, for what is decided late."""


def evenly(steps: Sequence[Step], i: int, branches: int) -> Sequence[Fraction]:
    """Weigh all branches alike, so that a large branch gets as much as a small one."""
    return [Fraction(1)] * branches


@dataclass
class ConfigurationCount:
    """Weigh branches by the number of configurations below them, which makes all boxes equal.

    What is continuous, or longer than 32 values, counts once: it divides a box. Raises InvalidSpace on use where there
    are too many conditions to count.
    """

    decisions: Decisions
    _counted: dict[tuple[object, ...], Fraction] = field(default_factory=dict, init=False, repr=False)
    _weights: dict[tuple[object, ...], list[Fraction]] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, steps: Sequence[Step], i: int, branches: int) -> Sequence[Fraction]:
        """Return the numbers of configurations below the branches."""
        place = (i, *steps)
        if place not in self._weights:
            x = np.full(len(self.decisions.space), 0.5)
            for j in dict.fromkeys(j for j, _ in steps):
                x[j] = self._middle(j, *self.decisions.left(steps, j))
            ranges = [self.decisions.left([*steps, (i, branch)], i) for branch in range(branches)]
            self._weights[place] = [self._sum(i, low, high, x) for low, high in ranges]
        return self._weights[place]

    def total(self) -> Fraction:
        """Return the number of configurations."""
        return self._below(0, np.full(len(self.decisions.space), 0.5))

    @cached_property
    def _last_child(self) -> np.ndarray:
        """The last parameter whose condition names each parameter, (n,); -1 where none does."""
        names = self.decisions.space.names
        children = [
            [k for k, p in enumerate(self.decisions.space.parameters) if name in (p.when or {})]
            for name in names
        ]
        return np.array([max(c, default=-1) for c in children])

    def _middle(self, j: int, low: int, high: int) -> float:
        values = self.decisions.values(j)
        parameter = self.decisions.space.parameters[j]
        if isinstance(parameter, Categorical) or not parameter.levels:
            return (low + high) / 2 / values
        return parameter.middle((low + high - 1) // 2)

    def _sum(self, i: int, low: int, high: int, x: np.ndarray) -> Fraction:
        """Return the configurations whose parameter i is one of the values low to high - 1, given x (n,) before it."""
        if self._last_child[i] < 0:
            total = (high - low) * self._below(i + 1, x)
        elif high - low > MOST_STATES:
            raise _too_many()
        else:
            each = []
            for value in range(low, high):
                y = x.copy()
                y[i] = self._middle(i, value, value + 1)
                each.append(self._below(i + 1, y))
            total = sum(each, Fraction(0))
        return total / self.decisions.values(i) if self.decisions.is_long(i) else total

    def _below(self, i: int, x: np.ndarray) -> Fraction:
        """Return the configurations of the parameters from i on, given x (n,) before them."""
        if i == len(x):
            return Fraction(1)
        state = (i, *x[:i][self._last_child[:i] >= i].tolist())
        if state not in self._counted:
            if len(self._counted) >= MOST_STATES:
                raise _too_many()
            active = self.decisions.space.activity(x[None, :])[0, i]
            whole = self._sum(i, 0, self.decisions.values(i), x) if active else self._below(i + 1, x)
            self._counted[state] = whole
        return self._counted[state]


def _too_many() -> InvalidSpace:
    return InvalidSpace(
        f"the conditions of this space leave more than {MOST_STATES} cases to count; put children next to their parents, "
        "or use strategy 'random'."
    )


@dataclass(frozen=True)
class VolumeCode:
    """Configurations as boxes of the unit cube of ``axes`` dimensions. Raises InvalidSpace for a listed space."""

    decisions: Decisions
    axes: int
    weigh: Weigh = evenly

    @classmethod
    def of(cls, space: SearchSpace, *, counted: bool) -> "VolumeCode":
        """Return the code of a space; ``counted``: with equal boxes, rather than with even branches."""
        decisions = Decisions(space)
        return cls(
            decisions, min(MOST_AXES, len(space)), ConfigurationCount(decisions) if counted else evenly
        )

    def box(self, params: Params) -> list[Interval]:
        """Return the interval of each axis: every point inside decodes to this configuration."""
        steps = self.decisions.steps(params)
        box = [(Fraction(0), Fraction(1))] * self.axes
        for depth, (i, branch) in enumerate(steps):
            axis = depth % self.axes
            box[axis] = self._split(steps[:depth], i, box[axis])[branch]
        return box

    def decode(self, point: Sequence[Fraction], rng: np.random.Generator) -> np.ndarray:
        """Return the row (n,) of the configuration in whose box a point (d,) lies; ``rng``: the place in a long range."""
        box = [(Fraction(0), Fraction(1))] * self.axes

        def choose(steps: Sequence[Step], i: int, branches: int) -> int:
            axis = len(steps) % self.axes
            parts = self._split(steps, i, box[axis])
            branch = next(b for b, (_, high) in enumerate(parts) if point[axis] < high)
            box[axis] = parts[branch]
            return branch

        return self.decisions.walk(choose, rng)[0]

    def random_rows(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return rows (n, number of parameters) at uniform points of the cube."""
        return self._rows(rng.integers(2**BITS, size=(n, self.axes)), rng)

    def spread_rows(self, rng: np.random.Generator, n: int, seed: int) -> np.ndarray:
        """Return rows (n, number of parameters) at the first n points of a Sobol' sequence, digitally shifted."""
        power = max(0, n - 1).bit_length()
        points = qmc.Sobol(self.axes, scramble=False, bits=BITS).random_base2(power)[:n]
        shift = np.random.default_rng(seed).integers(2**BITS, size=self.axes)
        return self._rows((points * 2**BITS).astype(int) ^ shift, rng)

    def _rows(self, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return rows at points (n, d) in units of 2^-BITS, somewhere within the unit."""
        below = rng.integers(2**LOW_BITS, size=points.shape)
        exact = points.astype(object) * 2**LOW_BITS + below
        whole = 2 ** (BITS + LOW_BITS)
        return np.array([self.decode([Fraction(int(u), whole) for u in row], rng) for row in exact])

    def _split(self, steps: Sequence[Step], i: int, interval: Interval) -> list[Interval]:
        low, high = interval
        weights = self.weigh(steps, i, self.decisions.branches(i))
        total, ends = sum(weights, Fraction(0)), [low]
        for weight in weights:
            ends.append(ends[-1] + (high - low) * weight / total)
        return list(zip(ends[:-1], [*ends[1:-1], high], strict=True))


def spread_design_row(domain: Domain, tried: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return the untaken row (n,) of a design that follows the first ``tried``; None where the next 64 are all taken."""
    code = VolumeCode.of(domain.space, counted=False)
    X, _ = domain.repair(code.spread_rows(rng, tried + AHEAD, seed=0)[tried:])
    untaken = np.flatnonzero(domain.untaken(X))
    return X[untaken[0]] if len(untaken) else None
