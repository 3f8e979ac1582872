"""Calling an evaluator: what it may take, return and raise."""

import math
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from contracts.evaluator import EvaluatorContract

from trialogue.evaluators.errors import EvaluationFailed, InvalidMeasurement
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.programs.call import Evaluate, check_callable, measure, shortened, takes_run
from trialogue.evaluators.programs.run import Run, Stopped
from trialogue.evaluators.spaces.parameters import Float
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.serving.errors import InvalidInput

SPACE = SearchSpace([Float("x", 0, 1)])
ONE = Problem("one", SPACE)
TWO = Problem("two", SPACE, [Objective("a"), Objective("b", "maximize")], ["fit_s <= 2"])


def measured(result: Any, problem: Problem = ONE) -> Measurement:
    found = measure(lambda params: result, {"x": 0.5}, problem, Run())
    assert isinstance(found, Measurement)
    return found


class TestFunction(EvaluatorContract):
    reports = True

    @pytest.fixture
    def problem(self) -> Problem:
        return ONE

    @pytest.fixture
    def evaluate(self, tmp_path: Path) -> Evaluate:
        def bowl(params: Mapping[str, float], run: Run) -> float:
            if params["x"] > 0.9:
                raise ValueError("x is too large")
            for step in range(3):
                if run.report(step, params["x"] + 1 / (step + 1)):
                    break
            return params["x"] ** 2 + run.seed

        return bowl

    @pytest.fixture
    def failing(self) -> Mapping[str, Any]:
        return {"x": 1.0}


def test_results_may_take_many_forms() -> None:
    assert measured(3).values == (3.0,)
    assert measured([3]).values == (3.0,)
    assert measured({"value": 3, "loss": 2, "note": "text"}).metrics == {"loss": 2}
    assert measured({"objective": 3, "seconds": 7}).seconds == 7
    given = Measurement(3, 0.1, cost=2, metrics={"m": 1})
    found = measured(given)
    assert (found.values, found.sem, found.cost, found.metrics) == ((3.0,), (0.1,), 2, {"m": 1})
    assert found.seconds is not None


def test_mappings_name_objectives_limits_and_metrics() -> None:
    for result in (
        {"a": 1, "b": 2, "fit_s": 0.5, "extra": 9},
        {"values": [1, 2], "constraints": {"fit_s": 0.5}, "metrics": {"extra": 9}},
    ):
        found = measured(result, TWO)
        assert (found.values, found.constraints, found.metrics) == ((1.0, 2.0), {"fit_s": 0.5}, {"extra": 9})


INVALID: list[tuple[Any, Problem, str]] = [
    (None, ONE, "is a `return` missing"),
    (math.nan, ONE, "finite"),
    (math.inf, ONE, "finite"),
    ("0.3", ONE, "finite numbers, got '0.3'"),
    ([1, 2], ONE, "one value per objective"),
    (1, TWO, "one value per objective"),
    ({"a": 1}, TWO, "'b' is missing"),
    ({"a": 1, "b": 2}, TWO, "'fit_s' is missing"),
    (object(), ONE, "finite numbers"),
]


@pytest.mark.parametrize(("result", "problem", "message"), INVALID)
def test_what_is_no_result_fails_the_trial(result: Any, problem: Problem, message: str) -> None:
    with pytest.raises(EvaluationFailed, match=message) as caught:
        measured(result, problem)
    assert caught.value.kind == "invalid"


def test_a_failure_may_be_returned_in_words() -> None:
    with pytest.raises(EvaluationFailed, match="diverged") as caught:
        measured({"failed": "diverged", "kind": "constraint"})
    assert caught.value.kind == "constraint"
    with pytest.raises(EvaluationFailed, match="diverged") as caught:
        measured({"failed": "diverged", "kind": "no such kind"})
    assert caught.value.kind == "crash"


RAISED: list[tuple[Exception, str, str]] = [
    (ValueError("bad"), "crash", "ValueError: bad"),
    (MemoryError(), "out_of_memory", "MemoryError"),
    (RuntimeError("CUDA out of memory. Tried"), "out_of_memory", "CUDA out of memory"),
    (TimeoutError("late"), "timeout", "late"),
    (EvaluationFailed("own words", kind="constraint"), "constraint", "own words"),
]


@pytest.mark.parametrize(("error", "kind", "words"), RAISED)
def test_what_is_raised_becomes_a_failure_with_its_kind(error: Exception, kind: str, words: str) -> None:
    def evaluate(params: Mapping[str, Any]) -> float:
        raise error

    with pytest.raises(EvaluationFailed, match=words) as caught:
        measure(evaluate, {"x": 1}, ONE, Run())
    assert caught.value.kind == kind


def test_the_reason_says_where() -> None:
    def evaluate(params: Mapping[str, Any]) -> float:
        return params["y"]

    with pytest.raises(EvaluationFailed, match=r"KeyError: 'y' \(line \d+ of evaluate\)"):
        measure(evaluate, {"x": 1}, ONE, Run())


def test_interruptions_pass() -> None:
    def evaluate(params: Mapping[str, Any]) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(evaluate, {"x": 1}, ONE, Run())


def test_the_run_is_passed_to_those_who_take_it() -> None:
    class Callable_:
        def __call__(self, params: Any, run: Run) -> float:
            return 0

    class Plain:
        def __call__(self, params: Any) -> float:
            return 0

    assert takes_run(lambda params, run: 0)
    assert takes_run(lambda p, r: 0)
    assert takes_run(lambda params, run=None: 0)
    assert takes_run(lambda *args: 0)
    assert takes_run(Callable_())
    assert not takes_run(lambda params: 0)
    assert not takes_run(lambda params, scale=2: 0)
    assert not takes_run(lambda params, *, verbose=False: 0)
    assert not takes_run(Plain())
    assert not takes_run(dict)


def test_an_evaluation_told_to_stop_is_stopped_whatever_it_does_next() -> None:
    def raising(params: Any, run: Run) -> float:
        run.report(0, math.nan)
        run.report(1, 0.25)
        run.report(2, math.nan)
        raise EvaluationFailed("stopped, as told")

    stopped = measure(raising, {"x": 1}, ONE, Run(on_report=lambda step, value: step == 2))
    assert stopped == Stopped(1, 0.25)


@pytest.mark.parametrize(("step", "value"), [(1.5, 0), (-1, 0), (True, 0), (0, "x"), (0, None), (0, True)])
def test_reports_are_numbers_at_whole_steps(step: Any, value: Any) -> None:
    with pytest.raises(InvalidMeasurement):
        Run().report(step, value)


def test_nobody_stops_a_run_on_its_own() -> None:
    run = Run()
    assert run.report(0, 1.0) is False
    assert run.reports == [(0, 1.0)]
    assert not run.stop_requested


def test_long_reasons_keep_their_beginning_and_end() -> None:
    text = shortened("a" * 3000 + "b" * 3000)
    assert len(text) < 2010
    assert text.startswith("aaa")
    assert text.endswith("bbb")


class Unwritable(Exception):
    """An error whose message cannot be written."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_without_words_fails_its_trial() -> None:
    def evaluate(params: Any) -> float:
        raise Unwritable

    with pytest.raises(EvaluationFailed, match="Unwritable: its message cannot be written: RuntimeError"):
        measure(evaluate, {"x": 1.0}, ONE, Run())


@pytest.mark.parametrize("table", [[1], "abc", 3])
@pytest.mark.parametrize("key", ["metrics", "constraints"])
def test_a_table_that_is_none_is_named(key: str, table: Any) -> None:
    with pytest.raises(EvaluationFailed, match=f"`{key}` must map names to numbers"):
        measure(lambda params: {"value": 1.0, key: table}, {"x": 1.0}, ONE, Run())


def test_a_program_that_exits_is_a_failed_trial() -> None:
    with pytest.raises(EvaluationFailed, match=r"SystemExit: 3 \(line \d+ of exits\)"):
        measure(exits, {"x": 1}, ONE, Run())


def exits(params: Mapping[str, Any]) -> float:
    sys.exit(3)


def test_a_measurement_that_is_none_is_told_without_a_line_of_ours() -> None:
    with pytest.raises(EvaluationFailed, match=r"finite numbers") as caught:
        measure(lambda params: Measurement(math.nan), {"x": 1}, ONE, Run())
    assert caught.value.kind == "invalid"
    assert "line" not in str(caught.value)


def test_an_output_that_was_closed_is_open_again() -> None:
    code = "import sys\nfrom test_call import *\nprint(measured_by(lambda p: sys.stdout.close() or 0.5))"
    assert ended(code) == "0.5"


def test_a_forked_process_that_comes_back_ends_there() -> None:
    code = (
        "import os\nfrom test_call import *\nprint(measured_by(lambda p: os.wait()[1] if os.fork() else 7))"
    )
    assert ended(code) == "256.0"


def measured_by(evaluate: Evaluate) -> float:
    found = measure(evaluate, {"x": 1}, ONE, Run())
    assert isinstance(found, Measurement)
    return found.values[0]


def ended(code: str) -> str:
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    code = f"import sys; sys.path[:0] = {paths!r}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    ).stdout.strip()


async def later(params: Any) -> float:
    return 1


def yields(params: Any) -> Any:
    yield 1


WRONG = [
    (later, "async"),
    (yields, "use `return`"),
    (partial(yields), "use `return`"),
    (lambda: 1, "f\\(params, run\\)"),
    (lambda *, x: 1, "f\\(params, run\\)"),
    (lambda a, b, c: 1, "missing"),
    (3, "function"),
]


@pytest.mark.parametrize(("evaluate", "words"), WRONG)
def test_what_cannot_be_called_is_refused_before_a_trial_is_spent(evaluate: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        check_callable(evaluate)
    for fine in (
        lambda p: 1,
        lambda p, run: 1,
        lambda p, run=None: 1,
        lambda *a: 1,
        print,
        float,
        partial(pow, 2),
    ):
        check_callable(fine)
