"""Do repeated instances of one configuration fall into distinct levels, or do they only scatter?

The dip of a sample is the least distance between its distribution function and any with one mode; of n values it is
compared with the dips of n uniform ones, of all laws with one mode the one with the largest. Heavy tails and skew thereby
raise no alarm. Source: Hartigan & Hartigan 1985. Equal values look like levels: rounded ones do not belong here. Below
``FEWEST`` instances nothing can be said. Knows nothing of servers.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...serving.errors import InvalidInput

FEWEST = 5
"""Of four values the dip of two pairs is not rare enough by chance."""
DRAWS = 1_000
APART = 3.0
"""How many times the noise of one instance the levels must be apart to count."""


@dataclass(frozen=True, slots=True)
class Regimes:
    """Two levels: means of the lower and the upper one, which instances (their places) are in each, and the chance of such
    a dip where there is one mode."""

    low: float
    high: float
    in_low: tuple[int, ...]
    in_high: tuple[int, ...]
    chance: float


def regimes(instances: Sequence[float], noise: float, *, level: float = 0.05) -> Regimes | None:
    """Return the two levels of what instances measured (above 0), None where one law with one mode explains them.

    ``noise``: coefficient of variation of an instance measured again; ``level``: of false alarms. Raises InvalidInput.
    """
    values = np.asarray(instances, float)
    if values.ndim != 1 or not np.isfinite(values).all() or (len(values) and values.min() <= 0):
        raise InvalidInput(
            f"`instances` must be finite numbers above 0, one per instance, got {instances!r}."
        )
    if len(values) < FEWEST:
        return None
    logs = np.log(values)
    order = np.argsort(logs, kind="stable")
    gaps = np.diff(logs[order])[1:-1]  # each level has two instances at least
    at = int(np.argmax(gaps)) + 2
    if gaps[at - 2] <= APART * noise:
        return None
    chance = chance_of_dip(dip(logs), len(logs))
    if chance > level:
        return None
    low, high = order[:at], order[at:]
    return Regimes(
        float(math.exp(logs[low].mean())), float(math.exp(logs[high].mean())),
        tuple(sorted(low.tolist())), tuple(sorted(high.tolist())), chance,
    )  # fmt: skip


def chance_of_dip(value: float, n: int) -> float:
    """Return the share of samples of n uniform values whose dip is at least this."""
    null = _uniform_dips(n)
    return float((1 + np.sum(null >= value - 1e-12)) / (len(null) + 1))


def dip(values: Sequence[float] | np.ndarray) -> float:
    """Return the dip of n values, between 1/(2n) and 1/4."""
    x = np.sort(np.asarray(values, float))
    n = len(x)
    below, above = (
        np.arange(n) / n,
        np.arange(1, n + 1) / n,
    )  # the distribution function just before each value, and at it
    left, right, distance = 0, n - 1, 1.0 / n
    while right > left:
        here = slice(left, right + 1)
        lower = left + _hull(x[here], below[here])
        upper = left + _hull(-x[here][::-1], -above[here][::-1])
        upper = np.sort(left + right - upper)
        convex, concave = (
            np.interp(x[here], x[lower], below[lower]),
            np.interp(x[here], x[upper], above[upper]),
        )
        knots = np.union1d(lower, upper)
        widths = (concave - convex)[knots - left]
        if widths.max() <= distance + 1e-12:
            break
        knot = int(knots[np.argmax(widths)])
        new_left = int(lower[lower <= knot][-1])
        new_right = int(upper[upper >= knot][0])
        before = (above[here] - convex)[: new_left - left + 1]
        after = (concave - below[here])[new_right - left :]
        distance = max(distance, float(before.max()), float(after.max()))
        if (new_left, new_right) == (left, right):
            break
        left, right = new_left, new_right
    return distance / 2


def _hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the places of the knots of the greatest convex function below the points, x ascending."""
    corners: list[int] = []
    for i in range(len(x)):
        while len(corners) > 1:
            a, b = corners[-2], corners[-1]
            if (y[b] - y[a]) * (x[i] - x[a]) < (y[i] - y[a]) * (x[b] - x[a]):
                break
            corners.pop()
        corners.append(i)
    return np.array(corners)


@functools.lru_cache(maxsize=32)
def _uniform_dips(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return np.array([dip(row) for row in rng.random((DRAWS, n))])
