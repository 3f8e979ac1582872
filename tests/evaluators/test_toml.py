"""Spaces and problems survive TOML."""

import tomllib
from typing import Any

from contracts.spaces import spaces
from hypothesis import given, strategies as st

from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.spaces.parameters import Categorical, Float
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.toml import problem_to_toml, to_toml


@given(spaces())
def test_a_space_survives_toml(space: SearchSpace) -> None:
    text = to_toml(space.to_dict())
    assert SearchSpace.from_dict(tomllib.loads(text)) == space


PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=9),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.text(max_size=6), PLAIN.filter(lambda v: v != {"none": True}), max_size=4),
    st.text(max_size=30),
)
def test_a_problem_survives_toml(context: dict[str, Any], description: str) -> None:
    space = SearchSpace(
        [Float("a b", 0, 1), Categorical("k", [None, "x"], when={"a b": "< 0.5"})], where=["`a b` < 1"]
    )
    problem = Problem("p", space, [Objective("f", "maximize", "s")], ["c <= 3"], description, context)
    assert Problem.from_dict(tomllib.loads(to_toml(problem.to_dict()))) == problem


def test_a_problem_is_written_as_a_study_file_holds_it() -> None:
    space = SearchSpace([Float("C", 1e-3, 1e3, log=True), Categorical("size", [8, None])], where=["C > 0"])
    problem = Problem("svm", space, [Objective("accuracy", "maximize")], ["fit_s <= 2"], 'a "quoted" text')
    assert (
        problem_to_toml(problem)
        == r"""[problem]
name = "svm"
description = "a \"quoted\" text"
objectives = [{ name = "accuracy", direction = "maximize" }]
constraints = [{ name = "fit_s", upper = 2.0 }]
where = ["C > 0"]

[parameters.C]
type = "float"
low = 0.001
high = 1000.0
log = true

[parameters.size]
type = "categorical"
choices = [8, { none = true }]
"""
    )
