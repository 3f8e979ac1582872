"""How many servers a load needs: the fewest devices, from configurations within the limits.

A server's capacity is the load that it was seen to carry while every limit held, or is estimated to, which is said. Servers are
taken to be alike and the load to be spread evenly; what is lost in between them is for ``headroom``. Values in, values out.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ...serving.errors import InvalidInput

SHOWN = 3
HEADROOM = 0.2
"""Share of the capacity that stays free: arrivals are bursty, and a server may be away."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one server of a configuration carries within the limits. ``requests_s``: per second; ``devices``: it occupies;
    ``at_once``: requests that it then has, 0 where that is not known."""

    name: str
    requests_s: float
    devices: int = 1
    at_once: int = 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Servers of one configuration that carry a load together."""

    of: Capacity
    servers: int

    @property
    def devices(self) -> int:
        """Devices of all servers."""
        return self.servers * self.of.devices

    @property
    def carries_s(self) -> float:
        """Requests per second that they carry with nothing left free."""
        return self.servers * self.of.requests_s


def fleet_lines(
    measured: Iterable[Capacity],
    wanted_s: float,
    price_per_hour: float | None = None,
    *,
    estimated: bool = False,
) -> list[str]:
    """Return, in words, the cheapest fleets for ``wanted_s`` requests per second, with a title. ``price_per_hour``: money per
    device; ``estimated``: whether the capacities were."""
    source = "by estimates, " * estimated
    title = f"For {wanted_s:g} requests/s within the limits, {source}a fifth of each server left free:"
    rows = [
        f"  {f.devices} device{'s' * (f.devices > 1)}{_money(f, price_per_hour)}: {f.servers} × {f.of.name} "
        f"({f.of.requests_s:.3g} requests/s each{f', {f.of.at_once} at once' * bool(f.of.at_once)})"
        for f in fleets(measured, wanted_s)[:SHOWN]
    ]
    return [
        "",
        title,
        *(rows or [f"  no {'estimated' if estimated else 'measured'} configuration carries any"]),
    ]


def _money(fleet: Fleet, price_per_hour: float | None) -> str:
    return "" if price_per_hour is None else f" for {fleet.devices * price_per_hour:.4g} an hour"


def fleets(measured: Iterable[Capacity], wanted_s: float, *, headroom: float = HEADROOM) -> list[Fleet]:
    """Return a fleet of each configuration that carries ``wanted_s`` requests per second, fewest devices first, of equals
    the one that carries most. Configurations that carry nothing are left out. Raises InvalidInput."""
    if not (wanted_s > 0 and math.isfinite(wanted_s)):
        raise InvalidInput(f"A load must be requests per second above 0, got {wanted_s!r}; such as 40.")
    if not 0 <= headroom < 1:
        raise InvalidInput(f"`headroom` must be a share in [0, 1), got {headroom!r}; such as 0.2.")
    candidates = [
        Fleet(one, math.ceil(wanted_s / (one.requests_s * (1 - headroom)) - 1e-9))
        for one in measured
        if one.requests_s > 0
    ]
    return sorted(candidates, key=lambda fleet: (fleet.devices, -fleet.carries_s))
