"""How runs on the gallery are scored: by what was found, not by what was measured luckily."""

import sys
from pathlib import Path

import pytest

import trialogue as tl
from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.problems.history import Params
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.target import GalleryTarget

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("benchmarks/ is not shipped with the wheel", allow_module_level=True)
sys.path[:0] = [str(BENCHMARKS)]

from targets import FRESH_SEEDS, measured, score  # noqa: E402
from targets_table import regrets  # noqa: E402

LUCK = {1: 5.0}
"""By seed, what is added to the accuracy."""


def evaluate(params: Params, run: Run) -> tl.Measurement:
    if run.seed in FRESH_SEEDS and params["x"] == 9:
        raise EvaluationFailed("never again")
    x = float(params["x"] or 0)
    return tl.Measurement((x + LUCK.get(run.seed, 0.0), x))


TARGET = GalleryTarget(
    tl.Problem(
        "two",
        tl.SearchSpace([tl.Int("x", 0, 9)]),
        [tl.Objective("accuracy", "maximize"), tl.Objective("cost")],
    ),
    evaluate,
    "retrieval",
    "nobody",
)


def scored(*runs: tuple[int, int]) -> object:
    trials = [({"x": x}, measured(TARGET, {"x": x}, seed, 1.0)) for x, seed in runs]
    return score(TARGET, trials, 1.0)


def test_a_front_counts_by_its_configurations_measured_again() -> None:
    assert scored((2, 1), (4, 0), (8, 0)) == [[-2.0, 2.0], [-8.0, 8.0]]  # 4 is behind what 2 had by luck


def test_what_cannot_be_measured_again_is_left_out() -> None:
    assert scored((3, 0), (9, 0)) == [[-3.0, 3.0]]


def test_fronts_are_compared_within_the_values_of_all_trials() -> None:
    common = {"signs": [-1.0, 1.0], "feasible": [True, True], "values": [[0.0, 4.0], [4.0, 0.0]]}
    runs = {
        ("two", "random", 0): common | {"score": [[-2.0, 2.0]]},
        ("two", "trialogue", 0): common | {"score": [[-4.0, 2.0]]},
    }
    assert regrets(runs, "two") == {"random": {0: 0.5}, "trialogue": {0: 0.0}}
