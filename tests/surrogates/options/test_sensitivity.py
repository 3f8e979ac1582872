"""Sensitivity sampling: scores against their definition, weights that leave norms unbiased, and studies that use it."""

import numpy as np
import pytest
from contracts.engine import finished
from scipy.optimize import linprog, minimize

import trialogue as tl
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.models.coreset import MOST, TrainingRows
from trialogue.surrogates.models.outcome import Settings
from trialogue.surrogates.options.sensitivity import (
    leverage_scores,
    sample_rows,
    sensitivity_bounds,
    stated_error,
)

A = np.vstack([np.random.default_rng(0).normal(size=(30, 3)) * 0.2, np.eye(3)])


def exact_sensitivity(i: int, p: float) -> float:
    """Return max |a_i x|^p / |Ax|_p^p as 1 / min |Ax|_p^p with a_i x = 1; by linear programming for p = 1."""
    n, m = A.shape
    if p == 1:
        inequalities = np.block([[A, -np.eye(n)], [-A, -np.eye(n)]])
        equality = np.hstack([A[i], np.zeros(n)])[None]
        found = linprog(
            np.hstack([np.zeros(m), np.ones(n)]), inequalities, np.zeros(2 * n), equality, [1.0],
            bounds=[(None, None)] * m + [(0, None)] * n,
        )  # fmt: skip
        return 1.0 / found.fun
    start = np.linalg.pinv(A[i][None])[:, 0]
    _, _, V = np.linalg.svd(A[i][None])
    free = V[1:].T
    found = minimize(lambda z: np.sum(np.abs(A @ (start + free @ z)) ** p), np.zeros(m - 1), tol=1e-12)
    return 1.0 / found.fun


def test_leverage_scores_are_the_sensitivities_of_p_2_and_sum_to_the_rank() -> None:
    scores = leverage_scores(A)
    assert scores.sum() == pytest.approx(3.0)
    for i in (0, 7, 31):
        assert scores[i] == pytest.approx(exact_sensitivity(i, 2.0), rel=1e-6)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0, 4.0])
def test_bounds_are_above_the_sensitivities(p: float) -> None:
    bounds = sensitivity_bounds(leverage_scores(A), p)
    for i in (0, 7, 15, 31):
        assert exact_sensitivity(i, p) <= bounds[i] * (1 + 1e-6)


def test_rows_that_alone_carry_a_direction_are_kept_for_certain() -> None:
    B = np.zeros((1000, 2))
    B[:, 0], B[5] = 1.0, (0.0, 1.0)
    for seed in range(20):
        rows, probability = sample_rows(leverage_scores(B), 50, np.random.default_rng(seed))
        assert 5 in rows
        assert probability[rows == 5] == 1.0
        assert len(rows) <= 50


def test_weights_leave_norms_unbiased() -> None:
    rng = np.random.default_rng(3)
    B, x = rng.standard_t(2, size=(800, 4)), rng.normal(size=4)
    norms = []
    for seed in range(400):
        rows, probability = sample_rows(leverage_scores(B), 100, np.random.default_rng(seed))
        norms.append(np.sum((B[rows] @ x) ** 2 / probability))
    error = np.std(norms) / np.sqrt(len(norms))
    # never more than 100 rows: what is dropped then loses a little
    assert np.mean(norms) == pytest.approx(np.sum((B @ x) ** 2), rel=0.03, abs=4 * error)


def test_the_bound_has_the_exponents_of_the_paper() -> None:
    scores = np.full(100, 0.16)  # S = 16
    assert stated_error(scores, 1.0, 256) == pytest.approx(1.0)  # sqrt(S^2 / 256)
    assert stated_error(scores, 2.0, 256) == pytest.approx(0.25)
    assert stated_error(scores, 4.0, 256) == pytest.approx(0.5)  # sqrt(S^1.5 / 256)


def test_weights_are_noise_variances() -> None:
    rows = TrainingRows(np.arange(3), np.array([0.25, 0.5, 1.0]))
    errors = rows.standard_errors(np.array([np.nan, np.nan, 0.1]), np.array([-1.0, 0.0, 1.0]), np.log(0.3))
    assert errors**2 == pytest.approx([0.0, 0.2 * 0.25, 0.01 + 0.2 * 0.75])
    assert np.isnan(TrainingRows(np.arange(2)).standard_errors(np.full(2, np.nan), np.zeros(2), 0.0)).all()


def test_a_long_study_trains_on_rows_drawn_by_sensitivity_and_says_so() -> None:
    problem = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)]))
    history = finished(problem, MOST + 80, lambda q: (q["x"] - 0.3) ** 2 + q["y"])
    belief = GaussianEngine(problem, Settings(coreset="sensitivity")).condition(
        history, np.random.default_rng(0)
    )
    assert any("drawn by sensitivity" in note and "1 ±" in note for note in belief.notes)
    near, far = belief.assess([{"x": 0.3, "y": 0.05}, {"x": 0.9, "y": 0.9}])
    assert near.prediction.mean[0] == pytest.approx(0.05, abs=0.05)
    assert far.prediction.mean[0] == pytest.approx(0.36 + 0.9, abs=0.05)
    short = finished(problem, 30, lambda q: q["x"])
    quiet = GaussianEngine(problem, Settings(coreset="sensitivity")).condition(
        short, np.random.default_rng(0)
    )
    assert not any("sensitivity" in note for note in quiet.notes)
