import numpy as np
import pytest

from trialogue.prompts.histories.by_name import SELECTIONS


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.random((60, 3))
    return X, -((X - 0.3) ** 2).sum(1)


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize("k", [1, 7, 60, 100])
def test_every_selection_starts_with_the_best_and_repeats_none(name, k, data):
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


def test_a_random_subset_is_fresh_for_every_query(data):
    X, g = data
    rng = np.random.default_rng(0)
    assert SELECTIONS["random"](X, g, 10, rng) != SELECTIONS["random"](X, g, 10, rng)


def test_recent_trials_follow_the_best(data):
    X, g = data
    best = int(np.argmax(g))
    latest = [i for i in range(59, 50, -1) if i != best]
    assert SELECTIONS["recent"](X, g, 8, np.random.default_rng(0)) == [best, *latest[:7]]
