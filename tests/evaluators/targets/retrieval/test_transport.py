"""Transport between samples against an assignment, its gradient against finite differences, and mixtures found by it."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from trialogue.evaluators.targets.retrieval.transport import (
    Sample,
    calibrated,
    costs_between,
    counts_of,
    nearest_mixture,
    on_simplex,
    transport,
)


def test_with_little_entropy_the_cost_is_that_of_the_best_assignment() -> None:
    rng = np.random.default_rng(0)
    costs = rng.random((30, 30))
    best = costs[linear_sum_assignment(costs)].mean()
    assert transport(costs, epsilon=0.01, rounds=2000)[0] == pytest.approx(best, rel=0.05)


def test_a_large_cost_everywhere_is_no_underflow() -> None:
    cost, potential = transport(np.full((3, 4), 1e6))
    assert cost == pytest.approx(1e6)
    assert potential == pytest.approx(np.zeros(3))


def test_the_potential_is_the_derivative_of_the_distance_in_the_shares() -> None:
    goal = np.linspace(0, 1, 40)

    def distance(share: float) -> tuple[float, np.ndarray, np.ndarray]:
        n = round(100 * share)
        points = np.concatenate([np.linspace(0, 0.4, n), np.linspace(0.6, 1.4, 100 - n)])
        value, f = transport((points[:, None] - goal) ** 2, epsilon=0.02, rounds=3000)
        return value, f, np.repeat([0, 1], [n, 100 - n])

    change = (distance(0.55)[0] - distance(0.45)[0]) / 0.1
    _, f, source = distance(0.5)
    slope = calibrated(f, source, 2)
    assert slope[0] == pytest.approx(-slope[1])
    assert slope[0] == pytest.approx(change, rel=0.15)


def test_shares_and_counts_sum_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    for q in rng.normal(size=(20, 4)):
        shares = on_simplex(q)
        assert shares.min() >= 0
        assert shares.sum() == pytest.approx(1)
        assert counts_of(shares, 37).sum() == 37


def test_the_nearest_mixture_leaves_a_source_alone_that_is_far_from_the_goal() -> None:
    rng = np.random.default_rng(2)
    goal = rng.normal(size=(60, 2)), np.zeros(60)

    def draw(q: np.ndarray) -> tuple[Sample, np.ndarray]:
        source = np.repeat([0, 1], counts_of(q, 80))
        return (rng.normal(size=(80, 2)) + 4.0 * source[:, None], np.zeros(80)), source

    q = nearest_mixture(draw, goal, 2, steps=20, rate=0.3, label_weight=1.0)
    assert q[0] > 0.9
    assert q.sum() == pytest.approx(1)


def test_a_different_class_costs_its_weight() -> None:
    a = np.zeros((2, 3)), np.array([0, 1])
    b = np.ones((1, 3)), np.array([0])
    assert costs_between(a, b, 5.0) == pytest.approx(np.array([[1.0], [6.0]]))
