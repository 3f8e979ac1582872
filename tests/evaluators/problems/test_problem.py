"""Problems: directions, limits, and which measurements fit."""

import json
import math
from typing import Any

import pytest

from trialogue.evaluators.errors import InvalidMeasurement, InvalidProblem
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Constraint, Objective, Problem
from trialogue.evaluators.spaces.parameters import Float
from trialogue.evaluators.spaces.space import SearchSpace

SPACE = SearchSpace([Float("x", 0, 1)])


def problem(**more: Any) -> Problem:
    objectives = [Objective("accuracy", "maximize", unit="%"), Objective("seconds")]
    return Problem(
        "p", SPACE, objectives, ["fit_s <= 2", Constraint("recall", lower=0.5)], "text", {"n": 3}, **more
    )


def test_one_objective_to_minimize_is_assumed() -> None:
    assert Problem("p", SPACE).objectives == (Objective("objective", "minimize"),)
    assert Problem("p", SPACE).signs.tolist() == [-1.0]
    assert problem().signs.tolist() == [1.0, -1.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ttft_p99_ms <= 200", Constraint("ttft_p99_ms", upper=200)),
        ("recall >= 0.5", Constraint("recall", lower=0.5)),
        ("200 >= x", Constraint("x", upper=200)),
        ("-1 <= x <= 2 * 3", Constraint("x", lower=-1, upper=6)),
        ("x < 1e9", Constraint("x", upper=1e9)),
    ],
)
def test_constraints_may_be_written_as_text(text: str, expected: Constraint) -> None:
    assert Constraint.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "x == 3",
        "x <= y",
        "x <= y + 1",
        "x + 1 <= 3",
        "x <= 3 and y <= 4",
        "x <= 3 or x >= 5",
        "1 < 2",
        "x <",
        "x <= 'a'",
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidProblem):
        Constraint.parse(text)


BAD: list[tuple[Any, str]] = [
    (
        lambda: Objective("a", "maximise"),
        r"must be 'minimize' or 'maximize', got 'maximise'; did you mean 'maximize'\?",
    ),
    (lambda: Objective("a", "MIN"), r"got 'MIN'; did you mean 'minimize'\?"),
    (lambda: Objective("a", 3), "got 3"),
    (lambda: Objective(""), "`name` of the objective must be"),
    (lambda: Constraint("c"), "needs an `upper` or a `lower` limit"),
    (lambda: Constraint("c", upper=math.nan), "`upper` of constraint 'c' must be a finite number"),
    (lambda: Constraint("c", upper=True), "must be a finite number"),
    (lambda: Constraint("c", upper=1, lower=2), "`lower` must not exceed `upper`"),
    (lambda: Problem("", SPACE), "`name` of the problem"),
    (lambda: Problem("p", [Float("x", 0, 1)]), "`space` must be a SearchSpace"),
    (lambda: Problem("p", SPACE, []), "at least one Objective"),
    (lambda: Problem("p", SPACE, Objective("a")), "`objectives` must be a list"),
    (lambda: Problem("p", SPACE, ["a"]), "at least one Objective"),
    (lambda: Problem("p", SPACE, [Objective("a"), Objective("a")]), "'a' twice"),
    (lambda: Problem("p", SPACE, constraints="x <= 1"), "`constraints` must be a list"),
    (lambda: Problem("p", SPACE, constraints=[3]), "must list Constraints"),
    (lambda: Problem("p", SPACE, constraints=["a <= 1", "a >= 0"]), "'a' twice"),
    (lambda: Problem("p", SPACE, description=3), "`description` of 'p' must be text"),
    (lambda: Problem("p", SPACE, context={"a": object()}), "plain JSON values"),
    (lambda: Problem("p", SPACE, context=[1]), "must be a mapping"),
    (lambda: Problem.from_dict({"nmae": "p"}), r"Unknown key 'nmae'.*did you mean 'name'"),
    (
        lambda: Problem.from_dict({"name": "p", "space": SPACE.to_dict(), "objectives": [{"nam": 1}]}),
        "did you mean 'name'",
    ),
    (
        lambda: Problem.from_dict({"name": "p", "space": SPACE.to_dict(), "objectives": [{}]}),
        "must have a `name`",
    ),
    (
        lambda: Problem.from_dict({"name": "p", "space": SPACE.to_dict(), "constraints": [3]}),
        "must be a table",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_problems_that_break_a_rule_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        make()


def test_a_problem_survives_json_and_equals_its_copy() -> None:
    copy = Problem.from_dict(json.loads(json.dumps(problem().to_dict())))
    assert copy == problem()
    assert copy.to_dict() == problem().to_dict()
    assert problem() != Problem("p", SPACE)


def test_feasible_means_measured_and_within_every_limit() -> None:
    def measured(**constraints: float) -> Measurement:
        return Measurement([0.9, 1.0], constraints=constraints)

    assert problem().feasible(measured(fit_s=2.0, recall=0.5))
    assert not problem().feasible(measured(fit_s=2.1, recall=0.5))
    assert not problem().feasible(measured(fit_s=2.0, recall=0.4))
    assert not problem().feasible(measured(fit_s=2.0))


def test_measurements_that_do_not_fit_are_refused() -> None:
    fitting = Measurement([0.9, 1.0], constraints={"fit_s": 1, "recall": 0.9})
    assert problem().check(fitting) is fitting
    with pytest.raises(InvalidMeasurement, match="one value per objective"):
        problem().check(Measurement(0.9))
    with pytest.raises(InvalidMeasurement, match="Unknown constraint 'fits'"):
        problem().check(Measurement([1, 2], constraints={"fits": 1}))


def test_a_limit_that_was_not_measured_is_allowed_and_not_feasible() -> None:
    measured = problem().check(Measurement([1, 2], constraints={"fit_s": 1}))
    assert problem().unmeasured(measured) == ("recall",)
    assert not problem().feasible(measured)


def test_a_limit_measured_as_a_metric_counts() -> None:
    checked = problem().check(Measurement([1, 2], [0.1, 0.2], metrics={"fit_s": 1.5, "recall": 1.0}, cost=3))
    assert checked.constraints == {"fit_s": 1.5, "recall": 1.0}
    assert checked.sem == (0.1, 0.2)
    assert checked.cost == 3
