"""Budgets over groups: curves come back from points on them, the split is the constrained optimum in closed form."""

import numpy as np
import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.targets.retrieval.group_budget import GroupBudget, LearningCurve


def test_a_curve_comes_back_from_points_on_it() -> None:
    true = LearningCurve(3.0, 0.7)
    fitted = LearningCurve.fitted([10, 40, 160], [true.error(n) for n in (10, 40, 160)])
    assert (fitted.scale, fitted.rate) == (pytest.approx(3.0), pytest.approx(0.7))
    assert LearningCurve.fitted([10, 20], [1.0, 2.0]).rate == 0.05, "errors do not rise with data"


def test_the_split_is_the_constrained_optimum() -> None:
    """Errors s_g / n_g at costs c_g: n_g in proportion to sqrt(w_g s_g / c_g), by Lagrange."""
    scales, costs, weights = np.array([1.0, 4.0, 9.0]), np.array([1.0, 1.0, 4.0]), np.array([1.0, 2.0, 1.0])
    budget = GroupBudget(1000.0, costs.tolist(), weights.tolist())
    n = budget.split([LearningCurve(s, 1.0) for s in scales.tolist()], [1, 1, 1])
    shares = np.sqrt(weights * scales / costs)
    assert n == pytest.approx(1000 * shares / np.dot(shares, costs), rel=0.04)
    assert np.dot(costs, n) <= 1000


def test_a_larger_power_gives_more_to_the_group_that_is_worst() -> None:
    curves = [LearningCurve(1.0, 0.5), LearningCurve(5.0, 0.5)]
    mean, worst = (GroupBudget(100.0, [1, 1], [1, 1], power=p).split(curves, [5, 5]) for p in (1.0, 4.0))
    assert worst[1] > mean[1] > 50


def test_no_group_loses_what_it_has_and_rounds_keep_the_budget() -> None:
    budget = GroupBudget(200.0, [1, 2], [1, 1])
    assert budget.split([LearningCurve(1.0, 1.0)] * 2, [60, 70]) == [60, 70]
    n = budget.adaptive(lambda g, n: (g + 1.0) / n)
    assert 190 <= n[0] + 2 * n[1] <= 200


def test_a_group_that_gets_no_more_samples_is_not_trained_again() -> None:
    asked: list[tuple[int, int]] = []

    def train(g: int, n: int) -> float:
        asked.append((g, n))
        return (1.0, 1000.0)[g] / n

    GroupBudget(200.0, [1, 1], [1, 1]).adaptive(train)
    assert len(asked) == len(set(asked))


def test_a_curve_of_one_size_is_refused() -> None:
    with pytest.raises(InvalidSpecification, match="two sizes"):
        LearningCurve.fitted([10, 10], [1.0, 0.9])
