"""How numbers lie in the unit interval, and which of their digits count.

Notation: u (n,) in [0, 1] · v (n,) values in their own unit. Every scale has ``to_unit`` and its inverse
``from_unit``, and ``snap`` (= ``to_unit(from_unit(u))``). Two values that agree in 12 significant digits are the
same value: below that is floating-point noise. A grid's values are those of its definition. Knows nothing of
parameters, names or conditions.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

DIGITS = 12
"""Digits that count. A unit coordinate carries 15 to 16, and the logarithms of a range of 1e-100 to 1e100 cost
three."""


class Scale(Protocol):
    """Maps values to [0, 1] and back, column by column."""

    @property
    def levels(self) -> int:
        """Number of values; 0 when continuous."""
        ...

    def to_unit(self, v: np.ndarray) -> np.ndarray:
        """Return coordinates; inverse of ``from_unit`` on canonical values."""
        ...

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Return canonical values for coordinates, which are clipped to [0, 1]."""
        ...

    def snap(self, u: np.ndarray) -> np.ndarray:
        """Return the coordinates of the canonical values nearest to ``u``."""
        ...

    def canonical(self, v: float) -> float:
        """Return one value with its noise digits dropped, inside the bounds, on the grid."""
        ...


def round_significant(v: float) -> float:
    """Return ``v`` with 12 significant digits."""
    return float(f"{v:.{DIGITS}g}")


@dataclass(frozen=True)
class _Decimals:
    """Rounding to the 12 digits that count at magnitude ``largest``; the same operations for numbers and for
    columns."""

    largest: float

    @cached_property
    def _factors(self) -> tuple[float, float]:
        places = DIGITS - math.floor(math.log10(self.largest))
        return (10.0**places, 1.0) if places >= 0 else (1.0, 10.0**-places)

    def number(self, v: float) -> float:
        up, down = self._factors
        return round(v * up / down) * down / up

    def column(self, v: np.ndarray) -> np.ndarray:
        up, down = self._factors
        return np.rint(v * up / down) * down / up + 0.0  # + 0.0: no negative zero

    @property
    def slack(self) -> float:
        """How far a sum such as 0.1 + 0.2 may lie from the short number that it means."""
        return 4 * math.ulp(self.largest)

    def tidy(self, v: float) -> float:
        """Return the rounded number where it differs by no more than a sum's last bits, else ``v`` itself."""
        short = self.number(v)
        return (short if abs(short - v) <= self.slack else v) + 0.0

    def tidy_column(self, v: np.ndarray) -> np.ndarray:
        """Return ``tidy`` of every value."""
        short = self.column(v)
        return np.where(np.abs(short - v) <= self.slack, short, v) + 0.0


def tidied(v: float) -> float:
    """Return 0.3 for 0.1 + 0.2, and a number that is no short decimal, as 1/3, as it is."""
    short = round_significant(v)
    return (short if abs(short - v) <= 4 * math.ulp(v) else v) + 0.0


def rounded_inward(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """Return bounds with the digits that count, inside the given ones: bounds that values round to, and never past.

    Without it a bound such as 1 - 1e-15 would round to the 1 that it was meant to keep out.
    """

    def side(v: float, inward: int) -> float:
        largest = abs(v) if log else max(abs(low), abs(high))
        rounded = round_significant if log else _Decimals(largest).number
        quantum = 10.0 ** (math.floor(math.log10(largest)) - DIGITS + log)
        nearest = rounded(v)
        outside = (v - nearest) * inward > 2 * math.ulp(largest)  # nearer than that it is noise
        return (rounded(nearest + inward * quantum) if outside else nearest) + 0.0

    return side(low, 1), side(high, -1)


@dataclass(frozen=True)
class Linear:
    """A continuous range, uniform."""

    low: float
    high: float
    levels: int = 0

    @cached_property
    def _decimals(self) -> _Decimals:
        return _Decimals(max(abs(self.low), abs(self.high)))

    def to_unit(self, v: np.ndarray) -> np.ndarray:
        """Return the fraction of the range."""
        return (v - self.low) / (self.high - self.low)

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Return the values at these fractions, rounded to the digits that count."""
        v = self.low + np.clip(u, 0.0, 1.0) * (self.high - self.low)
        return np.clip(self._decimals.column(v), self.low, self.high)

    def snap(self, u: np.ndarray) -> np.ndarray:
        """Return ``u`` inside [0, 1]."""
        return np.clip(u, 0.0, 1.0)

    def canonical(self, v: float) -> float:
        """Return the value rounded to the digits that count."""
        return min(max(self._decimals.number(v) + 0.0, self.low), self.high)


@dataclass(frozen=True)
class Log:
    """A continuous positive range, uniform in the logarithm."""

    low: float
    high: float
    levels: int = 0

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        return math.log(self.low), math.log(self.high)

    def to_unit(self, v: np.ndarray) -> np.ndarray:
        """Return the fraction of the logarithmic range."""
        a, b = self._bounds
        return (np.log(v) - a) / (b - a)

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Return the values at these fractions, with 12 significant digits."""
        a, b = self._bounds
        v = np.exp(a + np.clip(u, 0.0, 1.0) * (b - a))
        return np.clip([round_significant(x) for x in v.tolist()], self.low, self.high)

    def snap(self, u: np.ndarray) -> np.ndarray:
        """Return ``u`` inside [0, 1]."""
        return np.clip(u, 0.0, 1.0)

    def canonical(self, v: float) -> float:
        """Return the value with 12 significant digits."""
        return min(max(round_significant(v), self.low), self.high)


@dataclass(frozen=True)
class Grid:
    """``levels`` values low, low + step, …, high; each owns a bin (linear: of equal width) and stands in its middle.

    Value k is low + k · step as floating point has it, but for the last bits of a short decimal; the last is ``high``
    itself, whose distance from the one before may differ from ``step`` by rounding (1 after two steps of 1/3). On a
    logarithmic grid the bins end half-way between neighbouring values, so that a small value owns more of the
    interval.
    """

    low: float
    high: float
    step: float
    levels: int
    log: bool = False

    @cached_property
    def _decimals(self) -> _Decimals:
        return _Decimals(max(abs(self.low), abs(self.high)))

    @cached_property
    def _edges(self) -> tuple[float, float]:
        """Logarithms of the outer edges; the lower one stays positive however wide the step."""
        return math.log(self.low - min(self.step, self.low) / 2), math.log(self.high + self.step / 2)

    def _values(self, index: np.ndarray) -> np.ndarray:
        inner = self._decimals.tidy_column(self.low + index * self.step)
        return np.where(index == self.levels - 1, self.high, inner)

    def _index(self, u: np.ndarray) -> np.ndarray:
        if self.log:
            a, b = self._edges
            index = np.rint((np.exp(a + u * (b - a)) - self.low) / self.step)
        else:
            index = np.floor(u * self.levels)
        return np.clip(index, 0, self.levels - 1)

    def _middle(self, index: np.ndarray) -> np.ndarray:
        if not self.log:
            return (index + 0.5) / self.levels
        a, b = self._edges
        v = self.low + index * self.step
        lower = np.where(index == 0, a, np.log(np.maximum(v - self.step / 2, self.low / 2)))
        return ((lower + np.log(v + self.step / 2)) / 2 - a) / (b - a)

    def to_unit(self, v: np.ndarray) -> np.ndarray:
        """Return the middles of the bins of grid values; values beside the grid go to the nearest, outside it past
        [0, 1]."""
        index = np.rint((v - self.low) / self.step)
        inside = self._middle(np.clip(index, 0, self.levels - 1))
        return np.where(index < 0, -1.0, np.where(index >= self.levels, 2.0, inside))

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Return the value that owns the bin of each coordinate."""
        return self._values(self._index(np.clip(u, 0.0, 1.0)))

    def snap(self, u: np.ndarray) -> np.ndarray:
        """Return the middle of the bin of each coordinate."""
        return self._middle(self._index(np.clip(u, 0.0, 1.0)))

    def canonical(self, v: float) -> float:
        """Return the nearest grid value."""
        index = min(max(round((v - self.low) / self.step), 0), self.levels - 1)
        return self.high if index == self.levels - 1 else self._decimals.tidy(self.low + index * self.step)
