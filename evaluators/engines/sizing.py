"""How many servers a load needs: the fewest devices, from configurations that were measured within the limits.

A server's capacity is the load that it was seen to carry while every limit held, never a guess beyond that. Servers are
taken to be alike and the load to be spread evenly; what is lost in between them is for ``headroom``. Values in, values out.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ...serving.errors import InvalidInput

HEADROOM = 0.2
"""Share of the capacity that stays free: arrivals are bursty, and a server may be away."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one server of a configuration carries within the limits. ``requests_s``: per second; ``devices``: it occupies."""

    name: str
    requests_s: float
    devices: int = 1


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


def fleets(measured: Iterable[Capacity], wanted_s: float, *, headroom: float = HEADROOM) -> list[Fleet]:
    """Return a fleet of each configuration that carries ``wanted_s`` requests per second, fewest devices first, of equals
    the one that carries most. Configurations that carry nothing are left out. Raises InvalidInput."""
    if not (wanted_s > 0 and math.isfinite(wanted_s)):
        raise InvalidInput(f"A load must be requests per second above 0, got {wanted_s!r}; such as 40.")
    if not 0 <= headroom < 1:
        raise InvalidInput(f"`headroom` must be a share in [0, 1), got {headroom!r}; such as 0.2.")
    found = [
        Fleet(one, math.ceil(wanted_s / (one.requests_s * (1 - headroom)) - 1e-9))
        for one in measured
        if one.requests_s > 0
    ]
    return sorted(found, key=lambda fleet: (fleet.devices, -fleet.carries_s))
