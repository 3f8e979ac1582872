"""Splits by similarity test what is unlike the training rows; splits by time test what comes after them."""

import numpy as np
import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.splits import by_similarity, by_time


def test_each_cluster_is_tested_by_the_others():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(centre, 0.1, (20, 2)) for centre in (0, 5, 10)])
    splits = by_similarity(X, 3)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(60))
    for train, test in splits:
        assert len(train) == 40
        assert len(set(test // 20)) == 1  # one of the three clouds, whole
        assert not set(train) & set(test)


def test_the_same_seed_gives_the_same_clusters():
    X = np.random.default_rng(1).normal(size=(50, 3))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(by_similarity(X), by_similarity(X), strict=True))


def test_what_is_tested_comes_after_all_that_is_trained_on():
    times = np.random.default_rng(0).permutation(30)
    splits = by_time(times, 5)
    assert len(splits) == 5
    assert all(times[train].max() < times[test].min() for train, test in splits)
    assert len(splits[-1][0]) == 25


def test_more_parts_than_rows_are_refused():
    with pytest.raises(InvalidSpecification, match="`parts` must be"):
        by_similarity(np.zeros((3, 1)), 4)
