import numpy as np

from tests.prompts.spaces import svm_history
from trialogue.prompts.selection import best_and_recent, goodness, ranks


def test_the_best_and_the_latest_come_in_turn():
    g = np.array([0.1, 0.9, 0.5, 0.2, 0.3])
    assert best_and_recent(np.zeros((5, 1)), g, 4, np.random.default_rng(0)) == [1, 4, 2, 3]


def test_ranks_run_from_the_worst_to_the_best():
    assert ranks(np.array([3.0, -1.0, 10.0])).tolist() == [0.5, 0.0, 1.0]


def test_goodness_ranks_several_objectives_and_puts_the_infeasible_last():
    g = goodness(svm_history())
    assert int(np.argmin(g)) == 2  # its constraint is broken
    assert len(g) == 3
