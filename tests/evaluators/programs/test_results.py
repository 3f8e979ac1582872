"""Whatever an evaluator returns is a measurement, or one failed trial with a reason in words."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialogue.evaluators.errors import EvaluationFailed, InvalidMeasurement
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Constraint, Objective, Problem
from trialogue.evaluators.programs.call import measure
from trialogue.evaluators.programs.results import measurement_of
from trialogue.evaluators.programs.run import MAX_STEP, Run
from trialogue.evaluators.spaces.parameters import Float
from trialogue.evaluators.spaces.space import SearchSpace

SPACE = SearchSpace([Float("x", 0, 1)])
PROBLEM = Problem("p", SPACE, [Objective("a")], [Constraint("c", upper=1)])
HUGE = 10**400


class _Odd:
    """An object that raises whenever it is looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __float__(self) -> float:
        raise ValueError("no number")


BAD: list[Callable[[], Any]] = [
    lambda: HUGE,
    lambda: -HUGE,
    lambda: 10**5000,
    lambda: [HUGE],
    lambda: {"value": HUGE, "c": 0},
    lambda: {"a": 1, "c": HUGE},
    lambda: {"a": 1, "c": 0, "sem": HUGE},
    lambda: {"a": 1, "c": 0, "seconds": 10**5000},
    lambda: {"a": 1, "c": 0, "cost": HUGE},
    lambda: Measurement(1, [HUGE]),
    lambda: Measurement(1, constraints={"c": HUGE}),
    lambda: Fraction(HUGE),
    lambda: Decimal("1e400"),
    lambda: Decimal("sNaN"),
    lambda: math.nan,
    lambda: np.array([1.0, math.inf]),
    lambda: np.ones((2, 2)),
    lambda: np.array([]),
    lambda: 1j,
    lambda: b"1",
    lambda: "0.5",
    lambda: True,
    lambda: _Odd(),
    lambda: {"value": _Odd(), "c": 0},
    lambda: {"a": 1, "c": 0, "metrics": {"m": _Odd()}},
    lambda: {"a": 1, "c": 0, "metrics": 5},
    lambda: {"a": 1, "c": 0, "constraints": [1]},
    lambda: {"b": 10**5000},
]


@pytest.mark.parametrize("make", BAD)
def test_what_is_no_result_fails_its_trial_in_words(make: Callable[[], Any], tmp_path: Path) -> None:
    with pytest.raises(EvaluationFailed) as failed:
        measure(lambda params: make(), {"x": 0.5}, PROBLEM, Run(workdir=tmp_path))
    assert 10 < len(failed.value.reason) < 600


@pytest.mark.parametrize("metric", [HUGE, 10**5000, math.inf, math.nan, np.float64("nan")], ids=range(5))
def test_a_metric_past_all_floats_is_left_out(metric: Any) -> None:
    assert measurement_of({"a": 1, "c": 0, "m": metric, "n": np.int64(2)}, PROBLEM).metrics == {"n": 2}
    assert measurement_of(Measurement(1, constraints={"c": 0}, metrics={"m": metric}), PROBLEM).metrics == {}


@pytest.mark.parametrize(
    ("step", "value", "words"),
    [
        (math.nan, 1.0, "`step` must be a whole number"),
        (math.inf, 1.0, "`step`"),
        (HUGE, 1.0, "`step`"),
        (MAX_STEP + 1, 1.0, "`step`"),
        (-1, 1.0, "`step`"),
        (0.5, 1.0, "`step`"),
        (True, 1.0, "`step`"),
        ("1", 1.0, "`step`"),
        (None, 1.0, "`step`"),
        (np.array([1, 2]), 1.0, "`step`"),
        (1, HUGE, "`value` must be a number"),
        (1, np.array([1.0, 2.0]), "`value`"),
        (1, [1.0], "`value`"),
        (1, "1", "`value`"),
        (1, True, "`value`"),
        (1, None, "`value`"),
        (1, _Odd(), "`value`"),
    ],
)
def test_a_report_that_is_none_is_refused(step: Any, value: Any, words: str) -> None:
    with pytest.raises(InvalidMeasurement, match=words):
        Run().report(step, value)


def test_numbers_of_other_libraries_are_reported() -> None:
    run = Run()
    for step, value in (
        (np.int64(1), np.float32(0.5)),
        (2.0, Fraction(1, 2)),
        (3, math.inf),
        (4, np.array(0.5)),
    ):
        run.report(step, value)  # pyright: ignore[reportArgumentType]
    assert run.reports == [(1, 0.5), (2, 0.5), (3, math.inf), (4, 0.5)]


@pytest.mark.parametrize(
    "result",
    [
        0.5,
        {"a": 0.5},
        {"value": 0.5},
        {"value": 0.5, "a": 9.0},
        {"a": 0.5, "metrics": {"a": 9.0}},
        Measurement(0.5, metrics={"a": 9.0}),
        Measurement([0.5]),
    ],
)
def test_a_limit_on_an_objective_is_measured_by_its_value(result: Any) -> None:
    problem = Problem("p", SPACE, [Objective("a")], [Constraint("a", upper=1)])
    found = measurement_of(result, problem)
    assert found.values == (0.5,)
    assert found.constraints == {"a": 0.5}
    assert problem.feasible(found)
    assert not problem.feasible(measurement_of(2.0, problem))
