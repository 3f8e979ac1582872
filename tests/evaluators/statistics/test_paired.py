"""Intervals from pairs: right at every look whatever the noise, and narrow enough to be of use."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from trialogue.evaluators.statistics.paired import (
    PairPlan,
    better_by,
    center,
    judged,
    lower_bound,
    paired_gain,
    rejecting_look,
    scale_of,
)
from trialogue.serving.errors import InvalidInput

PLAN = PairPlan(pairs=20)
NOISE = {
    "normal": lambda rng, n: rng.standard_normal(n) - rng.standard_normal(n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n) - rng.standard_cauchy(n),
    "exponential": lambda rng, n: rng.exponential(1, n) - rng.exponential(1, n),
    "unequal": lambda rng, n: rng.standard_normal(n) * 5 - rng.standard_normal(n),
    "drifting": lambda rng, n: (rng.standard_normal(n) - rng.standard_normal(n)) * np.linspace(0.1, 9, n),
    "rounded": lambda rng, n: np.round(rng.standard_normal(n)) - np.round(rng.standard_normal(n)),
}


@pytest.mark.parametrize("noise", NOISE)
def test_what_does_not_differ_is_rarely_called_better_at_any_look(noise: str) -> None:
    rng = np.random.default_rng(7)
    wrong = sum(rejecting_look(NOISE[noise](rng, 24), PLAN) is not None for _ in range(100))
    # 5 are expected at most; more than 11 of 100 have a probability of 0.4 % at alpha = 0.05
    assert wrong <= 11


def test_the_spending_never_exceeds_alpha() -> None:
    spent = [PLAN.spent(n) for n in range(1, 2000)]
    assert all(a < b for a, b in itertools.pairwise(spent))
    assert spent[-1] < 0.05


def test_a_gain_of_one_noise_sd_is_mostly_seen_within_20_pairs() -> None:
    rng = np.random.default_rng(11)
    seen = sum(rejecting_look(NOISE["normal"](rng, 20) + 1, PLAN) is not None for _ in range(150))
    assert seen >= 0.75 * 150  # 84 % in the long run; three standard errors below it


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(-100, 100).map(float), min_size=1, max_size=16),
    st.integers(-50, 50),
    st.sampled_from([0.5, 2.0, 64.0]),
)
def test_the_interval_follows_shift_and_scale(d: list[float], shift: float, factor: float) -> None:
    before = paired_gain(d, PLAN)
    after = paired_gain([factor * (x + shift) for x in d], PLAN)
    tolerance = factor * (1e-3 * (np.ptp(d) + abs(d[0])) + 1e-6)
    for a, b in ((before.low, after.low), (before.high, after.high), (before.estimate, after.estimate)):
        assert b == pytest.approx(factor * (a + shift), abs=tolerance)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=24))
def test_what_is_judged_better_has_its_lower_end_above_zero(d: list[float]) -> None:
    tolerance = 1e-3 * (np.ptp(d) + abs(d[0]))
    if judged(d, PLAN) == "better":
        assert lower_bound(d, PLAN) >= -tolerance
    else:
        assert lower_bound(d, PLAN) <= tolerance


def test_more_pairs_never_widen_what_was_certain() -> None:
    d = np.random.default_rng(3).standard_normal(20) + 1.5
    looks = [rejecting_look(d[:n], PLAN) for n in range(1, 21)]
    first = next(look for look in looks if look is not None)
    assert looks[first - 1 :] == [first] * (21 - first)


def test_few_pairs_know_no_interval() -> None:
    gain = paired_gain([1.0, 2.0, 3.0], PLAN)
    assert (gain.low, gain.high) == (-math.inf, math.inf)
    assert gain.estimate == 2.0


def test_the_planned_pairs_end_it_either_way() -> None:
    rng = np.random.default_rng(5)
    assert judged(list(rng.standard_normal(20) * 1e-9 - 3), PLAN) == "not better"
    assert judged([0.0] * 20, PLAN) == "not better"
    assert judged([0.1, -0.1, 0.1], PLAN) == "open"


def test_what_loses_is_given_up_early() -> None:
    rng = np.random.default_rng(5)
    d = rng.standard_normal(20) - 2
    assert next(n for n in range(1, 21) if judged(d[:n], PLAN) != "open") <= 6


def test_more_pairs_than_planned_can_still_decide() -> None:
    d = np.random.default_rng(2).standard_normal(60) + 0.45
    assert (judged(d[:20], PLAN), judged(d[:20], PLAN, until=60)) == ("not better", "open")
    assert judged(d, PLAN, until=60) == "better"


def test_one_run_that_hung_does_not_decide() -> None:
    d = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.1, 0.9, -500.0, 1.0, 1.0, 1.1]
    assert judged(d, PLAN) == "better"
    assert 0.3 < center(d) < 1.1


def test_failed_runs_count_as_lost_pairs() -> None:
    assert judged([-math.inf] * 6, PLAN) == "not better"
    assert judged([math.inf] * 9, PLAN) == "better"
    assert judged([math.inf, *[0.01] * 8], PLAN) == "better"


def test_normal_noise_needs_three_pairs_only() -> None:
    plan = PairPlan(pairs=3, assumption="normal")
    assert judged([0.30, 0.31, 0.29], plan) == "better"
    assert judged([0.30, -0.31, 0.29], plan) == "not better"


def test_the_last_look_at_normal_noise_is_almost_students() -> None:
    d = [0.2, 0.5, 0.3, 0.6]
    low = lower_bound(d, PairPlan(pairs=4, assumption="normal"))
    half = stats.t.ppf(0.95, 3) * np.std(d, ddof=1) / 2
    assert np.mean(d) - 1.6 * half < low < np.mean(d) - half


def test_plans_that_could_decide_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="`pairs` must be >= 5"):
        PairPlan(pairs=4)
    with pytest.raises(InvalidInput, match="`level`"):
        PairPlan(level=1.0)


def test_values_of_one_sign_are_compared_by_ratio() -> None:
    assert scale_of([1.0, 2.0]) == "ratio"
    assert scale_of([0.0, 2.0]) == scale_of([]) == "difference"
    assert better_by(2.0, 1.0, "ratio") == pytest.approx(math.log(2))
    assert better_by(0.0, 1.0, "ratio") == -math.inf
    assert better_by(3.0, 1.0, "difference") == 2.0
    assert better_by(math.inf, math.inf, "difference") == 0.0
    assert better_by(-math.inf, 1.0, "difference") == -math.inf


def test_a_gain_reads_like_a_sentence() -> None:
    d = list(np.log(1.12) + 0.01 * np.sin(np.arange(12)))
    assert str(paired_gain(d, PLAN, "ratio")).startswith("×1.12 (90% interval 1.1")
    assert str(paired_gain([1.0], PLAN)) == "+1 (1 pair: too few for an interval)"
