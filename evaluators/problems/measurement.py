"""What one evaluation returned: values, their standard errors, constraint values, metrics, seconds, cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidMeasurement
from ..spaces.base import plain_number, shown, storable


@dataclass(frozen=True, slots=True)
class Measurement:
    """One result. ``values``: one number per objective, in its own unit and direction.

    ``sem``: standard error of each value (same unit), or None when unknown. ``constraints``: measured value of each
    outcome constraint by name. ``metrics``: anything else worth keeping, as numbers, text or
    booleans; NaN, infinities and integers past the largest float are left out, and what no database takes in their names
    and texts is replaced. ``seconds``: duration; ``cost``: money or any other price of the evaluation.
    """

    values: tuple[float, ...]
    sem: tuple[float, ...] | None = None
    constraints: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    cost: float | None = None

    def __init__(
        self,
        values: float | Sequence[float],
        sem: float | Sequence[float] | None = None,
        *,
        constraints: Mapping[str, float] | None = None,
        metrics: Mapping[str, float] | None = None,
        seconds: float | None = None,
        cost: float | None = None,
    ) -> None:
        set_ = object.__setattr__
        set_(self, "values", _finite_tuple("values", values))
        set_(self, "sem", None if sem is None else _finite_tuple("sem", sem))
        limits = _mapping("constraints", constraints)
        set_(self, "constraints", {k: _finite("constraints", v) for k, v in limits.items()})
        set_(self, "metrics", _kept(_mapping("metrics", metrics)))
        set_(self, "seconds", None if seconds is None else _duration(seconds))
        set_(self, "cost", None if cost is None else _finite("cost", cost))
        if self.sem is not None and (len(self.sem) != len(self.values) or min(self.sem) < 0):
            raise InvalidMeasurement(
                f"`sem` needs one non-negative number per value, got {shown(sem)} for values {shown(values)}."
            )

    @property
    def value(self) -> float:
        """The first value: the only one of a single-objective problem."""
        return self.values[0]


def _mapping(name: str, values: object) -> Mapping[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InvalidMeasurement(f"`{name}` must be a mapping from names to numbers, got {shown(values)}.")
    return values


def _finite(name: str, value: object) -> float:
    plain = plain_number(value)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise InvalidMeasurement(f"`{name}` must be finite numbers, got {shown(value)}.")
    if not is_finite(plain):
        raise InvalidMeasurement(
            f"`{name}` must be finite numbers, got {shown(value)}; "
            "tell the trial as failed (`failed='…'`) when there is no result."
        )
    return float(plain)


def _duration(value: object) -> float:
    seconds = _finite("seconds", value)
    if seconds < 0:  # a budget of seconds would be given some back
        raise InvalidMeasurement(f"`seconds` must be a duration, 0 or more, got {shown(value)}.")
    return seconds


def is_finite(number: float) -> bool:
    """Whether floating point holds a number: neither NaN nor infinite, no integer past the largest float."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _kept(metrics: Mapping[str, object]) -> dict[str, float]:
    numbers = {}
    for name, value in metrics.items():
        plain = plain_number(value)
        if plain is not None and not isinstance(plain, str | bool | int | float):
            raise InvalidMeasurement(
                f"`metrics` must be numbers, text or booleans, got {shown(name)}: {shown(value)}."
            )
        if not isinstance(plain, int | float) or is_finite(plain):
            numbers[storable(str(name))] = storable(plain) if isinstance(plain, str) else plain
    return numbers


def _finite_tuple(name: str, values: Any) -> tuple[float, ...]:
    if getattr(values, "ndim", 0) == 1 and hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, Sequence) and not isinstance(values, str | bytes | bytearray | memoryview):
        if not values:
            raise InvalidMeasurement(f"`{name}` must hold at least one number, got an empty sequence.")
        return tuple(_finite(name, v) for v in values)
    return (_finite(name, values),)
