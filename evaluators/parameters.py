"""Parameters of a search space: ``Float``, ``Int`` and ``Categorical``, frozen and compared by what they mean.

A parameter checks its own definition (InvalidSpace) and its own values (InvalidParameters), and maps them to the unit interval.
It knows its conditions (``when``) as data; whether it is active is the space's business.
"""

import difflib
import json
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .errors import InvalidParameters, InvalidSpace
from .scales import Grid, Linear, Log, Scale, round_significant

Choice = bool | int | float | str | None

MAX_CHOICES = 10_000
MAX_NAME = 100
LARGEST = 1e100
"""Bounds of a Float; beyond, squares and products of values overflow."""
LARGEST_INT = 10**12
"""Bounds of an Int; beyond, neighbouring integers are one point of the unit interval."""
MAX_LEVELS = 10**12
NARROWEST = 1e-6
"""Least width of a linear range relative to its bounds: narrower, its values share their 12 digits."""


class _Parameter:
    """What the three kinds share: name, texts, equality by meaning."""

    name: str

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as plain JSON values, without the name."""
        raise NotImplementedError

    @cached_property
    def _meaning(self) -> str:
        return json.dumps([self.name, self.to_dict()], sort_keys=True)

    def __eq__(self, other: object) -> bool:
        """Compare by meaning: ``1`` and ``True`` are different choices here, though equal in Python."""
        return isinstance(other, _Parameter) and self._meaning == other._meaning

    def __hash__(self) -> int:
        return hash(self._meaning)


class _Number(_Parameter):
    """A Float or an Int: a scale between two bounds."""

    low: Any
    high: Any
    log: bool
    step: Any
    default: Any
    description: str
    unit: str
    when: Mapping[str, Any] | None
    is_categorical = False

    @property
    def levels(self) -> int:
        """Number of values; 0 when continuous."""
        return self.scale.levels

    @property
    def scale(self) -> Scale:
        """How the values lie in the unit interval."""
        raise NotImplementedError

    @property
    def has_default(self) -> bool:
        """Whether a default was declared."""
        return self.default is not None

    def coerce(self, value: object) -> Any:
        """Return the canonical value, or raise InvalidParameters."""
        number = self._number(value)
        if not self._inside(number):
            raise InvalidParameters(
                f"`{self.name}` must be in [{self.low!r}, {self.high!r}], got {value!r}; "
                "widen the search space or clip with `space.clip(params)`."
            )
        canonical = self._plain(self.scale.canonical(number))
        if self.levels and abs(canonical - number) > 1e-9 * max(abs(number), abs(self.step or 1)):
            raise InvalidParameters(
                f"`{self.name}` must be {self.low!r} plus a multiple of {self.step or 1!r}, got {value!r}; "
                f"the nearest is {canonical!r}."
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
        """The default where declared, else the middle of the scaled range."""
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
        }
        stated = {k: v for k, v in optional.items() if v is not None}
        return {"type": type(self).__name__.lower(), "low": self.low, "high": self.high, **stated}

    def _number(self, value: object) -> float:
        if (
            isinstance(value, bool | np.bool_)
            or not isinstance(value, numbers.Real)
            or not math.isfinite(value)
        ):
            raise InvalidParameters(f"`{self.name}` must be a finite number, got {value!r}.")
        return float(value)

    def _inside(self, number: float) -> bool:
        """Whether inside the bounds, up to noise digits."""
        return bool(self.low <= number <= self.high) or (
            round_significant(self.low) <= round_significant(number) <= round_significant(self.high)
        )

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
        whole = round(steps)
        if whole < 1 or abs(steps - whole) > 1e-6:
            fits = self._plain(round_significant(self.low + max(1, math.floor(steps + 1e-6)) * step))
            raise InvalidSpace(
                f"`{self.name}`: `step` must lead from `low` to `high`, got step={self.step!r} from {self.low!r} to "
                f"{self.high!r}; `high={fits!r}` fits."
            )
        if whole >= MAX_LEVELS:
            raise InvalidSpace(
                f"`{self.name}`: at most {MAX_LEVELS:.0e} values, got {whole + 1:.3g}; widen `step`."
            )
        return whole + 1


@dataclass(frozen=True, eq=False)
class Float(_Number):
    """A real number in [low, high]; ``log``: uniform in the logarithm; ``step``: only low, low + step, …, high.

    ``when``: active only while every named parent has one of these values: ``{"kernel": ["rbf"]}``, ``{"layers": ">= 2"}``.
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

    def __post_init__(self) -> None:
        for field in ("low", "high", "step"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, _finite(self.name, field, getattr(self, field)))
        largest = max(abs(self.low), abs(self.high))
        if largest > LARGEST or (0 < largest < 1 / LARGEST) or (self.log and 0 < self.low < 1 / LARGEST):
            raise InvalidSpace(
                f"`{self.name}`: bounds must be between {1 / LARGEST!r} and {LARGEST!r} in magnitude, got low={self.low!r}, "
                f"high={self.high!r}; use another unit."
            )
        self._check_common()
        if self.high - self.low < NARROWEST * largest:
            raise InvalidSpace(
                f"`{self.name}`: the range is too narrow for its magnitude, got low={self.low!r}, high={self.high!r}; "
                "tune the difference from `low` instead."
            )
        object.__setattr__(self, "when", checked_when(self.name, self.when))
        _ = self.scale
        self._check_default()

    @cached_property
    def scale(self) -> Scale:
        """How the values lie in the unit interval."""
        if self.step is not None:
            return Grid(self.low, self.step, self._count_levels(self.step), self.log)
        return Log(self.low, self.high) if self.log else Linear(self.low, self.high)


@dataclass(frozen=True, eq=False)
class Int(_Number):
    """An integer in [low, high]; ``log``, ``step`` and ``when`` as for Float."""

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

    def __post_init__(self) -> None:
        for field in ("low", "high", "step"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, _whole(self.name, field, getattr(self, field)))
        if max(abs(self.low), abs(self.high)) > LARGEST_INT:
            raise InvalidSpace(
                f"`{self.name}`: integers must be within ±{LARGEST_INT:.0e}, got low={self.low!r}, high={self.high!r}; "
                "use a Float, or another unit."
            )
        self._check_common()
        object.__setattr__(self, "when", checked_when(self.name, self.when))
        _ = self.scale
        self._check_default()

    @cached_property
    def scale(self) -> Scale:
        """How the values lie in the unit interval."""
        step = self.step or 1
        return Grid(float(self.low), float(step), self._count_levels(float(step)), self.log)

    def decode(self, u: np.ndarray) -> list[int]:
        """Return the values (n,) at coordinates."""
        return self.scale.from_unit(u).astype(np.int64).tolist()

    def _plain(self, number: float) -> int:
        return int(number)


@dataclass(frozen=True, eq=False)
class Categorical(_Parameter):
    """One of several choices; ``ordered``: neighbours are alike, as in ``[8, 16, 32]``.

    ``choices``: text, numbers, bools and None; or a mapping from labels to objects (plain JSON values), where configurations
    carry the label and ``value_of(label)`` is the object. ``default=None`` is a default where None is a choice, else none.
    """

    name: str
    choices: Any  # given as a sequence or a mapping, kept as a tuple of choices
    _: KW_ONLY
    default: Choice = None
    description: str = ""
    unit: str = ""
    when: Mapping[str, Any] | None = None  # Any: one value, a list of values, or a comparison as text
    ordered: bool = False
    labelled: Mapping[str, Any] | None = field(init=False, repr=False, default=None)  # Any: plain JSON values

    def __post_init__(self) -> None:
        check_name(self.name)
        check_texts(self.name, self.description, self.unit)
        if isinstance(self.choices, Mapping):
            object.__setattr__(self, "labelled", _checked_labels(self.name, self.choices))
        object.__setattr__(self, "choices", _checked_choices(self.name, self.choices))
        if not isinstance(self.ordered, bool):
            raise InvalidSpace(f"`{self.name}`: `ordered` must be True or False, got {self.ordered!r}.")
        object.__setattr__(self, "when", checked_when(self.name, self.when))
        if self.default is not None:
            try:
                object.__setattr__(self, "default", self.coerce(self.default))
            except InvalidParameters as error:
                raise InvalidSpace(f"The default of {error}") from None

    @property
    def is_categorical(self) -> bool:
        """Whether its choices have no order."""
        return not self.ordered

    @property
    def levels(self) -> int:
        """Number of choices."""
        return len(self.choices)

    @property
    def has_default(self) -> bool:
        """Whether a default was declared, or is None and a choice."""
        return self.default is not None or None in self.choices

    @property
    def typical(self) -> Choice:
        """The default where declared, else the first choice (the middle one when ordered)."""
        if self.has_default:
            return self.default
        return self.choices[(len(self.choices) - 1) // 2] if self.ordered else self.choices[0]

    @cached_property
    def is_numeric(self) -> bool:
        """Whether every choice is a number, a bool or None, so that relations may calculate with it (None as NaN)."""
        return all(c is None or isinstance(c, bool | int | float) for c in self.choices)

    def value_of(self, label: Choice) -> Any:  # Any: whatever the caller put behind the label
        """Return the object behind a label; the choice itself where choices are not labelled."""
        choice = self.coerce(label)
        return self.labelled[choice] if self.labelled is not None and isinstance(choice, str) else choice

    def coerce(self, value: object) -> Choice:
        """Return the choice that ``value`` means (numpy scalars, 16.0 for 16), or raise InvalidParameters."""
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, bool | int | float | str) or plain is None:
            index = self._index.get(_sense(plain))
            if index is not None:
                return self.choices[index]
        raise InvalidParameters(
            f"`{self.name}` must be one of {self._shown}, got {value!r}{self._hint(plain)}."
        )

    def nearest(self, value: object) -> Choice:
        """Return the choice meant or, among numbers, nearest; else the typical one."""
        try:
            return self.coerce(value)
        except InvalidParameters:
            choices = [c for c in self.choices if isinstance(c, int | float) and not isinstance(c, bool)]
            real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
            if not choices or not real or not math.isfinite(value):
                return self.typical
            return min(choices, key=lambda c: abs(c - float(value)))

    def encode(self, values: Sequence[Any]) -> np.ndarray:
        """Return coordinates (n,) of choices."""
        index = self._index
        found = [index.get(_sense(v)) for v in values]
        if None in found:
            found = [index[_sense(self.coerce(v))] for v in values]
        return (np.array(found, float) + 0.5) / self.levels

    def decode(self, u: np.ndarray) -> list[Any]:
        """Return the choices (n,) at coordinates."""
        choices = self.choices
        return [choices[i] for i in self.indices(u).tolist()]

    def snap(self, u: np.ndarray) -> np.ndarray:
        """Return the coordinates (n,) of the choices that own ``u``."""
        return (self.indices(u) + 0.5) / self.levels

    def indices(self, u: np.ndarray) -> np.ndarray:
        """Return which choice (n,) int owns each coordinate."""
        return np.clip(np.floor(u * self.levels), 0, self.levels - 1).astype(np.int64)

    def column(self, u: np.ndarray) -> np.ndarray:
        """Return the choices (n,) as an array, for relations: numbers where all are, None as NaN."""
        return self._array[self.indices(u)]

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as plain JSON values, without the name."""
        optional = {
            "ordered": self.ordered or None,
            "default": self.default,
            "description": self.description or None,
            "unit": self.unit or None,
            "when": plain_when(self.when),
        }
        choices = list(self.choices) if self.labelled is None else dict(self.labelled)
        return {
            "type": "categorical",
            "choices": choices,
            **{k: v for k, v in optional.items() if v is not None},
        }

    @cached_property
    def _index(self) -> dict[tuple[str, Any], int]:
        return {_sense(c): i for i, c in enumerate(self.choices)}

    @cached_property
    def _array(self) -> np.ndarray:
        if self.is_numeric:
            return np.array([np.nan if c is None else c for c in self.choices], float)
        array = np.empty(len(self.choices), object)
        array[:] = self.choices
        return array

    @property
    def _shown(self) -> str:
        shown = ", ".join(repr(c) for c in self.choices[:12])
        return f"[{shown}{', …' if len(self.choices) > 12 else ''}]"

    def _hint(self, value: object) -> str:
        if not isinstance(value, str):
            return ""
        by_text = {str(c): c for c in self.choices}
        if value in by_text:
            return f"; did you mean {by_text[value]!r}, which is not text?"
        close = difflib.get_close_matches(value, by_text, 1)
        return f"; did you mean {by_text[close[0]]!r}?" if close else ""


Parameter = Float | Int | Categorical


def check_name(name: object) -> None:
    """Refuse a name that is not 1 to 100 printable characters."""
    if (
        not isinstance(name, str)
        or not name.strip()
        or not name.isprintable()
        or len(name) > MAX_NAME
        or "`" in name
    ):
        raise InvalidSpace(
            f"A parameter's name must be 1 to {MAX_NAME} printable characters without backquotes, got {name!r}."
        )


def check_texts(name: str, description: object, unit: object) -> None:
    """Refuse a description or unit that is not text."""
    for field_name, text in (("description", description), ("unit", unit)):
        if not isinstance(text, str):
            raise InvalidSpace(f"`{name}`: `{field_name}` must be text, got {text!r}.")


def checked_when(
    name: str, when: object
) -> Mapping[str, Any] | None:  # Any: tuples of choices, or comparison text
    """Return conditions with every value list as a tuple; comparisons stay text. The space checks them against the parents."""
    if when is None:
        return None
    if not isinstance(when, Mapping) or not when:
        raise InvalidSpace(
            f"`{name}`: `when` must map a parent to its values, as {{'kernel': ['rbf']}}, got {when!r}."
        )
    return {parent: _when_values(name, parent, allowed) for parent, allowed in when.items()}


def is_comparison(allowed: object) -> bool:
    """Whether a condition is written as a comparison, as ``">= 2"``."""
    return isinstance(allowed, str) and allowed.lstrip()[:1] in tuple("<>")


def plain_when(when: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return conditions as plain JSON values; inverse of ``checked_when``."""
    return None if when is None else {k: list(v) if isinstance(v, tuple) else v for k, v in when.items()}


def _when_values(name: str, parent: object, allowed: object) -> Any:
    if is_comparison(allowed):
        return allowed
    single = isinstance(allowed, str | numbers.Number | np.generic) or allowed is None
    if not single and not isinstance(allowed, Sequence | set | frozenset):
        raise InvalidSpace(
            f"`{name}`: `when` needs a value or a list of values for {parent!r}, got {allowed!r}."
        )
    values = (allowed,) if single else tuple(allowed)  # pyright: ignore[reportArgumentType]
    if not values:
        raise InvalidSpace(
            f"`{name}`: `when` gives no value for {parent!r}, so it could never be active; name at least one."
        )
    return tuple(v.item() if isinstance(v, np.generic) else v for v in values)


def _sense(value: Any) -> tuple[str, Any]:
    """Return what a choice means: bools are not numbers, 16 and 16.0 are the same, noise digits do not count."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float):
        return ("number", round_significant(value))
    return ("number", value) if isinstance(value, int) else (type(value).__name__, value)


def _checked_labels(name: str, choices: Mapping[Any, Any]) -> dict[str, Any]:
    """Return labelled choices after a round trip through JSON, which is how they are kept."""
    for label in choices:
        if not isinstance(label, str) or not label:
            raise InvalidSpace(f"`{name}`: labels of choices must be non-empty text, got {label!r}.")
    try:
        return json.loads(json.dumps(dict(choices), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidSpace(
            f"`{name}`: objects behind labels must be plain JSON values, got {choices!r} ({error}); "
            "use the label and look the object up in the evaluator."
        ) from None


def _checked_choices(name: str, choices: object) -> tuple[Choice, ...]:
    if isinstance(choices, str | bytes) or not isinstance(choices, Sequence | Mapping | np.ndarray):
        raise InvalidSpace(
            f"`{name}`: `choices` must be a list, or a mapping from labels to objects, got {choices!r}."
        )
    plain = tuple(c.item() if isinstance(c, np.generic) else c for c in choices)
    if not plain:
        raise InvalidSpace(f"`{name}`: `choices` must not be empty; give at least one.")
    if len(plain) > MAX_CHOICES:
        raise InvalidSpace(
            f"`{name}`: at most {MAX_CHOICES} choices, got {len(plain)}; use an Int that indexes them."
        )
    seen: dict[Any, Choice] = {}
    for choice in plain:
        _check_choice(name, choice)
        key = round_significant(choice) if isinstance(choice, float) else choice
        if key in seen:
            raise InvalidSpace(
                f"`{name}`: `choices` must differ, got {seen[key]!r} and {choice!r}, which are equal; "
                "drop one, or label them: {'one': 1, 'yes': True}."
            )
        seen[key] = choice
    return plain


def _check_choice(name: str, choice: object) -> None:
    if not (isinstance(choice, bool | int | float | str) or choice is None):
        raise InvalidSpace(
            f"`{name}`: a choice must be text, a number, a bool or None, got {choice!r}; "
            "label objects: choices={'small': {…}, 'large': {…}}."
        )
    if isinstance(choice, float) and not math.isfinite(choice):
        raise InvalidSpace(f"`{name}`: a choice must be finite, got {choice!r}; use text or None for it.")


def _finite(name: str, field_name: str, value: object) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise InvalidSpace(f"`{name}`: `{field_name}` must be a finite number, got {value!r}.")
    return float(value)


def _whole(name: str, field_name: str, value: object) -> int:
    number = _finite(name, field_name, value)
    if number != int(number):
        raise InvalidSpace(
            f"`{name}`: `{field_name}` of an Int must be a whole number, got {value!r}; use a Float."
        )
    return int(number)
