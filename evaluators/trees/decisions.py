"""A search space as a sequence of decisions: which values come next, given those decided before.

Parameters are decided in their order, inactive ones skipped. A choice without an order is one decision; a parameter
whose values have an order is bisected, lower or upper half, until one value (or a 32nd of a long range) is left, so
that what is learnt of one value is shared with its neighbours. Knows nothing of who decides.
Source: Negrinho & Gordon 2017, "DeepArchitect", section 5.3 (tree restructuring by bisection).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidSpace
from ..spaces.parameters import Categorical
from ..spaces.space import Params, SearchSpace

BISECTIONS = 5
"""At most so many decisions for an ordered parameter: what is left then is 3 % of its values, what one trial speaks for."""

Step = tuple[int, int]
"""A decision: the parameter's index, and the branch taken (a choice's index; 0 lower half, 1 upper half)."""

Choose = Callable[[Sequence[Step], int, int], int]
"""Given the steps so far, a parameter's index and the number of branches, returns the branch."""


@dataclass(frozen=True)
class Decisions:
    """The decisions of one space. Raises InvalidSpace for a listed space, which is no tree."""

    space: SearchSpace

    def __post_init__(self) -> None:
        if self.space.is_listed:
            raise InvalidSpace("a space of listed configurations is no tree; use strategy 'surrogate'.")

    def walk(self, choose: Choose, rng: np.random.Generator) -> tuple[np.ndarray, tuple[Step, ...]]:
        """Return the coordinates (d,) that ``choose`` decides step by step, and the steps.

        ``rng`` draws among what is left of a long range. Relations may not hold: see ``space.satisfies``.
        """
        steps: list[Step] = []
        x = np.full(len(self.space), 0.5)
        for i, parameter in enumerate(self.space.parameters):
            if parameter.when is None or self.space.activity(x[None, :])[0, i]:
                x[i] = self._decide(i, steps, choose, rng)
        return x, tuple(steps)

    def steps(self, params: Params) -> tuple[Step, ...]:
        """Return the steps that lead to a configuration; inverse of ``walk`` up to the place within a long range."""
        x, active = self.space.encode([params])
        return tuple(step for i in np.flatnonzero(active[0]).tolist() for step in self._path(i, x[0, i]))

    def values(self, i: int) -> int:
        """Return how many values of a parameter are told apart: all there are, or the 32nds of a continuous one."""
        return int(self.space.levels[i]) or 2**BISECTIONS

    def branches(self, i: int) -> int:
        """Return how many branches each decision on a parameter has."""
        return self.values(i) if self.space.is_categorical[i] else 2

    def is_long(self, i: int) -> bool:
        """Whether the decisions on a parameter may leave several of its values."""
        levels = int(self.space.levels[i])
        return not self.space.is_categorical[i] and not 0 < levels <= 2**BISECTIONS

    def left(self, steps: Sequence[Step], i: int) -> tuple[int, int]:
        """Return the positions [low, high) of the values of parameter i that steps leave."""
        low, high = 0, self.values(i)
        for branch in (branch for j, branch in steps if j == i):
            low, high = (
                (branch, branch + 1) if self.space.is_categorical[i] else self._half(i, low, high, branch)
            )
        return low, high

    def _decide(self, i: int, steps: list[Step], choose: Choose, rng: np.random.Generator) -> float:
        values = self.values(i)
        if self.space.is_categorical[i]:
            steps.append((i, choose(steps, i, values)))
            return (steps[-1][1] + 0.5) / values
        low, high = 0, values
        for _ in range(BISECTIONS):
            if high - low > 1:
                steps.append((i, choose(steps, i, 2)))
                low, high = self._half(i, low, high, steps[-1][1])
        parameter = self.space.parameters[i]
        if isinstance(parameter, Categorical) or not parameter.levels:
            return (low + rng.random()) / values
        return parameter.middle(low if high - low == 1 else int(rng.integers(low, high)))

    def _path(self, i: int, u: float) -> Iterator[Step]:
        parameter = self.space.parameters[i]
        values = self.values(i)
        index = min(int(u * values), values - 1)
        if not isinstance(parameter, Categorical) and parameter.levels:
            index = parameter.position(u)
        if self.space.is_categorical[i]:
            yield i, index
            return
        low, high = 0, values
        for _ in range(BISECTIONS):
            if high - low > 1:
                branch = int(index >= self._middle(i, low, high))
                yield i, branch
                low, high = self._half(i, low, high, branch)

    def _middle(self, i: int, low: int, high: int) -> int:
        """Return where the values [low, high) are halved: by their number, a long logarithmic range by its length."""
        parameter = self.space.parameters[i]
        if isinstance(parameter, Categorical) or not (parameter.log and parameter.levels and self.is_long(i)):
            return (low + high) // 2
        middle = parameter.position((parameter.middle(low) + parameter.middle(high - 1)) / 2)
        return min(max(middle, low + 1), high - 1)

    def _half(self, i: int, low: int, high: int, branch: int) -> tuple[int, int]:
        middle = self._middle(i, low, high)
        return (middle, high) if branch else (low, middle)
