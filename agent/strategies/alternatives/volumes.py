"""Random search over boxes: every configuration of a tree-structured space is equally likely.

Uniform search decides branch by branch, so a branch with one configuration gets as many trials as one with a thousand.
Here each configuration is a box of the unit cube, all of the same volume (``surrogates/options/volumes.py``, where the
source is named), and a uniform point is drawn. Needs no history.
"""

from ....evaluators.problems.problem import Problem
from ....evaluators.random_streams import stream
from ....surrogates.options.volumes import VolumeCode
from ...contracts import Ask, Decision, Plan
from ..simple import draw_new, taken_keys

ATTEMPTS = 100
"""Points before a uniform draw stands in: what is fixed, or related, may be rare among them."""


class VolumeStrategy:
    """Random search without repetition, uniform over configurations. Raises InvalidSpace for a listed space."""

    name = "random:ariel"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._seed = problem, seed
        self._code = VolumeCode.of(problem.space, counted=True)

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` new configurations."""
        space, keys = self._problem.space, taken_keys(ask.history)
        decisions: list[Decision] = []
        for i in range(ask.n):
            rng = stream(self._seed, ask.index + i, "random")
            for _ in range(ATTEMPTS):
                params = space.from_unit(self._code.random_rows(rng, 1)[0])
                params = space.clip({**params, **ask.fixed}) if ask.fixed else params
                if space.satisfies(params) and space.key(params) not in keys:
                    break
            else:
                params = draw_new(self._problem, keys, rng, ask.fixed)
            keys.add(space.key(params))
            decisions.append(
                Decision(params, "random", "a uniform point among the boxes of all configurations", "own")
            )
        return Plan(tuple(decisions))
