"""The lead of the best of many shrinks by about what noise gave it."""

import numpy as np
import pytest

from trialogue.evaluators.statistics.luck import Noise, expected_luck, noise_of


def test_where_nothing_differs_most_of_the_lead_is_luck() -> None:
    rng = np.random.default_rng(0)
    found = [expected_luck(rng.standard_normal(30), 1.0) for _ in range(50)]
    assert 1.4 < np.mean(found) < 2.3  # the expected maximum of 30 standard normals is 2.04


def test_what_stands_out_by_far_is_not_luck() -> None:
    y = np.r_[np.random.default_rng(0).standard_normal(30), 40.0]
    assert expected_luck(y, 1.0) < 0.3


def test_without_noise_there_is_no_luck() -> None:
    assert expected_luck([1.0, 2.0, 3.0], 0.0) == 0.0
    assert expected_luck([1.0], 5.0) == 0.0


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_luck_has_the_unit_of_the_results(factor: float) -> None:
    y = np.random.default_rng(1).standard_normal(20)
    assert expected_luck(factor * y + 7, factor) == pytest.approx(factor * expected_luck(y, 1.0), rel=1e-6)


def test_noise_is_pooled_over_what_was_run_again() -> None:
    assert noise_of([("a", 1.0), ("b", 2.0)]) is None
    assert noise_of([("a", 1.0), ("a", 3.0), ("b", 9.0), ("b", 11.0), ("c", 5.0)]) == Noise(2**0.5, 2)


def test_the_largest_numbers_and_the_least_noise_are_numbers_too() -> None:
    assert noise_of([("a", 1e308), ("a", -1e308), ("b", 1.5e308), ("b", 1.5e308)]) == Noise(1e308, 2)
    assert expected_luck([1e308, -1e308, 0.0], 1e300) == pytest.approx(0, abs=1e307)
    assert expected_luck([0.0, 1.0, 0.3337], 1e-9) == pytest.approx(0, abs=1e-8)
    plain = expected_luck([0.0, 1.0, 0.5], 0.7)
    assert expected_luck([0.0, 1e300, 5e299], 7e299) == pytest.approx(1e300 * plain)
