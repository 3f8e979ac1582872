"""``{name}`` in the arguments and environment of a command: which there are, and what they become.

``{{`` and ``}}`` are braces. True and False become ``true`` and ``false``, None ``none``, labelled choices their
label. An argument whose parameter is inactive is left out, together with the option before it: ``["--gamma",
"{gamma}"]`` vanishes as a whole.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidSpecification

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^\s{}\"':,]+)\}")


def placeholders(text: str) -> tuple[str, ...]:
    """Return the names between braces, in order."""
    return tuple(m.group(1) for m in _PLACEHOLDER.finditer(text) if m.group(1))


def check_placeholders(texts: Iterable[str], known: Sequence[str]) -> None:
    """Raise InvalidSpecification for a placeholder that nothing fills."""
    for text in texts:
        for name in placeholders(text):
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                cure = f"did you mean {{{close[0]}}}?" if close else f"there are {', '.join(known)}."
                raise InvalidSpecification(
                    f"`command`: nothing fills {{{name}}} in {text!r}; {cure} Braces are written {{{{ and }}}}."
                )


def filled(text: str, values: Mapping[str, Any]) -> str | None:
    """Return the text with placeholders replaced, or None when one of them has no value."""
    if any(name not in values for name in placeholders(text)):
        return None
    braces = {"{{": "{", "}}": "}"}
    return _PLACEHOLDER.sub(lambda m: braces.get(m.group(0)) or as_text(values[m.group(1)]), text)


def filled_arguments(arguments: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return the arguments with placeholders replaced; those without a value vanish with their option."""
    done: list[str] = []
    previous = ""
    for argument in arguments:
        text = filled(argument, values)
        if text is not None:
            done.append(text)
        elif (
            placeholders(argument) == (argument[1:-1],)
            and previous.startswith("-")
            and not placeholders(previous)
        ):
            done.pop()
        previous = argument
    return done


def as_text(value: object) -> str:
    """Return a value as programs expect it on a command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)
