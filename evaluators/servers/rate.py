"""The highest request rate that meets the limits: bracketing and bisection, with a stop when a run saturates.

Knows only a function that measures one rate. A rate counts as too high when a limit breaks, a request fails, the run
is cut off, or requests are answered clearly slower than they arrive (the queue grows: over-saturation).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...serving.servers.failures import ServerFailure
from ...serving.servers.load import LoadResult
from ..problems.problem import Constraint

SATURATED = 0.9
"""Answered per second, as a share of what a server that keeps up would answer, below which the queue grows."""


@dataclass(frozen=True, slots=True)
class RateSearch:
    """``best``: highest rate that held (0: none), with its result; ``tried``: every rate and whether it held.

    ``failure``: how the server failed at a rate, which ended the search; None while it lives.
    """

    best: float
    result: LoadResult | None
    tried: tuple[tuple[float, bool], ...]
    failure: ServerFailure | None = None


def highest_rate(
    measure: Callable[[float], LoadResult],
    limits: Sequence[Constraint],
    first: float,
    *,
    runs: int = 6,
    tolerance: float = 0.05,
) -> RateSearch:
    """Search upwards and downwards from ``first`` by factors of two, then bisect until the bracket is within
    ``tolerance`` or ``runs`` are used. ``measure(rate)`` runs one open-loop load."""
    low, high, best, takes_s = 0.0, None, None, math.inf
    rate, tried = first, []
    for _ in range(runs):
        result = measure(rate)
        takes_s = min(takes_s, result.metrics.get("e2e_p50_ms", 0.0) / 1000)
        held = holds(result, limits, rate, takes_s)
        tried.append((rate, held))
        if result.failure is not None:
            return RateSearch(low, best, tuple(tried), result.failure)
        if held:
            low, best = rate, result
        else:
            high = rate
        if high is not None and low and high / low - 1 <= tolerance:
            break
        rate = 2 * low if high is None else (low + high) / 2 if low else high / 2
    return RateSearch(low, best, tuple(tried))


def holds(result: LoadResult, limits: Sequence[Constraint], rate: float, takes_s: float = 0.0) -> bool:
    """Return whether a run at ``rate`` kept up and met every limit.

    ``takes_s``: what a request takes at best: the run of a server that keeps up ends so long after its last arrival.
    """
    if not result.ok:
        return False
    answered = result.metrics["requests_s"] * result.metrics.get("duration_s", math.inf)
    if result.metrics["requests_s"] < SATURATED * rate / (1.0 + rate * takes_s / answered):
        return False
    return all(limit.holds(result.metrics[limit.name]) for limit in limits if limit.name in result.metrics)
