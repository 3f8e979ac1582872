"""Inductive bias in bits: known probabilities are recovered, and the space that suits a function needs fewer."""

import numpy as np
import pytest
from scipy.stats import ncx2

import trialogue as tl
from trialogue.surrogates.contracts import TrainingData
from trialogue.surrogates.options.inductive_bias import (
    _normal_score,
    bits,
    bits_needed,
    hypothesis_losses,
)


def test_a_known_bias_is_recovered_from_samples() -> None:
    df, nc, scale = 9.0, 4.0, 0.05
    target = float(ncx2.ppf(np.exp(-3.29), df, nc, scale=scale))
    losses = np.asarray(ncx2.rvs(df, nc, scale=scale, size=4000, random_state=0))
    assert bits(losses, target) * np.log(2) == pytest.approx(3.29, abs=0.15)


def test_independent_errors_have_a_chi_squared_loss() -> None:
    losses = hypothesis_losses(
        np.full(20, 0.5), 0.04 * np.eye(20), np.zeros(20), np.random.default_rng(0), 8000
    )
    assert losses.mean() == pytest.approx(0.25 + 0.04, rel=0.01)
    assert losses.var() == pytest.approx((2 * 0.04**2 + 4 * 0.25 * 0.04) / 20, rel=0.06)


def test_where_the_tail_underflows_the_normal_score_goes_on() -> None:
    for x in (2.0, 6.0):
        exact = ncx2.logcdf(x, 20.0, 10.0)
        from scipy.stats import norm

        assert norm.logcdf(_normal_score(x, 20.0, 10.0)) == pytest.approx(exact, rel=0.12)
    losses = np.asarray(ncx2.rvs(400, 50, scale=0.01, size=2000, random_state=0))
    assert np.isfinite(bits(losses, 1e-6))
    assert bits(losses, 1e-6) > 500


def data_of(f, n: int = 40) -> TrainingData:
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)])
    X, active = space.canonical(space.sample_rows(np.random.default_rng(1), n))
    return TrainingData(space, X, active, f(X), np.full(n, np.nan))


def test_a_linear_function_needs_least_from_linear_hypotheses_and_a_wave_most() -> None:
    straight = bits_needed(data_of(lambda X: X @ [1.0, 2.0]), np.random.default_rng(0))
    wave = bits_needed(data_of(lambda X: np.sin(7 * X[:, 0]) + X[:, 1] ** 2), np.random.default_rng(0))
    assert straight["linear"] < 0.1
    assert wave["linear"] > 5 * max(wave["gp"], 0.1)


def test_noise_needs_more_than_a_smooth_function() -> None:
    rng = np.random.default_rng(0)
    smooth = bits_needed(data_of(lambda X: (X**2).sum(1)), np.random.default_rng(0))
    noise = bits_needed(data_of(lambda X: rng.normal(size=len(X))), np.random.default_rng(0))
    assert all(noise[name] > smooth[name] + 5 for name in noise)


def test_little_or_constant_data_say_nothing() -> None:
    assert bits_needed(data_of(lambda X: X[:, 0], n=5), np.random.default_rng(0)) == {}
    assert bits_needed(data_of(lambda X: np.ones(len(X))), np.random.default_rng(0)) == {}
