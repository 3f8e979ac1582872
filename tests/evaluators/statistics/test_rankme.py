"""RankMe counts the directions that embeddings use."""

import numpy as np
import pytest

from trialogue.evaluators.statistics.rankme import rankme


def test_equal_directions_count_fully_and_one_direction_counts_once():
    Q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(100, 8)))
    assert rankme(Q) == pytest.approx(8, rel=1e-4)
    assert rankme(np.outer(Q[:, 0], Q[:8, 0])) == pytest.approx(1, rel=1e-4)


def test_scale_and_rotation_do_not_count():
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(50, 6)) * [5, 4, 3, 2, 1, 0.1]
    Q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    assert rankme(3 * Z @ Q) == pytest.approx(rankme(Z))
    assert 1 < rankme(Z) < 6


def test_a_collapsed_representation_has_rank_zero():
    assert rankme(np.zeros((5, 3))) == 0.0
