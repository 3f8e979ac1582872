"""``Categorical``: one of several choices, plain or labelled, ordered or not.

A choice is known by what it means: 16 and 16.0 are the same, 1 and True are not, and both pairs may not stand
together.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import EnumMeta
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InvalidParameters, InvalidSpace
from .base import (
    BaseParameter,
    Choice,
    check_name,
    check_texts,
    checked_when,
    finite_number,
    is_text,
    plain_choice,
    plain_when,
    shown,
)
from .scales import round_significant

MAX_CHOICES = 10_000
_PLAIN = frozenset({bool, int, float, str, type(None)})


@dataclass(frozen=True, eq=False)
class Categorical(BaseParameter):
    """One of several choices; ``ordered``: neighbours are alike, as in ``[8, 16, 32]``.

    ``choices``: text, numbers, bools and None; or a mapping from labels to objects (plain JSON values), where
    configurations carry the label and ``value_of(label)`` is the object; or an enumeration, or some members of it:
    configurations carry their values where it is one of text or numbers, else their names. ``default=None`` is a
    default where None is a choice, else none.
    """

    name: str
    choices: Any  # given as a sequence or a mapping, kept as a tuple of choices
    _: KW_ONLY
    default: Choice = None
    description: str = ""
    unit: str = ""
    when: Mapping[str, Any] | None = None  # Any: one value, a list of values, or a comparison as text
    ordered: bool = False
    prior: Sequence[float] | None = None
    labelled: Mapping[str, Any] | None = field(repr=False, default=None)
    """Objects behind the labels; set from ``choices`` when that is a mapping."""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_texts(self.name, self.description, self.unit)
        if isinstance(self.choices, Mapping):
            object.__setattr__(self, "labelled", _checked_labels(self.name, self.choices))
        elif self.labelled is not None and tuple(self.labelled) != tuple(self.choices):
            raise InvalidSpace(
                f"`{self.name}`: give labelled choices as one mapping, choices={{label: object}}."
            )
        object.__setattr__(self, "choices", _checked_choices(self.name, self.choices))
        if not isinstance(self.ordered, bool):
            raise InvalidSpace(f"`{self.name}`: `ordered` must be True or False, got {self.ordered!r}.")
        object.__setattr__(self, "when", checked_when(self.name, self.when))
        object.__setattr__(self, "prior", _checked_weights(self.name, self.prior, len(self.choices)))
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
        """The default where declared, else the likeliest, else the first choice (the middle one when ordered)."""
        if self.has_default:
            return self.default
        if self.prior is not None:
            return self.choices[int(np.argmax(self.prior))]
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
        plain = plain_choice(value)
        if type(plain) in _PLAIN:
            index = self._index.get(_sense(plain))
            if index is not None:
                return self.choices[index]
        raise InvalidParameters(
            f"`{self.name}` must be one of {self._shown}, got {shown(value)}{self._hint(plain)}."
        )

    def nearest(self, value: object) -> Choice:
        """Return the choice meant or, among numbers, nearest; else the typical one."""
        try:
            return self.coerce(value)
        except InvalidParameters:
            choices = [c for c in self.choices if isinstance(c, int | float) and not isinstance(c, bool)]
            number = finite_number(value)
            if not choices or number is None:
                return self.typical
            return min(choices, key=lambda c: abs(c - number))

    def encode(self, values: Sequence[Any]) -> np.ndarray:
        """Return coordinates (n,) of choices."""
        index = self._index
        places = [index.get(_sense(v)) if type(v) in _PLAIN else None for v in values]
        if None in places:
            places = [index[_sense(self.coerce(v))] for v in values]
        return (np.array(places, float) + 0.5) / self.levels

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

    @property
    def middles(self) -> np.ndarray:
        """Coordinates (levels,) of all choices, in order."""
        return (np.arange(self.levels) + 0.5) / self.levels

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
            "prior": self.prior and list(self.prior),
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


def _sense(value: Any) -> tuple[str, Any]:
    """Return what a choice means: bools are not numbers, 16 and 16.0 are the same, noise digits do not count."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float):
        return ("number", round_significant(value))
    return ("number", value) if isinstance(value, int) else (type(value).__name__, value)


def _checked_labels(name: str, choices: Mapping[Any, Any]) -> dict[str, Any]:
    """Return labelled choices after a round trip through JSON, which is how they are kept."""
    choices = {plain_choice(label): value for label, value in choices.items()}
    for label in choices:
        if not label or not is_text(label):
            raise InvalidSpace(f"`{name}`: labels of choices must be non-empty text, got {shown(label)}.")
    try:
        return json.loads(json.dumps(dict(choices), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidSpace(
            f"`{name}`: objects behind labels must be plain JSON values, got {shown(choices)} ({error}); "
            "use the label and look the object up in the evaluator."
        ) from None


def _checked_choices(name: str, choices: object) -> tuple[Choice, ...]:
    if isinstance(choices, EnumMeta):
        choices = tuple(choices)
    if isinstance(choices, np.ndarray) and choices.ndim == 1:
        choices = choices.tolist()
    if isinstance(choices, str | bytes) or not isinstance(choices, Sequence | Mapping):
        raise InvalidSpace(
            f"`{name}`: `choices` must be a list, or a mapping from labels to objects, or an enumeration, got {shown(choices)}."
        )
    plain = tuple(plain_choice(c) for c in choices)
    if not plain:
        raise InvalidSpace(f"`{name}`: `choices` must not be empty; give at least one.")
    if len(plain) > MAX_CHOICES:
        raise InvalidSpace(
            f"`{name}`: at most {MAX_CHOICES} choices, got {len(plain)}; use an Int that indexes them."
        )
    by_sense: dict[Any, Choice] = {}
    for choice in plain:
        _check_choice(name, choice)
        key = round_significant(choice) if isinstance(choice, float) else choice
        if key in by_sense:
            raise InvalidSpace(
                f"`{name}`: `choices` must differ, got {by_sense[key]!r} and {choice!r}, which are equal; "
                "drop one, or label them: {'one': 1, 'yes': True}."
            )
        by_sense[key] = choice
    return plain


def _checked_weights(name: str, weights: object, count: int) -> tuple[float, ...] | None:
    if weights is None:
        return None
    numbers = [finite_number(w) for w in weights] if isinstance(weights, Sequence | np.ndarray) else []
    checked = tuple(w for w in numbers if w is not None and w > 0)
    if isinstance(weights, str) or len(checked) != len(numbers) or len(numbers) != count:
        raise InvalidSpace(
            f"`{name}`: `prior` must be {count} positive weights, one per choice, got {shown(weights)}; "
            "leave a choice out that cannot be the best."
        )
    return checked


def _check_choice(name: str, choice: object) -> None:
    if not (isinstance(choice, bool | int | float | str) or choice is None):
        raise InvalidSpace(
            f"`{name}`: a choice must be text, a number, a bool or None, got {shown(choice)}; label objects, as "
            f"choices={_labelled_example(choice)}: configurations carry the label, `value_of(label)` is the object."
        )
    if isinstance(choice, str) and not is_text(choice):
        raise InvalidSpace(
            f"`{name}`: a choice may hold no NUL and no half of a surrogate pair, got {shown(choice)}."
        )
    if isinstance(choice, int | float) and not isinstance(choice, bool) and finite_number(choice) is None:
        raise InvalidSpace(
            f"`{name}`: a choice must be finite, got {shown(choice)}; use text or None for it."
        )


def _labelled_example(choice: object) -> str:
    """Return how a collection would be labelled, with its JSON text as its label."""
    try:
        text = json.dumps(choice, allow_nan=False)
    except (TypeError, ValueError):
        text = ""
    return f"{{{text!r}: {text}, …}}" if 0 < len(text) <= 60 else "{'small': {…}, 'large': {…}}"
