"""Numbers in the settings of a workload: their text, and the ranges they must be in.

The one place of such rules, so that every complaint says the rule, the value and the cure in the same words.
"""

from collections.abc import Callable
from typing import TypeVar

from ..errors import InvalidSpecification

MOST_TOKENS = 10_000_000
"""Of one request; more than any model takes."""
LATEST_S = 1e12
"""Times may be seconds since 1970, or since the start of the record."""
T = TypeVar("T")


def in_range(name: str, value: float, low: float, high: float, cure: str, *, above: bool = False) -> None:
    """Refuse a number that is not in [low, high], or with ``above`` in ]low, high]; raises InvalidSpecification."""
    if not ((low < value if above else low <= value) and value <= high):
        rule = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
        raise InvalidSpecification(f"`{name}` of a workload must be {rule}, got {value!r}; {cure}.")


def yes(text: str) -> bool:
    """Return the truth value that a text says; KeyError where it says none."""
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.casefold()]


_EXPECTED = {int: "a whole number such as 64", float: "a number such as 0.5", yes: "true or false"}


def number(kind: Callable[[str], T], name: str, text: str) -> T:
    """Return a setting's text as ``int``, ``float`` or truth value (``yes``); raises InvalidSpecification."""
    try:
        return kind(text)
    except (ValueError, KeyError):
        raise InvalidSpecification(
            f"`{name}` of a workload must be {_EXPECTED[kind]}, got {text!r}."
        ) from None
