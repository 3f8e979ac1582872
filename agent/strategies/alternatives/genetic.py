"""A genetic algorithm: the best so far are the population, and each trial is a child of two of them.

Parents by tournament among the best; genes are crossed over one by one, and some are drawn anew, uniformly or near the
parent's. It asks many cheap questions, so it suits evaluators that a proxy answers for (``agent/evaluation/stand_in.py``).
Stateless: the population is read from the history, so resumed and parallel studies are fine.
Source: the sampler of Gómez-Vargas & Vázquez 2024 (elitism, tournaments of three, uniform crossover).
"""

from collections.abc import Mapping

import numpy as np

from ....evaluators.problems.history import History, Params, Value
from ....evaluators.problems.problem import Problem
from ....evaluators.random_streams import stream
from ....prompts.selection import goodness
from ...contracts import Ask, Decision, Plan
from ..simple import draw_new, taken_keys

POPULATION, TOURNAMENT = 20, 3
CROSSOVER = 0.5
"""Probability that a gene comes from the second parent."""
MUTATION, NEAR = 0.2, 0.1
"""Probability that a gene changes, and the width of the changes that stay near; every second change is uniform."""
ATTEMPTS = 50


class GeneticStrategy:
    """Elitist genetic search: ``POPULATION`` uniform draws, then children of the best."""

    name = "genetic"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._seed = problem, seed

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` untried configurations."""
        space, keys = self._problem.space, taken_keys(ask.history)
        decisions: list[Decision] = []
        for i in range(ask.n):
            rng = stream(self._seed, ask.index + i, self.name)
            params = self._child(ask.history, keys, rng, ask.fixed)
            reason = "a child of two of the best" if params is not None else "drawn uniformly"
            params = params if params is not None else draw_new(self._problem, keys, rng, ask.fixed)
            keys.add(space.key(params))
            decisions.append(Decision(params, self.name, reason, "own"))
        return Plan(tuple(decisions))

    def _child(
        self, history: History, taken: set[str], rng: np.random.Generator, fixed: Mapping[str, Value] | None
    ) -> Params | None:
        """Return an untried child; None while the population is not full, or where the attempts found none."""
        g, space = goodness(history), self._problem.space
        if len(g) < POPULATION:
            return None
        elite = np.argsort(-g, kind="stable")[:POPULATION]
        X = history.rows("finished").X
        for _ in range(ATTEMPTS):
            first, second = (X[elite[rng.integers(POPULATION, size=TOURNAMENT).min()]] for _ in range(2))
            child = mutated(np.where(rng.random(len(first)) < CROSSOVER, second, first), rng)
            params = space.from_unit(child)
            params = space.clip({**params, **fixed}) if fixed else params
            if space.satisfies(params) and space.key(params) not in taken:
                return params
        return None


def mutated(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a row (d,) of the unit cube with some genes near where they were, and some anywhere; one changes at least."""
    changed = rng.random(len(x)) < MUTATION
    changed[rng.integers(len(x))] = True
    near = x + NEAR * rng.standard_normal(len(x))
    new = np.where(rng.random(len(x)) < 0.5, near, rng.random(len(x)))
    return np.clip(np.where(changed, new, x), 0.0, 1.0)
