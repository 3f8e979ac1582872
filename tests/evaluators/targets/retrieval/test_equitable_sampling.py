"""Splits of the budget: none costs more than it has, and the adaptive one buys for those who learn slowly."""

import numpy as np
import pytest

from trialogue.evaluators.targets.retrieval.equitable_sampling import BUDGET, COSTS, Groups, counts

WAYS = ({"split": "even"}, {"split": "proportional"}, {"split": "adaptive", "pilot": 0.2, "rounds": 3})


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way["split"])
def test_a_split_stays_within_the_budget(way: dict[str, object]) -> None:
    n = counts(way, Groups(0, BUDGET), BUDGET)
    assert 0.98 * BUDGET <= np.dot(COSTS, n) <= BUDGET


def test_the_adaptive_split_buys_least_where_learning_is_easy() -> None:
    n = counts(WAYS[2], Groups(1, BUDGET), BUDGET)
    assert n[0] == min(n)


def test_errors_fall_as_least_squares_says() -> None:
    mean = np.mean([Groups(seed, BUDGET).error(1, 800) for seed in range(30)])
    assert mean == pytest.approx(0.5**2 * 8 / 800, rel=0.3)
