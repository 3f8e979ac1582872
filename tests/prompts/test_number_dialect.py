"""Histories as tokens: scores are relative, numbers keep their bins, failures and inactive parameters have words."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from trialogue.prompts import number_dialect as nd

DIALECT = nd.Dialect()


def history(loss, failed=None, d: int = 2) -> nd.NumberHistory:
    n = len(loss)
    X = np.random.default_rng(0).random((n, d))
    failed = np.zeros(n, bool) if failed is None else np.array(failed)
    return nd.NumberHistory(X, np.ones((n, d), bool), np.array(loss, float), failed, np.zeros(d, bool))


@given(st.floats(-50, 1e4))
def test_warp_and_unwarp_are_inverse(z):
    assert float(nd.unwarp(nd.warp(np.array(z)))) == pytest.approx(z, rel=1e-9, abs=1e-9)


def test_the_best_trial_stands_at_zero_and_the_median_at_one():
    z = history([3.0, 1.0, 2.0, 9.0, 5.0]).relative()
    assert z[1] == 0.0
    assert z[0] == 1.0


@pytest.mark.parametrize("loss", [[1.0, 1.0, 1.0, 4.0], [2.0, 2.0], [5.0]])
def test_ties_leave_scores_finite(loss):
    assert np.isfinite(history(loss).relative()).all()


def test_scores_do_not_change_with_the_unit():
    one, other = history([3.0, 1.0, 2.0]), history([7.0, 3.0, 5.0])
    np.testing.assert_array_equal(nd.score_bins(one.relative()), nd.score_bins(other.relative()))


def test_a_prompt_holds_kinds_trials_and_scores_in_order():
    h = history([1.0, 2.0, 3.0])
    t = nd.history_tokens(DIALECT, h, np.array([1, 0]), np.array([2, 0, 1]))
    assert len(t) == 1 + 2 + 3 * 4
    assert t[0] == nd.BOS
    assert (t[[3, 7, 11]] == nd.TRIAL).all()
    assert t[4] == nd.X0 + nd.number_bins(h.X)[2, 1]
    assert t[8 + 2] == nd.Y0 + nd.score_bins(np.array([0.0]))[0]


def test_failed_trials_and_inactive_parameters_have_their_own_words():
    h = history([1.0, 2.0, np.inf], [False, False, True])
    h.active[2, 0] = False
    t = nd.history_tokens(DIALECT, h, np.arange(2), np.arange(3))
    assert t[-1] == nd.FAIL
    assert t[-3] == nd.OFF
    old = nd.Dialect(slots=8, knows_off=False, knows_fail=False)
    spoken = nd.history_tokens(old, h, np.arange(2), np.arange(3))
    assert spoken[-1] == nd.Y0 + nd.BINS - 1
    assert not np.isin(spoken, [nd.OFF, nd.FAIL]).any()


def test_a_long_history_keeps_its_best_half():
    h = history(list(range(100)))
    short = h.shortened(20, np.random.default_rng(0))
    assert len(short.loss) == 20
    assert set(range(10)) <= set(short.loss.astype(int))


def test_every_token_has_one_name():
    names = DIALECT.token_names()
    assert len(names) == len(set(names)) == DIALECT.vocabulary


def test_the_longest_history_fits_into_the_positions():
    for d in range(1, 13):
        n = nd.longest_history(DIALECT, d)
        assert (1 + d) + (n + 1) * (d + 2) <= 1024
