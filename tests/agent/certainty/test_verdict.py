"""What runs of two configurations say together: gains, failures, limits, evaluators that repeat themselves."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.certainty.pairing import Pairing, Runs, Side, better_by_pair, runs_of
from trialogue.agent.certainty.verdict import certified
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, RunningTrial
from trialogue.evaluators.statistics.paired import PairPlan

SPACE = tl.SearchSpace([tl.Float("x", 0, 1, default=0.5)])
FASTER = tl.Problem(
    "speed", SPACE, [tl.Objective("tok_s", "maximize")], constraints=[tl.Constraint("memory", upper=10)]
)
SHORTER = tl.Problem("time", SPACE, [tl.Objective("seconds")])
GOOD, USUAL = Side({"x": 0.9}, 3, 130.0), Side({"x": 0.5}, 0, 100.0, is_default=True)
PAIRING = Pairing("speed", GOOD, USUAL, 0, "ratio", PairPlan(), 1.0, 20)


def history(candidate, baseline, problem=FASTER, memory=5.0):
    trials = []
    for c, b in zip(candidate, baseline, strict=True):
        for params, value in ((GOOD.params, c), (USUAL.params, b)):
            number = len(trials)
            if value is None:
                trials.append(FailedTrial(number, params, "crash", "killed"))
            else:
                limits = {"memory": memory} if problem.constraints else {}
                trials.append(FinishedTrial(number, params, tl.Measurement(value, constraints=limits)))
    return History(problem).extended(
        finished=[t for t in trials if isinstance(t, FinishedTrial)],
        failed=[t for t in trials if isinstance(t, FailedTrial)],
    )


def noisy(level, n, seed=0):
    return list(level * np.exp(0.02 * np.random.default_rng(seed).standard_normal(n)))


def test_a_clear_gain_is_a_change_and_says_what_the_search_had_shown():
    found = certified(history(noisy(120, 9), noisy(100, 9, 1)), PAIRING)
    assert found.recommendation == "change"
    assert found.gain is not None
    assert 1.1 < found.gain.low < 1.2 < found.gain.high < 1.3
    assert found.searched == pytest.approx(1.3)
    assert str(found).startswith(
        "trial 3 against the default: change recommended; surely better: tok_s ×1.2 (90%"
    )


def test_smaller_is_better_where_it_is_minimized():
    found = certified(history(noisy(80, 9), noisy(100, 9, 1), SHORTER), PAIRING)
    assert found.recommendation == "change"
    assert found.gain is not None
    assert found.gain.estimate == pytest.approx(1.25, rel=0.02)


def test_no_change_is_an_answer():
    found = certified(history(noisy(100, 20), noisy(100, 20, 1)), PAIRING)
    assert found.recommendation == "no change"
    assert "within the noise" in found.reason
    worse = certified(history(noisy(80, 9), noisy(100, 9, 1)), PAIRING)
    assert worse.reason.startswith("surely worse")


def test_a_gain_below_the_smallest_that_counts_is_no_change():
    runs = history(noisy(110, 20), noisy(100, 20, 1))
    assert certified(runs, PAIRING).recommendation == "change"
    found = certified(runs, replace(PAIRING, least=1.2))
    assert (found.recommendation, "not surely above 1.2" in found.reason) == ("no change", True)


def test_runs_that_fail_or_break_a_limit_lose():
    failing = certified(history([None] * 8, noisy(100, 8)), PAIRING)
    assert failing.recommendation == "no change"
    assert "failed or broke a limit: 8 runs of the candidate, 0 of the baseline" in failing.reason
    both = certified(history(noisy(120, 9), noisy(100, 9), memory=99.0), PAIRING)
    assert both.recommendation != "change"
    rescued = certified(history(noisy(50, 9), [None] * 9), PAIRING)
    assert rescued.recommendation == "change"


def test_a_broken_evaluator_is_no_noise():
    found = certified(history([None] * 5, [None] * 5), PAIRING)
    assert found.recommendation == "no change"
    assert found.reason == "nothing was compared: all 5 runs of each side failed or broke a limit"


def test_what_only_one_side_can_run_has_no_finite_gain():
    found = certified(history(noisy(120, 8), [None] * 8), PAIRING)
    assert found.recommendation == "change"
    assert (
        "surely better: tok_s better by no finite amount (8 pairs); failed or broke a limit" in found.reason
    )


def test_lost_runs_say_nothing_and_running_ones_wait():
    lost = FailedTrial(50, GOOD.params, "lost", "worker died")
    there = history([120.0, 121.0], [100.0, 101.0])
    more = there.extended(failed=[lost], running=[RunningTrial(60, USUAL.params)])
    runs = runs_of(more, PAIRING)
    assert runs == Runs((120.0, 121.0), (100.0, 101.0, None))
    assert runs.pairs == [(120.0, 100.0), (121.0, 101.0)]


def test_an_evaluator_that_repeats_itself_needs_three_pairs():
    assert certified(history([130.0] * 2, [100.0] * 2), PAIRING).recommendation == "open"
    exact = certified(history([130.0] * 3, [100.0] * 3), PAIRING)
    assert exact.recommendation == "change"
    assert "the values of the search again" in exact.reason
    lucky = certified(history([100.0] * 3, [100.0] * 3), PAIRING)  # the search's 130 did not come again
    assert lucky.recommendation != "change"


def test_differences_are_taken_where_values_have_both_signs():
    pairing = replace(PAIRING, scale="difference", least=0.0)
    assert better_by_pair([(1.0, -1.0)], FASTER, pairing) == [2.0]
    assert better_by_pair([(1.0, -1.0)], SHORTER, pairing) == [-2.0]
    assert better_by_pair([(math.inf, -1.0)], SHORTER, pairing) == [-math.inf]


def test_an_outcome_is_json_whatever_happened():
    found = certified(history([None, 120.0], [100.0, None]), PAIRING)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["runs"][0] == {"candidate": None, "baseline": 100.0}
    assert plain["recommendation"] == "open"


def test_a_pairing_is_read_as_it_was_written():
    assert Pairing.from_text(PAIRING.to_text()) == PAIRING
    assert PAIRING.name == "speed-verify-3"
    assert replace(PAIRING, baseline=Side({"x": 0.1}, 7)).name == "speed-verify-3-against-7"


def test_percentiles_of_the_runs_know_their_number():
    candidate, baseline = certified(history(noisy(120, 9), noisy(100, 9, 1)), PAIRING).percentile(0.99)
    assert candidate.n == baseline.n == 9
    assert "needs 100 or more" in candidate.warning
