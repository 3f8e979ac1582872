"""The regret benchmark's own arithmetic, its problems, and the wire to its peers (to a scripted one, in this interpreter)."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("benchmarks/ is not shipped with the wheel", allow_module_level=True)
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "peers")]

import regret_tables as tables  # noqa: E402
from problems import all_cases  # noqa: E402
from wire import Worst  # noqa: E402
from wired import _described, _told, _value  # noqa: E402


def run(case: str, seed: int, *curve: float | None) -> dict:
    return {"case": case, "seed": seed, "curve": list(curve), "wasted": 0, "cpu_ms": 1.0}


def test_regret_is_one_before_a_feasible_value_and_zero_at_the_best_known():
    curve = tables.regret(run("a", 0, None, 9.0, 3.0, 1.0), {"a": (1.0, 5.0)})
    assert curve.tolist() == [1.0, 1.0, 0.5, 0.0]


def test_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        low, high = tables.interval({"a": rng.standard_normal(5), "b": rng.standard_normal(5)}, "ab", rng)[1:]
        hits += low <= 0 <= high
    assert 0.86 <= hits / 200 <= 0.99


def test_no_interval_from_one_seed():
    assert np.isnan(tables.interval({"a": np.array([0.2])}, ["a"], np.random.default_rng(0))[1])


def test_ranks_share_ties_and_leave_out_who_did_not_run_everything():
    known = {"a": (0.0, 1.0), "b": (0.0, 1.0)}
    runs = {
        "x": [run("a", 0, *[0.1] * 30), run("b", 0, *[0.5] * 30)],
        "y": [run("a", 0, *[0.2] * 30), run("b", 0, *[0.5] * 30)],
        "z": [run("a", 0, *[0.0] * 30)],
    }
    assert tables.mean_ranks(runs, known, ["a", "b"]) == {"x": 1.25, "y": 1.75}


def test_a_third_of_the_problems_is_unseen_in_every_family():
    cases = all_cases()
    assert len({c.name for c in cases}) == len(cases)
    for family in {c.family for c in cases}:
        unseen = [c.unseen for c in cases if c.family == family]
        assert 0.28 <= np.mean(unseen) <= 0.45, family


@pytest.mark.parametrize("case", all_cases(), ids=lambda c: c.name)
def test_the_wire_brings_back_every_value(case):
    for params in case.problem.space.sample(np.random.default_rng(0), 5):
        space = case.problem.space
        back = {n: _value(space[n], _told(space[n], v)) for n, v in params.items()}
        assert space.key(space.clip(back)) == space.key(params)


def test_a_condition_is_told_as_numbers_of_choices():
    case = next(c for c in all_cases() if c.name == "layers-and-schedules")
    space = case.problem.space
    told = _described(space["width3"], space._conditions[space.names.index("width3")])
    assert told["when"] == [["layers", [2, 3]]]
    assert (told["kind"], told["low"], told["high"], told["log"]) == ("int", 8, 512, True)


def test_failures_before_any_value_are_held_back_and_then_told_the_worst():
    worst = Worst()
    assert worst.settle("first", None) == []
    assert worst.settle("second", 2.0) == [("second", 2.0), ("first", 2.0)]
    assert worst.settle("third", 5.0) == [("third", 5.0)]
    assert worst.settle("fourth", None) == [("fourth", 5.0)]


def test_every_closed_form_answers_at_its_default():
    for case in all_cases():
        if case.family in ("synthetic", "systems"):
            outcome = case.evaluate(case.problem.space.default())
            assert outcome.failure if outcome.value is None else np.isfinite(outcome.value)
