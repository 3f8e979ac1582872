import numpy as np
import pytest

from tests.prompts.spaces import svm_history
from trialogue.prompts.selection import SELECTIONS, goodness


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.random((60, 3))
    return X, -((X - 0.3) ** 2).sum(1)


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize("k", [1, 7, 60, 100])
def test_every_strategy_starts_with_the_best_and_repeats_none(name, k, data):
    X, g = data
    chosen = SELECTIONS[name](X, g, k, np.random.default_rng(1))
    assert chosen[0] == int(np.argmax(g))
    assert len(set(chosen)) == len(chosen) <= k
    assert len(chosen) >= min(k, 30)


@pytest.mark.parametrize("name", SELECTIONS)
def test_one_trial_and_equal_trials_are_no_trouble(name):
    for n in (1, 5):
        X = np.full((n, 2), 0.5)
        chosen = SELECTIONS[name](X, np.zeros(n), 4, np.random.default_rng(0))
        assert 1 <= len(chosen) <= n


def test_information_gain_avoids_near_copies(data):
    X, g = data
    X = np.vstack([X, X[:30] + 1e-4])
    g = np.concatenate([g, g[:30]])
    chosen = SELECTIONS["information_gain"](X, g, 12, np.random.default_rng(0))
    distances = np.abs(X[chosen][:, None] - X[chosen][None]).max(-1) + np.eye(12)
    assert distances.min() > 0.01


def test_a_random_subset_is_fresh_for_every_query(data):
    X, g = data
    rng = np.random.default_rng(0)
    assert SELECTIONS["random_subset"](X, g, 10, rng) != SELECTIONS["random_subset"](X, g, 10, rng)


def test_goodness_ranks_several_objectives_and_puts_the_infeasible_last():
    g = goodness(svm_history())
    assert int(np.argmin(g)) == 2  # its constraint is broken
    assert len(g) == 3
