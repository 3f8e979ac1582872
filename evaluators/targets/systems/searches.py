"""Two plain search algorithms that designers of hardware use, for claims about them: random search and a genetic algorithm.

Source: Krishnan et al. 2023, ArchGym (arXiv 2306.08888), for the algorithms and the hyperparameters that they vary.
Knows nothing of conditions: every parameter of the space is always active.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...spaces.space import SearchSpace

Cost = Callable[[Mapping[str, Any]], float]
"""What is minimized."""


def random_walk(space: SearchSpace, cost: Cost, budget: int, rng: np.random.Generator) -> float:
    """Return the lowest cost of ``budget`` random configurations."""
    return min(cost(params) for params in space.sample(rng, budget))


def genetic(
    space: SearchSpace, cost: Cost, budget: int, rng: np.random.Generator, *, population: int, mutation: float
) -> float:
    """Return the lowest cost that a genetic algorithm saw: the better half breeds, each gene mutates with a probability."""
    evaluated = [(cost(params), params) for params in space.sample(rng, min(population, budget))]
    best, spent = min(c for c, _ in evaluated), len(evaluated)
    while spent < budget:
        parents = [params for _, params in sorted(evaluated, key=lambda k: k[0])[: max(population // 2, 1)]]
        size = min(population, budget - spent)
        evaluated = [
            (cost(child), child) for child in (_child(space, parents, mutation, rng) for _ in range(size))
        ]
        best, spent = min(best, *(c for c, _ in evaluated)), spent + size
    return best


def _child(
    space: SearchSpace, parents: list[Mapping[str, Any]], mutation: float, rng: np.random.Generator
) -> Mapping[str, Any]:
    """Return a mix of two parents, mutated."""
    a, b = (parents[i] for i in rng.integers(0, len(parents), 2))
    fresh = space.sample(rng, 1)[0]
    return {
        name: fresh[name] if rng.random() < mutation else (a if rng.random() < 0.5 else b)[name]
        for name in space.names
    }
