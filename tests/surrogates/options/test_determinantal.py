"""Designs by determinantal processes: orthonormal features, exact marginals, repulsion, unbiased least squares."""

from itertools import combinations

import numpy as np
import pytest
from contracts.engine import MIXED, EngineContract, value

import trialogue as tl
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.models.embedding import Embedding
from trialogue.surrogates.models.outcome import Settings
from trialogue.surrogates.options.determinantal import (
    Basis,
    RandomDesign,
    density_given,
    draw,
    least_squares,
)


class TestEngineWithDeterminantalDesign(EngineContract):
    def make(self, problem):
        return GaussianEngine(problem, Settings(design_kind="dpp", design=5))


class TestEngineWithVolumeDesign(EngineContract):
    def make(self, problem):
        return GaussianEngine(problem, Settings(design_kind="volume", design=8))


def legendre(x: np.ndarray, m: int) -> np.ndarray:
    """Return the first m polynomials that are orthonormal on [-1, 1] with the uniform measure."""
    return np.polynomial.legendre.legvander(x, m - 1) * np.sqrt(2 * np.arange(m) + 1)


def test_features_are_orthonormal_over_any_space() -> None:
    basis = RandomDesign(Embedding(MIXED), 5, 0.2, repeated=True).basis()
    phi = basis.features(basis.reference)
    assert basis.m == 5
    assert np.allclose(phi.T @ phi / len(phi), np.eye(5), atol=1e-6)
    assert np.ptp(np.abs(phi[:, 0])) < 0.05  # the first is the constant, nearly


def test_a_space_with_few_points_has_few_features() -> None:
    few = tl.SearchSpace([tl.Categorical("a", ["x", "y"])])
    assert RandomDesign(Embedding(few), 9, 0.2, repeated=True).basis().m == 2


def test_pairs_are_drawn_with_the_determinant_as_probability() -> None:
    rng = np.random.default_rng(0)
    phi, _ = np.linalg.qr(rng.normal(size=(5, 2)))
    counts = dict.fromkeys(combinations(range(5), 2), 0)
    for _ in range(6000):
        i, j = sorted(draw(phi, 2, rng))
        counts[int(i), int(j)] += 1
    for pair, count in counts.items():
        expected = np.linalg.det(phi[list(pair)] @ phi[list(pair)].T)
        assert count / 6000 == pytest.approx(expected, abs=0.025)  # four standard errors


def test_the_density_vanishes_at_points_that_were_drawn() -> None:
    phi = legendre(np.linspace(-1, 1, 50), 4)
    assert density_given(phi, phi[[3, 20]])[[3, 20]] == pytest.approx(0.0, abs=1e-12)
    assert density_given(phi, phi[[3, 20]]).sum() > 1.0


def errors_of(design: str, seeds: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients (seeds, m) that designs find for a function outside the span, and the best ones (m,)."""
    x = np.linspace(-1, 1, 400)
    y, phi = np.abs(x) + 0.3 * np.sin(4 * x), legendre(x, m)
    phi = phi @ np.linalg.inv(np.linalg.cholesky(phi.T @ phi / len(x)).T)
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        rows = rng.integers(len(x), size=n) if design == "uniform" else draw(phi, n, rng)
        found.append(least_squares(phi[rows], y[rows]))
    return np.array(found), phi.T @ y / len(x)


def test_weighted_least_squares_on_a_volume_sample_are_unbiased() -> None:
    found, best = errors_of("volume", 1500, 9, 5)
    error = found.mean(0) - best
    assert (np.abs(error) < 4.5 * found.std(0) / np.sqrt(len(found))).all()


def test_volume_sampling_is_nearer_to_the_best_approximation_than_independent_points() -> None:
    volume, best = errors_of("volume", 200, 6, 5)
    uniform, _ = errors_of("uniform", 200, 6, 5)
    assert np.sum((volume - best) ** 2, 1).mean() < 0.2 * np.sum((uniform - best) ** 2, 1).mean()


def test_the_constant_comes_first_in_a_basis_of_a_kernel() -> None:
    Z = np.linspace(0, 1, 40)[:, None]
    basis = Basis.of_kernel(lambda A, B: np.exp(-((A - B.T) ** 2)), Z, 3)
    assert np.std(basis.features(Z)[:, 0]) < 0.01


@pytest.mark.parametrize("design", ["dpp", "volume"])
def test_a_study_places_its_first_trials_so(design: str) -> None:
    study = tl.Study(
        tl.Problem("p", MIXED), strategy="surrogate", engine=tl.EngineOptions(design=design, design_trials=6)
    )
    study.run(value, n_trials=7)
    words = [t.reason for t in study.trials]
    assert sum("given what was tried" in w and "drawn by" in w for w in words) == 5
    again = tl.Study(
        tl.Problem("p", MIXED), strategy="surrogate", engine=tl.EngineOptions(design=design, design_trials=6)
    )
    again.run(value, n_trials=7)
    assert [t.params for t in again.trials] == [t.params for t in study.trials]
