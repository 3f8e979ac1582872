"""What every kind of parameter shares: equality by meaning, and the checks of names, texts and conditions.

Knows nothing of scales or choices. ``when`` is kept as data here; ``conditions.py`` gives it its meaning.
"""

import json
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InvalidParameters, InvalidSpace

Choice = bool | int | float | str | None

MAX_NAME = 100


class BaseParameter(ABC):
    """What the three kinds share: name, texts, equality by meaning."""

    name: str

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the definition as plain JSON values, without the name."""

    @cached_property
    def meaning(self) -> str:
        """A text that two parameters share exactly if they are equal."""
        plain = self.to_dict()
        choices = list(plain.get("choices", ()))  # their order counts, also that of labels
        return json.dumps([self.name, choices, plain], sort_keys=True)

    def __eq__(self, other: object) -> bool:
        """Compare by meaning: ``1`` and ``True`` are different choices here, though equal in Python."""
        return isinstance(other, BaseParameter) and self.meaning == other.meaning

    def __hash__(self) -> int:
        return hash(self.meaning)


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
            f"A parameter's name must be 1 to {MAX_NAME} printable characters without backquotes, got {shown(name)}."
        )


def is_text(value: object) -> bool:
    """Return whether a value is text that every database and every reader of JSON takes: no NUL, no lone surrogate."""
    if not isinstance(value, str) or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def storable(text: object) -> str:
    """Return text that every database takes: PostgreSQL has no NUL, and no UTF-8 has half a surrogate pair. Of what is
    no text, how Python writes it."""
    text = text if isinstance(text, str) else shown(text)
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def plain_choice(value: object) -> Any:  # Any: not yet checked to be a Choice
    """Return the plain value that stands for ``value``; what is no choice comes back as it is.

    A numpy scalar is its Python number; a member of a text or number enumeration its value, of another enumeration its
    name; an instance of a subclass of ``str``, ``int`` or ``float`` its bare value.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    return value.name if isinstance(value, Enum) else value


def shown(value: object, most: int = 100) -> str:
    """Return a value for a message, whatever it is: Python writes no integer of more than 4,300 digits."""
    try:
        text = repr(value)
    except Exception as error:  # an object of somebody else's may raise anything
        return f"<{type(value).__name__} that cannot be written: {words_of(error)}>"[:most]
    return text if len(text) <= most else text[: most - 1] + "…"


def words_of(error: BaseException) -> str:
    """Return an exception's message, whatever it is: somebody else's may raise anything when it is written."""
    try:
        return str(error)
    except Exception as unwritten:  # see above
        return f"its message cannot be written: {type(unwritten).__name__}"


def plain_number(value: Any) -> Any:  # Any: whatever an evaluator returned
    """Return Python's own number for a scalar of another library (numpy, torch, Decimal) or a member of an enumeration,
    else the value itself; one that is masked is none."""
    if isinstance(value, int | float):
        return plain_choice(value)
    try:
        if isinstance(value, np.ma.MaskedArray | np.timedelta64):
            return value
        if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
            return value.item()
        other = isinstance(value, str) or hasattr(value, "ndim")
        return value if other or not hasattr(value, "__float__") else float(value)
    except (ArithmeticError, TypeError, ValueError):  # no number after all, or one past the largest float
        return value


def finite_number(value: object) -> float | None:
    """Return the real number that ``value`` is; None for anything else: bools, NaN, infinities, integers past them."""
    plain = value if type(value) in (int, float) else plain_number(value)
    if isinstance(plain, bool | np.timedelta64) or not isinstance(plain, numbers.Real):
        return None
    try:
        number = float(plain)
    except (OverflowError, TypeError):
        return None
    return number if math.isfinite(number) else None


def whole_number(value: object) -> int | None:
    """Return the integer that ``value`` is (3.0 and numpy's 3 are 3); None for anything else."""
    if type(value) is int:
        return value
    number = finite_number(value)
    return int(number) if number is not None and number == int(number) else None


def checked_mapping(params: object) -> Mapping[str, Any]:
    """Return parameters as they are; raises InvalidParameters for what maps no names to values."""
    if not isinstance(params, Mapping):
        raise InvalidParameters(f"Parameters must be a mapping from names to values, got {shown(params)}.")
    return params


def check_texts(name: str, description: object, unit: object) -> None:
    """Refuse a description or unit that is not text."""
    for field_name, text in (("description", description), ("unit", unit)):
        if not is_text(text):
            raise InvalidSpace(f"`{name}`: `{field_name}` must be text, got {shown(text)}.")


def checked_when(
    name: str, when: object
) -> Mapping[str, Any] | None:  # Any: tuples of choices, or comparison text
    """Return conditions with every value list as a tuple; comparisons stay text. The space checks them against the
    parents."""
    if when is None:
        return None
    if not isinstance(when, Mapping) or not when:
        raise InvalidSpace(
            f"`{name}`: `when` must map a parent to its values, as {{'kernel': ['rbf']}}, got {shown(when)}."
        )
    return {parent: _when_values(name, parent, allowed) for parent, allowed in when.items()}


def checked_prior(name: str, prior: object, *, log: bool) -> Mapping[str, float] | None:
    """Return what is believed of a number, as ``mean`` and ``sd``; on a log scale ``sd`` is a factor above 1."""
    if prior is None:
        return None
    numbers_given = {k: finite_number(v) for k, v in prior.items()} if isinstance(prior, Mapping) else {}
    mean, sd = numbers_given.get("mean"), numbers_given.get("sd")
    least = 1.0 if log else 0.0
    if set(numbers_given) != {"mean", "sd"} or mean is None or sd is None or sd <= least:
        scale = (
            "on a log scale a factor above 1, as 3 for a third to three times the mean" if log else "above 0"
        )
        raise InvalidSpace(
            f"`{name}`: `prior` must be {{'mean': …, 'sd': …}} with `sd` {scale}, got {shown(prior)}."
        )
    return {"mean": mean, "sd": sd}


def is_comparison(allowed: object) -> bool:
    """Whether a condition is written as a comparison, as ``">= 2"``."""
    return isinstance(allowed, str) and allowed.lstrip()[:1] in tuple("<>")


def plain_when(when: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return conditions as plain JSON values; inverse of ``checked_when``."""
    return None if when is None else {k: list(v) if isinstance(v, tuple) else v for k, v in when.items()}


def _when_values(name: str, parent: object, allowed: object) -> Any:
    if is_comparison(allowed):
        return allowed
    single = isinstance(allowed, str | numbers.Number | np.generic | Enum) or allowed is None
    if not single and not isinstance(allowed, Sequence | set | frozenset):
        raise InvalidSpace(
            f"`{name}`: `when` needs a value or a list of values for {parent!r}, got {shown(allowed)}."
        )
    values = (allowed,) if single else tuple(allowed)  # pyright: ignore[reportArgumentType]
    if not values:
        raise InvalidSpace(
            f"`{name}`: `when` gives no value for {parent!r}, so it could never be active; name at least one."
        )
    return tuple(plain_choice(v) for v in values)
