"""What the installed vLLM can be told: its flags and environment variables, and what holds where nothing is told.

Read from the answer of a warm host (``parameters``) and the environment that servers get; names are vLLM's.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .catalogue import KNOBS, Value, is_variable


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of ``vllm serve``. ``choices``: those that vLLM lists, True and False of a switch, else none."""

    name: str
    default: Value = None
    choices: tuple[Value, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """Flags by name, the names of environment variables, and the variables that a server is started with."""

    flags: Mapping[str, Flag] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, answer: Mapping[str, Any], environment: Mapping[str, str]
    ) -> "Installed":  # Any: JSON of the host
        """Return what a warm host told, for servers that get ``environment``."""
        flags = [_flag(p) for p in answer["parameters"]]
        own = {k.name for k in KNOBS if k.variable}
        return cls({f.name: f for f in flags}, frozenset({*answer.get("variables", ()), *own}), environment)

    def has(self, name: str) -> bool:
        """Whether a server can be told this."""
        return name in (self.variables if is_variable(name) else self.flags)

    def nearest(self, name: str) -> str:
        """Return the name that was probably meant, or an empty text."""
        names = [*self.flags, *self.variables]
        by_case = {k.casefold(): k for k in names}
        close = difflib.get_close_matches(name.casefold(), by_case, 1)
        return by_case[close[0]] if close else ""

    def default(
        self, name: str, resolved: Mapping[str, Any]
    ) -> Value:  # Any: JSON of vLLM's resolved configuration
        """Return what holds where nothing is told, as far as it is a plain value: None where that is not known."""
        if is_variable(name):
            text = self.environment.get(name)
            return None if text is None else plain_value(text)
        defaults = [c[name] for c in (resolved, *resolved.values()) if isinstance(c, Mapping) and name in c]
        if len(defaults) == 1 and _is_plain(defaults[0]):
            return defaults[0]
        return self.flags[name].default if name in self.flags and not defaults else None


def plain_value(text: str) -> Value:
    """Return a text as the number or truth value that it is; as text where it is neither."""
    try:
        value = json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)
    return value if _is_plain(value) and not isinstance(value, str) else text


def _flag(parameter: Mapping[str, Any]) -> Flag:  # Any: JSON
    options: Sequence[Any] = parameter.get("choices") or ()
    choices = (True, False) if parameter.get("is_switch") else tuple(c for c in options if _is_plain(c))
    default = parameter.get("default")
    return Flag(
        parameter["name"], default if _is_plain(default) else None, choices, parameter.get("help") or ""
    )


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
