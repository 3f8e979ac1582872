"""The fewest devices for a load, from what was measured."""

import math

import pytest
from hypothesis import given, strategies as st

from trialogue.evaluators.engines.sizing import Capacity, fleets
from trialogue.serving.errors import InvalidInput

CAPACITIES = st.builds(Capacity, st.text(max_size=3), st.floats(0.01, 1000), st.integers(1, 16))


def test_fewest_devices_come_first_and_of_equals_what_carries_most() -> None:
    one, two, four = Capacity("tp1", 10.0), Capacity("tp2", 25.0, 2), Capacity("tp4", 44.0, 4)
    told = [(f.of.name, f.servers, f.devices) for f in fleets([one, two, four], 40.0, headroom=0.0)]
    assert told == [("tp2", 2, 4), ("tp4", 1, 4), ("tp1", 4, 4)]
    told = [(f.of.name, f.servers, f.devices) for f in fleets([one, two, four], 5.0, headroom=0.0)]
    assert told == [("tp1", 1, 1), ("tp2", 1, 2), ("tp4", 1, 4)]
    assert fleets([one], 40.0)[0].servers == 5  # a fifth of each stays free


@given(st.lists(CAPACITIES, max_size=6), st.floats(0.01, 1e5), st.floats(0, 0.9))
def test_every_fleet_carries_the_load_and_none_with_one_server_less_does(
    measured: list[Capacity], wanted: float, headroom: float
) -> None:
    found = fleets(measured, wanted, headroom=headroom)
    assert len(found) == len(measured)
    assert [f.devices for f in found] == sorted(f.devices for f in found)
    for fleet in found:
        assert fleet.carries_s * (1 - headroom) >= wanted * (1 - 1e-6)
        assert (fleet.servers - 1) * fleet.of.requests_s * (1 - headroom) < wanted


def test_a_configuration_that_carries_nothing_is_left_out() -> None:
    assert fleets([Capacity("dead", 0.0)], 3.0) == []


@pytest.mark.parametrize(
    ("wanted", "headroom"),
    [(0.0, 0.1), (-1.0, 0.1), (math.inf, 0.1), (math.nan, 0.1), (1.0, 1.0), (1.0, -0.1)],
)
def test_what_is_no_load_is_refused(wanted: float, headroom: float) -> None:
    with pytest.raises(InvalidInput, match="must be"):
        fleets([Capacity("a", 1.0)], wanted, headroom=headroom)
