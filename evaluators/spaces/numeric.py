"""``Float`` and ``Int``: a number between two bounds, on a linear or logarithmic scale, with or without a step.

A parameter checks its own definition (InvalidSpace) and its own values (InvalidParameters), and maps them to the unit
interval through a scale. Knows nothing of other parameters.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InvalidParameters, InvalidSpace
from .base import (
    BaseParameter,
    check_name,
    check_texts,
    checked_prior,
    checked_when,
    finite_number,
    plain_when,
    shown,
)
from .scales import Grid, Linear, Log, Scale, round_significant, rounded_inward, tidied

LARGEST = 1e100
"""Bounds of a Float; beyond, squares and products of values overflow."""
LARGEST_INT = 10**12
"""Bounds of an Int; beyond, neighbouring integers are one point of the unit interval."""
MAX_LEVELS = 10**12
NOISE = 1e-11
"""How far past a bound, relative to the magnitude that counts, a real number is still that bound."""
NARROWEST = 1e-6
"""Least width of a linear range relative to its bounds: narrower, its values share their 12 digits."""


class _Number(BaseParameter):
    """A Float or an Int: a scale between two bounds."""

    low: Any
    high: Any
    log: bool
    step: Any
    default: Any
    description: str
    unit: str
    when: Mapping[str, Any] | None
    prior: Mapping[str, float] | None
    is_categorical = False

    @property
    def levels(self) -> int:
        """Number of values; 0 when continuous."""
        return self.scale.levels

    @cached_property
    def scale(self) -> Scale:
        """How the values lie in the unit interval."""
        return self._scale()

    @abstractmethod
    def _scale(self) -> Scale: ...

    @property
    def has_default(self) -> bool:
        """Whether a default was declared."""
        return self.default is not None

    def coerce(self, value: object) -> Any:
        """Return the canonical value, or raise InvalidParameters."""
        number = self._number(value)
        if not self._inside(number):
            raise InvalidParameters(
                f"`{self.name}` must be in [{self.low!r}, {self.high!r}], got {shown(value)}; "
                "widen the search space or clip with `space.clip(params)`."
            )
        canonical = self._plain(self.scale.canonical(number))
        if self.levels and abs(canonical - number) > self._rounding(number):
            rule = f"{self.low!r} plus a multiple of {self.step!r}" if self.step else "a whole number"
            raise InvalidParameters(
                f"`{self.name}` must be {rule}, got {shown(value)}; the nearest is {canonical!r}."
            )
        return canonical

    def nearest(self, value: object) -> Any:
        """Return the valid value nearest to ``value``; the typical one when it is not a number."""
        try:
            number = self._number(value)
        except InvalidParameters:
            return self.typical
        return self._plain(self.scale.canonical(min(max(number, self.low), self.high)))

    @cached_property
    def typical(self) -> Any:
        """The default where declared, else what is believed most, else the middle of the scaled range."""
        if self.prior is not None and not self.has_default:
            return self.nearest(self.prior["mean"])
        return self.default if self.has_default else self.decode(np.array([0.5]))[0]

    def encode(self, values: Sequence[Any]) -> np.ndarray:
        """Return coordinates (n,) of values; outside [0, 1] where a value is out of bounds."""
        v = np.asarray(values, float)
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.nan_to_num(self.scale.to_unit(v), nan=-1.0, neginf=-1.0)
        return self.scale.to_unit(v)

    def decode(self, u: np.ndarray) -> list[Any]:
        """Return the values (n,) at coordinates."""
        return self.scale.from_unit(u).tolist()

    def snap(self, u: np.ndarray) -> np.ndarray:
        """Return the coordinates (n,) of the valid values nearest to ``u``."""
        return self.scale.snap(u)

    @property
    def middles(self) -> np.ndarray:
        """Coordinates (levels,) of all values of a discrete parameter, in order."""
        return self.scale.to_unit(self.low + np.arange(self.levels) * self._step)

    def middle(self, position: int) -> float:
        """Return the coordinate of one value of a discrete parameter, by its position from 0 on."""
        return float(self.scale.to_unit(np.array([self.low + position * self._step]))[0])

    def position(self, u: float) -> int:
        """Return the position of the value of a discrete parameter at a coordinate; inverse: ``middle``."""
        return round((float(self.column(np.array([u]))[0]) - self.low) / self._step)

    def column(self, u: np.ndarray) -> np.ndarray:
        """Return the values (n,) as an array, for relations."""
        return self.scale.from_unit(u)

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as plain JSON values, without the name."""
        optional = {
            "log": self.log or None,
            "step": self.step,
            "default": self.default,
            "description": self.description or None,
            "unit": self.unit or None,
            "when": plain_when(self.when),
            "prior": self.prior and dict(self.prior),
        }
        options = {k: v for k, v in optional.items() if v is not None}
        return {"type": type(self).__name__.lower(), "low": self.low, "high": self.high, **options}

    def _number(self, value: object) -> float:
        number = finite_number(value)
        if number is None:
            raise InvalidParameters(f"`{self.name}` must be a finite number, got {shown(value)}.")
        return number

    def _inside(self, number: float) -> bool:
        """Whether inside the bounds, up to noise digits."""
        largest = max(abs(self.low), abs(self.high))
        size = self._step if self.levels else abs(number) if self.log else largest
        return self.low - NOISE * size <= number <= self.high + NOISE * size or (
            round_significant(self.low) <= round_significant(number) <= round_significant(self.high)
        )

    @property
    def _step(self) -> float:
        return float(self.step or 1)

    def _rounding(self, number: float) -> float:
        """How far beside a grid value a number may lie that was written with nine digits or added up."""
        written = min(1e-9 * max(abs(number), self._step), 1e-6 * self._step)
        return max(written, 8 * math.ulp(max(abs(self.low), abs(self.high))))

    def _plain(self, number: float) -> Any:
        return number

    def _check_common(self) -> None:
        check_name(self.name)
        check_texts(self.name, self.description, self.unit)
        if not isinstance(self.log, bool):
            raise InvalidSpace(f"`{self.name}`: `log` must be True or False, got {self.log!r}.")
        if not self.low < self.high:
            raise InvalidSpace(
                f"`{self.name}`: `low` must be less than `high`, got low={self.low!r}, high={self.high!r}; "
                "swap them, or leave a constant out of the space."
            )
        if self.log and self.low <= 0:
            raise InvalidSpace(
                f"`{self.name}`: a log scale needs `low` > 0, got {self.low!r}; raise `low`, or drop `log`."
            )

    def _check_default(self) -> None:
        object.__setattr__(self, "prior", checked_prior(self.name, self.prior, log=self.log))
        if self.prior is not None and not self._inside(self.prior["mean"]):
            raise InvalidSpace(
                f"`{self.name}`: the mean of `prior` must be in [{self.low!r}, {self.high!r}], got "
                f"{self.prior['mean']!r}; widen the range, or move the mean to its edge."
            )
        if self.default is None:
            return
        try:
            object.__setattr__(self, "default", self.coerce(self.default))
        except InvalidParameters as error:
            raise InvalidSpace(f"The default of {error}") from None

    def _count_levels(self, step: float) -> int:
        """Return the number of grid values, or refuse a step that does not lead from ``low`` to ``high``."""
        if not step > 0:
            raise InvalidSpace(f"`{self.name}`: `step` must be positive, got {self.step!r}.")
        steps = (self.high - self.low) / step
        if steps >= MAX_LEVELS - 0.5:
            raise InvalidSpace(
                f"`{self.name}`: at most {MAX_LEVELS:.0e} values, got {steps + 1:.3g}; widen `step`."
            )
        whole = round(steps)
        if whole < 1 or abs(steps - whole) > 1e-6 + 1e-15 * steps:
            fits = self._plain(tidied(self.low + max(1, math.floor(steps + 1e-6)) * step))
            raise InvalidSpace(
                f"`{self.name}`: `step` must lead from `low` to `high`, got step={self.step!r} from {self.low!r} to "
                f"{self.high!r}; `high={fits!r}` fits."
            )
        return whole + 1


@dataclass(frozen=True, eq=False)
class Float(_Number):
    """A real number in [low, high]; ``log``: uniform in the logarithm; ``step``: only low, low + step, …, high.

    ``when``: active only while every named parent has one of these values: ``{"kernel": ["rbf"]}``, ``{"layers":
    ">= 2"}``. ``prior``: where its best value is believed to lie, ``{"mean": 0.01, "sd": 3}``; on a log scale ``sd`` is a
    factor (a third to three times the mean), else in the parameter's unit.
    """

    name: str
    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None
    default: float | None = None
    description: str = ""
    unit: str = ""
    when: Mapping[str, Any] | None = None  # Any: one value, a list of values, or a comparison as text
    prior: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for side in ("low", "high", "step"):
            if side != "step" or self.step is not None:
                number = _finite(self.name, side, getattr(self, side))
                object.__setattr__(self, side, number if self.step is None else tidied(number))
        largest = max(abs(self.low), abs(self.high))
        if largest > LARGEST or (0 < largest < 1 / LARGEST) or (self.log and 0 < self.low < 1 / LARGEST):
            raise InvalidSpace(
                f"`{self.name}`: bounds must be between {1 / LARGEST!r} and {LARGEST!r} in magnitude, "
                f"got low={self.low!r}, high={self.high!r}; use another unit."
            )
        self._check_common()
        if self.high - self.low < NARROWEST * largest:
            raise InvalidSpace(
                f"`{self.name}`: the range is too narrow for its magnitude, got low={self.low!r}, high={self.high!r}; "
                "tune the difference from `low` instead."
            )
        object.__setattr__(self, "when", checked_when(self.name, self.when))
        if self.step is None:
            low, high = rounded_inward(self.low, self.high, log=self.log)
            object.__setattr__(self, "low", low)
            object.__setattr__(self, "high", high)
        _ = self.scale  # refuses a step that does not fit
        self._check_default()

    def coerce(self, value: object) -> float:
        """Return the canonical value, or raise InvalidParameters."""
        if type(value) is float and self.step is None and self.low <= value <= self.high:
            return self.scale.canonical(value)  # nearly always, and three times as fast
        return super().coerce(value)

    def _scale(self) -> Scale:
        if self.step is not None:
            return Grid(self.low, self.high, self.step, self._count_levels(self.step), self.log)
        return Log(self.low, self.high) if self.log else Linear(self.low, self.high)


@dataclass(frozen=True, eq=False)
class Int(_Number):
    """An integer in [low, high]; ``log``, ``step``, ``when`` and ``prior`` as for Float."""

    name: str
    low: int
    high: int
    _: KW_ONLY
    log: bool = False
    step: int | None = None
    default: int | None = None
    description: str = ""
    unit: str = ""
    when: Mapping[str, Any] | None = None  # Any: one value, a list of values, or a comparison as text
    prior: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for side in ("low", "high", "step"):
            if side != "step" or self.step is not None:
                object.__setattr__(self, side, _whole(self.name, side, getattr(self, side)))
        if max(abs(self.low), abs(self.high)) > LARGEST_INT:
            raise InvalidSpace(
                f"`{self.name}`: integers must be within ±{LARGEST_INT:.0e}, got low={self.low!r}, high={self.high!r}; "
                "use a Float, or another unit."
            )
        self._check_common()
        object.__setattr__(self, "when", checked_when(self.name, self.when))
        _ = self.scale
        self._check_default()

    def coerce(self, value: object) -> int:
        """Return the canonical value, or raise InvalidParameters."""
        if type(value) is int and self.step is None and self.low <= value <= self.high:
            return value  # nearly always, and three times as fast
        return super().coerce(value)

    def _scale(self) -> Scale:
        step = 1 if self.step is None else self.step
        levels = self._count_levels(float(step))
        return Grid(float(self.low), float(self.high), float(step), levels, self.log)

    def decode(self, u: np.ndarray) -> list[int]:
        """Return the values (n,) at coordinates."""
        return self.scale.from_unit(u).astype(np.int64).tolist()

    def _plain(self, number: float) -> int:
        return int(number)


def _finite(name: str, field_name: str, value: object) -> float:
    number = finite_number(value)
    if number is None:
        raise InvalidSpace(f"`{name}`: `{field_name}` must be a finite number, got {shown(value)}.")
    return number


def _whole(name: str, field_name: str, value: object) -> int:
    number = _finite(name, field_name, value)
    if number != int(number):
        raise InvalidSpace(
            f"`{name}`: `{field_name}` of an Int must be a whole number, got {shown(value)}; use a Float."
        )
    return int(number)
