"""Clusters and their refinement: budgets in proportion, weights from what was drawn, more of the better regions."""

import numpy as np
import pytest

from trialogue.prompts.histories.clusters import budgets, k_means, refined, refined_clusters


def test_weights_become_the_normalized_mean_scores_of_what_was_drawn():
    weights = refined(np.full(3, 1 / 3), np.array([0, 0, 1, 1]), np.array([0.9, 0.6, 0.2, 0.3]))
    assert weights == pytest.approx([2 / 3 * 0.75, 2 / 3 * 0.25, 1 / 3])  # the third was not drawn from


def test_budgets_are_in_proportion_and_never_more_than_there_is():
    assert budgets(np.array([0.75, 0.25]), np.array([50, 50]), 8).tolist() == [6, 2]
    assert budgets(np.array([0.75, 0.25]), np.array([3, 50]), 8).tolist() == [3, 5]
    assert budgets(np.array([0.5, 0.5]), np.array([1, 1]), 8).tolist() == [1, 1]


def test_k_means_finds_separate_groups():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(c, 0.02, size=(20, 2)) for c in (0.1, 0.5, 0.9)])
    labels = k_means(X, 3, rng)
    assert [len(set(labels[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]
    assert len(set(labels)) == 3


def test_better_regions_are_shown_more_and_worse_ones_too():
    shares = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = np.vstack([rng.normal(c, 0.02, size=(40, 2)) for c in (0.1, 0.5, 0.9)])
        g = -np.abs(X[:, 0] - 0.1) + 0.001 * rng.random(120)
        chosen = np.array(refined_clusters(X, g, 32, rng))
        shares.append([np.mean((chosen // 40) == c) for c in range(3)])
    near, middle, far = np.mean(shares, axis=0)
    assert near > 0.45 > middle > far > 0.02
