"""Mixtures: what is taken from whom, and what is carried to larger sizes."""

import numpy as np
import pytest

from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.retrieval.data_mixture import carried, evaluate, features, sources, taken


def test_samples_come_from_the_sources_in_their_shares() -> None:
    (x, y), source = taken([0.5, 0.25, 0.25], 80, 3, np.random.default_rng(0))
    assert np.bincount(source).tolist() == [40, 20, 20]
    assert x.shape == (80, 64)
    assert (y[source == 0] < 5).mean() > 0.75
    assert (y[source == 1] >= 5).mean() > 0.75


def test_a_pilot_shows_only_the_first_of_each_source() -> None:
    (x, _), source = taken([1.0, 0.0, 0.0], 50, 3, np.random.default_rng(0), 10)
    first = {row.tobytes() for row in sources(3)[0][0][:10]}
    assert {row.tobytes() for row in x[source == 0]} <= first


def test_what_is_linear_in_the_logarithm_of_size_is_carried_exactly() -> None:
    def law(n: int) -> np.ndarray:
        return np.array([2.0, 50.0]) + np.array([3.0, 7.0]) * np.log(n)

    assert carried(law(75), law(150), 75, 150, 600) == pytest.approx(law(600))


def test_the_terms_are_the_shares_and_their_products_with_the_distance() -> None:
    shares, distance = np.array([[0.2, 0.3, 0.5]]), np.array([2.0])
    assert features(shares, distance)[0] == pytest.approx([1, 2, 0.2, 0.3, 0.4, 0.6, 0.08, 0.18])
    assert features(shares, None)[0] == pytest.approx([1, 0.2, 0.3])


def test_shares_by_hand_are_a_share_and_a_share_of_the_rest() -> None:
    found = evaluate({"choose": "shares", "clean": 0.5, "shifted": 0.2, "penalty": 0.1}, Run(fidelity=0.1))
    assert found.metrics == pytest.approx({"share_clean": 0.5, "share_shifted": 0.1, "share_wrong": 0.4})
