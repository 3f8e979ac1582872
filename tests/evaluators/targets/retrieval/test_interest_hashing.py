"""Collisions of hashes against the angle they stand for."""

import numpy as np
import pytest

from trialogue.evaluators.targets.retrieval.interest_hashing import (
    DIMENSION,
    buckets,
    hashed,
    projections,
    served,
    unit,
    work,
)


@pytest.mark.parametrize("kind", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("bits", [1, 3])
def test_two_behaviours_share_a_bucket_as_often_as_their_angle_says(kind: str, bits: int) -> None:
    rng = np.random.default_rng(0)
    a, b = unit(rng.standard_normal((2, DIMENSION)))
    b = unit(a + 0.5 * b)
    P = projections(kind, 4000, bits, rng)
    rate = float(np.mean(buckets(a[None], P, 4000) == buckets(b[None], P, 4000)))
    assert rate == pytest.approx((1 - np.arccos(a @ b) / np.pi) ** bits, abs=0.03)


def test_a_candidate_that_is_the_history_gets_all_of_it() -> None:
    rng = np.random.default_rng(0)
    one = unit(rng.standard_normal((1, DIMENSION)))
    P = projections("gaussian", 8, 2, rng)
    history = np.repeat(one, 5, axis=0)
    assert hashed(history, one, P, 8, normalize=False) == pytest.approx(5 * one)
    assert hashed(history, one, P, 8, normalize=True) == pytest.approx(one)


def test_preparing_a_longer_history_costs_more_and_serving_does_not() -> None:
    assert work(48, 3, 800) - work(48, 3, 400) == pytest.approx(work(48, 3, 400) - served(48, 3))
