"""Random subspaces: geometry, round trips, and studies that stay inside."""

import numpy as np
import pytest
from contracts.engine import MIXED, EngineContract, finished, value

import trialogue as tl
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.models.outcome import Settings
from trialogue.surrogates.options.subspace import RandomSubspace

WIDE = tl.SearchSpace([tl.Float(f"x{i}", 0, 1, default=0.5) for i in range(12)])


class TestEngineInASubspace(EngineContract):
    def make(self, problem):
        return GaussianEngine(problem, Settings(subspace=2))

    def test_an_assessment_is_comparable_with_the_suggestion(self):
        """Its suggestion is the best of the subspace, and elsewhere may be better."""
        history = finished(tl.Problem("p", MIXED), 12)
        rng = np.random.default_rng(0)
        belief = self.make(history.problem).condition(history, rng)
        suggestion = belief.suggest(1, rng)[0]
        own = belief.assess([suggestion.params])[0]
        assert suggestion.assessment is not None
        assert own.log_acquisition == pytest.approx(suggestion.assessment.log_acquisition)


def test_columns_are_orthonormal_and_the_default_is_the_origin() -> None:
    subspace = RandomSubspace.random(WIDE, 3)
    assert subspace.projection.T @ subspace.projection == pytest.approx(np.eye(3), abs=1e-12)
    assert subspace.rows(np.zeros((1, 3)))[0] == pytest.approx(np.full(12, 0.5))
    assert RandomSubspace.random(WIDE, 99).projection.shape == (12, 12)


def test_coordinates_come_back_where_nothing_is_clipped() -> None:
    subspace = RandomSubspace.random(WIDE, 3)
    Z = 0.1 * np.random.default_rng(0).standard_normal((20, 3))
    assert subspace.coordinates(subspace.rows(Z)) == pytest.approx(Z)


def test_a_study_stays_in_its_subspace_and_gets_better_in_it() -> None:
    study = tl.Study(tl.Problem("p", WIDE), strategy="surrogate", engine=tl.EngineOptions(subspace=2), seed=0)
    study.run(lambda p: sum((p[f"x{i}"] - 0.6) ** 2 for i in range(12)), n_trials=14)
    X = WIDE.encode([t.params for t in study.trials])[0]
    subspace = RandomSubspace.random(WIDE, 2)
    inside = (X > 1e-9).all(1) & (X < 1 - 1e-9).all(1)
    assert inside.sum() >= 5
    Z = subspace.coordinates(X[inside])
    assert subspace.rows(Z) == pytest.approx(X[inside], abs=1e-6)
    values = [t.value for t in study.trials]
    assert min(v for v in values if v is not None) < 0.95 * (values[0] or 0)


def test_mixed_spaces_have_subspaces_too() -> None:
    study = tl.Study(tl.Problem("p", MIXED), strategy="surrogate", engine=tl.EngineOptions(subspace=1))
    study.run(value, n_trials=8)
    assert len({MIXED.key(t.params) for t in study.trials}) == 8
