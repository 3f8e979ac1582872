"""A stratified sample has each kind in proportion."""

from collections import Counter

import numpy as np

from trialogue.evaluators.statistics.strata import stratified_sample

KINDS = ["a"] * 10 + ["b"] * 5 + ["c"] * 5


def test_each_kind_has_its_share():
    drawn = stratified_sample(KINDS, 8, np.random.default_rng(0))
    assert Counter(KINDS[i] for i in drawn) == {"a": 4, "b": 2, "c": 2}
    assert drawn == sorted(set(drawn))


def test_remainders_are_settled_by_lot_and_add_up():
    first = [stratified_sample(KINDS, 3, np.random.default_rng(seed)) for seed in range(40)]
    assert {len(drawn) for drawn in first} == {3}
    assert {KINDS[i] for drawn in first for i in drawn} == {"a", "b", "c"}


def test_more_than_there_are_is_all():
    assert stratified_sample("abc", 9, np.random.default_rng(0)) == [0, 1, 2]
