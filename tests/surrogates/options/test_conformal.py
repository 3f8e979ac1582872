"""Conformal selection: against the textbook, a loop over the paper's steps, and the bound on false discoveries."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.surrogates.models.embedding import Embedding
from trialogue.surrogates.options.conformal import (
    Pruning,
    benjamini_hochberg,
    e_benjamini_hochberg,
    scores,
    selected,
)
from trialogue.surrogates.options.features import prior_kernel

EMBEDDING = Embedding(tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(3)]))
KERNELS = [prior_kernel(EMBEDDING, length) for length in (0.2, 0.8)]


def test_benjamini_hochberg_rejects_what_the_textbook_rejects() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.2])
    assert benjamini_hochberg(p, 0.05).tolist() == [True, True, True, True, False]
    assert not benjamini_hochberg(np.array([0.3, 0.9]), 0.05).any()
    assert benjamini_hochberg(np.array([]), 0.05).tolist() == []


def test_e_values_are_rejected_where_the_kth_reaches_m_over_rate_k() -> None:
    assert e_benjamini_hochberg(np.array([10.0, 10.0, 0.0, 3.0]), 0.2).tolist() == [True, True, False, False]
    assert not e_benjamini_hochberg(np.array([9.9, 9.9, 0.0, 0.0]), 0.2).any()
    assert e_benjamini_hochberg(np.array([10.0, 7.0, 7.0, 0.0]), 0.2).tolist() == [True, True, True, False]


def test_the_choice_follows_the_papers_steps() -> None:
    rng, q = np.random.default_rng(0), 0.3
    V, T, null = rng.normal(size=(3, 30)), rng.normal(0.8, 1.2, size=(3, 6)), rng.random(30) < 0.8
    _, p_values, models = selected(V, null, T, q)
    for j in range(6):
        sizes = []
        for k in range(3):
            auxiliary = [
                0.0 if i == j else (sum(V[k, null] >= T[k, i]) + (T[k, j] >= T[k, i])) / 31 for i in range(6)
            ]
            sizes.append(benjamini_hochberg(np.array(auxiliary), q).sum())
        assert models[j] == int(np.argmax(sizes))
        assert p_values[j] == pytest.approx((1 + sum(V[models[j], null] >= T[models[j], j])) / 31)


def test_scores_are_those_of_models_that_leave_the_row_out() -> None:
    rng = np.random.default_rng(1)
    Z, at = rng.random((12, 3)), rng.random((4, 3))
    y = rng.normal(size=12)
    V, T = scores(KERNELS, Z, y, at, 0.0)
    rows = np.vstack([Z, at])
    labels = np.r_[np.maximum(y, 0.0), np.zeros(4)]
    labels /= labels.std()
    for i, found in ((3, V[0, 3]), (13, T[0, 1])):
        rest = np.arange(16) != i
        K = KERNELS[0](rows, rows)
        alpha = np.linalg.solve(K[np.ix_(rest, rest)] + 0.1 * np.eye(15), labels[rest])
        assert found == pytest.approx(K[i, rest] @ alpha)
        weights = K[i, rest] / K[i, rest].sum()
        assert (V[1, 3] if i == 3 else T[1, 1]) == pytest.approx(weights @ labels[rest])


@pytest.mark.parametrize(
    ("pruning", "least"), [("deterministic", 0.3), ("homogeneous", 0.6), ("heterogeneous", 0.5)]
)
def test_false_discoveries_stay_below_the_rate_and_true_ones_are_made(pruning: Pruning, least: float) -> None:
    rng, q, shares, power = np.random.default_rng(2), 0.3, [], []
    for _ in range(150):
        Z = rng.random((70, 3))
        y = np.sin(6 * Z[:, 0]) + Z[:, 1] + 0.3 * rng.normal(size=70)
        V, T = scores(KERNELS, Z[:60], y[:60], Z[60:], 1.0)
        kept, _, _ = selected(V, y[:60] <= 1.0, T, q, pruning=pruning, rng=rng)
        true = y[60:] > 1.0
        shares.append((kept & ~true).sum() / max(1, kept.sum()))
        power.append((kept & true).sum() / max(1, true.sum()))
    assert np.mean(shares) < q + 2 * np.std(shares) / np.sqrt(150)
    assert np.mean(power) > least
