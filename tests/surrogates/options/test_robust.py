"""A configuration is worth what is believed around it."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.options.robust import RADIUS, neighbours, robust_values

SPACE = tl.SearchSpace(
    [tl.Float("x", 0, 1), tl.Categorical("c", ["a", "b"]), tl.Int("n", 1, 9, when={"c": ["b"]})]
)


def test_neighbours_keep_choices_and_stay_near():
    problem = tl.Problem("p", SPACE)
    moves = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    near = neighbours(problem, {"x": 0.02, "c": "b", "n": 5}, moves)
    assert near[0] == {"x": 0.02, "c": "b", "n": 5}
    assert {p["c"] for p in near} == {"b"}
    assert all(0 <= p["x"] <= 0.02 + RADIUS for p in near)
    assert {p["n"] for p in near} <= {4, 5, 6}


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("quantile", [None, 0.1])
def test_a_broad_hill_is_worth_more_than_a_cliff_edge(direction, quantile):
    problem = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]), [tl.Objective("y", direction)])
    sign = 1 if direction == "maximize" else -1

    def height(x):  # best at 0.8, where it falls off a cliff; a plateau up to 0.5
        return 1.0 if x <= 0.5 else (1.2 if 0.78 <= x <= 0.82 else -1.0)

    trials = [
        FinishedTrial(i, {"x": x}, tl.Measurement(sign * height(x), 0.01))
        for i, x in enumerate(np.linspace(0, 1, 26))
    ]
    history = History(problem).extended(finished=trials)
    belief = GaussianEngine(problem).condition(history, np.random.default_rng(0))
    hill, edge = robust_values(
        belief, problem, [{"x": 0.24}, {"x": 0.8}], np.random.default_rng(1), quantile=quantile
    )
    assert hill > edge


def test_the_fidelity_is_not_moved():
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 27)])
    problem = tl.Problem("p", space, fidelity=tl.Fidelity("epochs"))
    moves = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    near = neighbours(problem, {"x": 0.5, "epochs": 27}, moves)
    assert {p["epochs"] for p in near} == {27}
    assert len({p["x"] for p in near}) > 10
