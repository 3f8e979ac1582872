"""The highest load that meets the limits, as a request rate or as requests at once: bracketing and bisection.

Knows only a function that measures one load. A load counts as too high when a limit breaks, a request fails or the run
is cut off; a rate also when requests are answered clearly slower than they arrive (the queue grows: over-saturation).
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
class LoadSearch:
    """``best``: highest load that held (0: none), with its result; ``tried``: every load and whether it held.

    ``failure``: how the server failed at a load, which ended the search; None while it lives.
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
) -> LoadSearch:
    """Search upwards and downwards from ``first`` by factors of two, then bisect until the bracket is within
    ``tolerance`` or ``runs`` are used. ``measure(rate)`` runs one open-loop load."""
    takes_s = math.inf

    def run(rate: float) -> tuple[LoadResult, bool]:
        nonlocal takes_s
        result = measure(rate)
        takes_s = min(takes_s, result.metrics.get("e2e_p50_ms", 0.0) / 1000)
        return result, keeps_up(result, rate, takes_s) and holds(result, limits)

    return _highest(run, first, _Bracket(runs, tolerance))


def highest_concurrency(
    measure: Callable[[int], LoadResult],
    limits: Sequence[Constraint],
    first: int,
    *,
    most: int,
    runs: int = 6,
    tolerance: float = 0.05,
) -> LoadSearch:
    """Search like ``highest_rate``, in whole numbers from 1 to ``most``. ``measure(n)`` runs one closed-loop load, n
    requests at once; a load that holds at ``most`` ends the search, so the answer is then at least that."""

    def run(load: float) -> tuple[LoadResult, bool]:
        result = measure(int(load))
        return result, holds(result, limits)

    return _highest(run, min(max(first, 1), most), _Bracket(runs, tolerance, 1.0, most))


@dataclass(frozen=True, slots=True)
class _Bracket:
    """How far a search goes: at most ``runs`` loads up to ``most``, in multiples of ``step`` (0: any number)."""

    runs: int
    tolerance: float
    step: float = 0.0
    most: float = math.inf

    def narrow(self, low: float, high: float) -> bool:
        """Whether the highest load is known well enough from one that held and one that did not (inf: none yet)."""
        if low >= self.most or high - low <= self.step:
            return True
        return low > 0 and high / low - 1 <= self.tolerance

    def following(self, low: float, high: float) -> float:
        """Return the load to try between the two, or beyond."""
        load = min(2 * low, self.most) if math.isinf(high) else (low + high) / 2
        return self.step * math.floor(load / self.step) if self.step else load


def _highest(run: Callable[[float], tuple[LoadResult, bool]], first: float, bracket: _Bracket) -> LoadSearch:
    low, high, best = 0.0, math.inf, None
    load, attempts = first, []
    for _ in range(bracket.runs):
        result, is_carried = run(load)
        attempts.append((load, is_carried))
        if result.failure is not None:
            return LoadSearch(low, best, tuple(attempts), result.failure)
        if is_carried:
            low, best = load, result
        else:
            high = load
        if bracket.narrow(low, high):
            break
        load = bracket.following(low, high)
    return LoadSearch(low, best, tuple(attempts))


def holds(result: LoadResult, limits: Sequence[Constraint]) -> bool:
    """Return whether a run ended, answered everything, and met every limit that it measured."""
    return result.ok and all(
        limit.holds(result.metrics[limit.name]) for limit in limits if limit.name in result.metrics
    )


def keeps_up(result: LoadResult, rate: float, takes_s: float = 0.0) -> bool:
    """Return whether requests were answered about as fast as they arrived.

    ``takes_s``: what a request takes at best: the run of a server that keeps up ends so long after its last arrival.
    """
    if not result.ok:
        return False
    answered = result.metrics["requests_s"] * result.metrics.get("duration_s", math.inf)
    return result.metrics["requests_s"] >= SATURATED * rate / (1.0 + rate * takes_s / answered)
