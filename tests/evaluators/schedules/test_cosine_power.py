"""Cosine power annealing: its ends, the plain cosine as its limit, and a faster fall with a larger power."""

import math

import pytest

import trialogue as tl
from trialogue.serving.errors import InvalidInput


def test_it_begins_at_the_largest_rate_and_ends_at_the_smallest() -> None:
    schedule = tl.CosinePowerSchedule(steps=100)
    assert schedule(0) == pytest.approx(0.025)
    assert schedule(100) == schedule(150) == pytest.approx(1e-8)


def test_power_1_is_the_plain_cosine_and_the_limit_of_powers_near_1() -> None:
    plain = tl.CosinePowerSchedule(steps=100, largest=1.0, smallest=0.0, power=1.0)
    assert plain(30) == pytest.approx(0.5 * (1 + math.cos(0.3 * math.pi)))
    assert tl.CosinePowerSchedule(100, 1.0, 0.0, 1.0001)(30) == pytest.approx(plain(30), abs=1e-3)


def test_the_middle_has_the_value_of_the_formula_and_falls_with_the_power() -> None:
    middle = tl.CosinePowerSchedule(100, 1.0, 0.0, 10.0)(50)
    assert middle == pytest.approx((10**1.5 - 10) / 90)
    assert tl.CosinePowerSchedule(100, 1.0, 0.0, 100.0)(50) < middle < 0.5


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 5, "power": 0.5}, {"steps": 5, "largest": 1e-9}])
def test_what_makes_no_schedule_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="cosine power schedule"):
        tl.CosinePowerSchedule(**wrong)
