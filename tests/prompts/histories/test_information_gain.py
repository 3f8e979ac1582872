"""Information gain over labels: the graph, the propagation and the greedy choice against their definitions."""

from itertools import combinations

import numpy as np
import pytest

from trialogue.prompts.histories.information_gain import (
    information,
    information_gain,
    label_scores,
    propagation,
)


def test_a_score_is_split_over_labels_and_spreads_to_neighbours_only():
    U = label_scores(np.array([[0.55, 0.0]]), np.array([1.0])) @ propagation(2)
    assert U[0, 5] == pytest.approx(0.5 / 2.8)  # tenth 5, of a column 0.9 + 1 + 0.9
    assert U[0, 4] == U[0, 6] == pytest.approx(0.5 * 0.9 / 2.8)
    assert U[0, 10] == pytest.approx(0.5 / 1.9)  # an end has one neighbour
    assert U[0, 7] == U[0, 3] == 0.0
    assert propagation(2).sum(axis=0) == pytest.approx(np.ones(20))


def test_information_is_concave_so_that_copies_add_less():
    U = label_scores(np.array([[0.75], [0.75], [0.25]]), np.ones(3)) @ propagation(1)
    alone = information(U[:1])
    assert information(U[[0, 1]]) - alone < 0.8 * (information(U[[0, 2]]) - alone)
    assert information(U[[0, 1]]) / alone == pytest.approx(2**0.8, rel=1e-3)


def test_greedy_choice_has_nearly_the_largest_information():
    rng = np.random.default_rng(0)
    X, g = rng.random((12, 2)), rng.random(12)
    U = label_scores(X, 0.25 + 0.75 * g.argsort().argsort() / 11) @ propagation(2)
    best = int(np.argmax(g))
    chosen = information_gain(X, g, 4, rng)
    others = [information(U[[best, *c]]) for c in combinations(set(range(12)) - {best}, 3)]
    assert information(U[chosen]) >= (1 - 1 / np.e) * max(others)
    assert information(U[chosen]) > np.median(others)


def test_near_copies_are_avoided():
    rng = np.random.default_rng(0)
    X = rng.random((30, 3))
    X = np.vstack([X, X + 1e-6])
    g = np.tile(-((X[:30] - 0.3) ** 2).sum(1), 2)
    chosen = information_gain(X, g, 10, rng)
    assert len({i % 30 for i in chosen}) >= 7  # the ten best hold five
