"""Both searches spend their budget exactly, and the genetic one climbs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from trialogue import Float, SearchSpace
from trialogue.evaluators.targets.systems.searches import genetic, random_walk

SPACE = SearchSpace([Float(name, -1, 1) for name in "abcd"])


@pytest.mark.parametrize("budget", [3, 10, 57])
def test_the_budget_is_spent_to_the_last(budget: int) -> None:
    spent: list[Mapping[str, Any]] = []

    def cost(params: Mapping[str, Any]) -> float:
        spent.append(params)
        return float(len(spent))

    genetic(SPACE, cost, budget, np.random.default_rng(0), population=8, mutation=0.1)
    assert len(spent) == budget
    random_walk(SPACE, cost, budget, np.random.default_rng(0))
    assert len(spent) == 2 * budget


def test_breeding_is_better_than_drawing_on_a_bowl() -> None:
    def bowl(params: Mapping[str, Any]) -> float:
        return sum(v**2 for v in params.values())

    bred = [
        genetic(SPACE, bowl, 400, np.random.default_rng(s), population=20, mutation=0.1) for s in range(5)
    ]
    drawn = [random_walk(SPACE, bowl, 400, np.random.default_rng(s)) for s in range(5)]
    assert np.mean(bred) < np.mean(drawn)
