"""A history is a value: extending it gives another, and the arrays grow with it."""

import numpy as np
from hypothesis import given, strategies as st

from trialogue.evaluators.problems.history import (
    FailedTrial,
    FinishedTrial,
    History,
    PrunedTrial,
    RunningTrial,
)
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.spaces.parameters import Categorical, Float
from trialogue.evaluators.spaces.space import SearchSpace

SPACE = SearchSpace([Categorical("k", ["a", "b"]), Float("x", 0, 1, when={"k": "b"})])
PROBLEM = Problem("p", SPACE, [Objective("f"), Objective("g", "maximize")], ["c <= 1", "d >= 0"])
A, B = {"k": "a"}, {"k": "b", "x": 0.25}


def test_an_empty_history_has_empty_arrays() -> None:
    history = History(PROBLEM)
    assert len(history) == 0
    assert history.Y.shape == history.Y_sem.shape == (0, 2)
    assert history.C.shape == (0, 2)
    assert history.rows("finished").X.shape == (0, 2)


def test_extending_gives_another_history() -> None:
    empty = History(PROBLEM)
    one = empty.extended(
        finished=[FinishedTrial(0, B, Measurement([1, 2], [0.1, 0.2], constraints={"c": 0.5}))],
        failed=[FailedTrial(1, A, "crash", "why")],
        pruned=[PrunedTrial(2, B, 3, 0.5)],
        running=[RunningTrial(3, A)],
    )
    two = one.extended(finished=[FinishedTrial(4, A, Measurement([3, 4], constraints={"c": 1, "d": 2}))])
    assert (len(empty), len(one), len(two)) == (0, 4, 5)
    assert two.running == one.running
    assert two.extended(running=[]).running == ()
    assert two.Y.tolist() == [[1, 2], [3, 4]]
    np.testing.assert_array_equal(two.Y_sem, [[0.1, 0.2], [np.nan, np.nan]])
    np.testing.assert_array_equal(two.C, [[0.5, np.nan], [1, 2]])
    assert two.rows("finished").active.tolist() == [[True, True], [True, False]]
    assert two.rows("running").X.tolist() == [[0.25, 0.5]]


@given(st.lists(st.lists(st.booleans(), max_size=4), max_size=4))
def test_rows_do_not_depend_on_how_the_history_grew(batches: list[list[bool]]) -> None:
    history = History(PROBLEM)
    trials = []
    for batch in batches:
        new = [
            FinishedTrial(len(trials) + i, A if a else B, Measurement([i, 0])) for i, a in enumerate(batch)
        ]
        trials += new
        history = history.extended(finished=new)
    at_once = History(PROBLEM, finished=tuple(trials))
    np.testing.assert_array_equal(history.rows("finished").X, at_once.rows("finished").X)
    np.testing.assert_array_equal(history.rows("finished").active, at_once.rows("finished").active)
    assert history == at_once
