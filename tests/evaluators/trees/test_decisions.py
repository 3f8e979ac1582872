"""A space as a sequence of decisions: every configuration has a path, and every path a configuration."""

import numpy as np
import pytest
from contracts.spaces import spaces
from hypothesis import given, strategies as st

import trialogue as tl
from trialogue.evaluators.errors import InvalidSpace
from trialogue.evaluators.trees.decisions import BISECTIONS, Decisions


@given(space=spaces(), seed=st.integers(0, 99))
def test_the_steps_of_a_walk_are_those_of_its_configuration(space, seed):
    rng = np.random.default_rng(seed)
    decisions = Decisions(space)
    x, steps = decisions.walk(lambda _, __, branches: int(rng.integers(branches)), rng)
    params = space.from_unit(x)
    assert decisions.steps(params) == steps


def test_neighbours_share_their_first_steps_and_values_their_last():
    decisions = Decisions(tl.SearchSpace([tl.Int("n", 1, 8), tl.Categorical("c", ["a", "b", "z"])]))
    assert decisions.steps({"n": 1, "c": "a"}) == ((0, 0), (0, 0), (0, 0), (1, 0))
    assert decisions.steps({"n": 2, "c": "z"}) == ((0, 0), (0, 0), (0, 1), (1, 2))


def test_a_long_range_is_bisected_so_often():
    decisions = Decisions(tl.SearchSpace([tl.Float("x", 0, 1)]))
    assert len(decisions.steps({"x": 0.4})) == BISECTIONS


def test_a_long_logarithmic_range_is_halved_by_its_length_and_never_listed():
    decisions = Decisions(tl.SearchSpace([tl.Int("n", 1, 10**12, log=True)]))
    assert decisions.steps({"n": 10**5})[0] == (0, 0)
    assert decisions.steps({"n": 10**7})[0] == (0, 1)
    rng = np.random.default_rng(0)
    walked = [decisions.walk(lambda *_: int(rng.integers(2)), rng)[0][0] for _ in range(400)]
    assert np.quantile(walked, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.08)


def test_inactive_parameters_are_not_decided():
    space = tl.Tree([tl.Or("m", {"a": [tl.Int("k", 1, 4)], "b": []})]).space
    assert Decisions(space).steps({"m": "b"}) == ((0, 1),)


def test_a_listed_space_is_no_tree():
    listed = tl.SearchSpace([tl.Int("n", 1, 8)], allowed=[{"n": 1}, {"n": 5}])
    with pytest.raises(InvalidSpace, match="listed"):
        Decisions(listed)
