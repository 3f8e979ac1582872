"""``{name}`` in the arguments and environment of a command: which there are, and what they become.

Every name of a parameter works between braces. ``{{`` and its ``}}`` are braces; what cannot be a name, as
``{"a": {"b": 1}}``, is left as it is. True and False become ``true`` and ``false``, None ``none``, labelled choices
their label. An argument whose parameter is inactive is left out, together with the option before it: ``["--gamma",
"{gamma}"]`` vanishes as a whole.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..errors import InvalidSpecification

_NAME = r"\{([^\s{}\"':,]+|[\w./-]+(?: [\w./-]+)+)\}"
"""What is meant as a name, known or not: one word, or several plain ones."""
_BRACED = re.compile(r"\{([^{}]{1,100})\}")


@lru_cache(maxsize=64)
def _pattern(known: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches a known name (group 1), an escaped brace, or what looks like a name (group 2)."""
    names = "|".join(re.escape(n) for n in sorted(known, key=len, reverse=True))
    return re.compile(r"\{(" + (names or r"(?!)") + r")\}|\{\{|\}\}|" + _NAME)


def placeholders(text: str, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names between braces, in order: known ones, and what looks like one."""
    names = (m.group(1) or m.group(2) for m in _pattern(tuple(known)).finditer(text))
    return tuple(name for name in names if name)


def check_placeholders(texts: Iterable[str], known: Sequence[str]) -> None:
    """Raise InvalidSpecification for a placeholder that nothing fills, or that is nearly one."""
    for text in texts:
        names = placeholders(text, known)
        looks = [n for n in _BRACED.findall(_pattern(tuple(known)).sub("", text)) if _nearest(n, known)]
        for name in [n for n in names if n not in known] + looks:
            close = _nearest(name, known)
            cure = f"did you mean {{{close}}}?" if close else f"there are {', '.join(known)}."
            raise InvalidSpecification(
                f"`command`: nothing fills {{{name}}} in {text!r}; {cure} Braces are written {{{{ and }}}}."
            )


def check_all_placed(texts: Sequence[str], names: Sequence[str], whole: Collection[str]) -> None:
    """Raise InvalidSpecification where some parameters have a placeholder and others have none.

    ``whole``: placeholders that hand over all parameters. A program that is given none by name reads them from its
    environment.
    """
    placed = {name for text in texts for name in placeholders(text, [*names, *whole])}
    missing = [n for n in names if n not in placed]
    if missing and len(missing) < len(names) and not placed & set(whole):
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InvalidSpecification(
            f"`command` leaves out the parameter {missing[0]!r}{others}, so its values would change nothing; add "
            f"'{{{missing[0]}}}' to the arguments or `env`, or hand over all parameters with '{{params_file}}'."
        )


def left_out(texts: Iterable[str], values: Mapping[str, Any], names: Sequence[str]) -> tuple[str, str] | None:
    """Return a parameter that has a value but stands only in texts that vanish for another one, and such a text."""
    names_known = tuple({*values, *names})
    in_place: set[str] = set()
    gone: dict[str, str] = {}
    for text in texts:
        in_text = placeholders(text, names_known)
        if all(name in values for name in in_text):
            in_place.update(in_text)
        else:
            gone |= {name: text for name in in_text if name in values and name in names}
    return next(((name, text) for name, text in gone.items() if name not in in_place), None)


def filled(text: str, values: Mapping[str, Any], known: Iterable[str] = ()) -> str | None:
    """Return the text with placeholders replaced, or None when one of them has no value.

    ``known``: names beside those that have values.
    """
    names = tuple({*values, *known})
    if any(name not in values for name in placeholders(text, names)):
        return None
    opened = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal opened
        if match.group(1):
            return as_text(values[match.group(1)])
        if match.group(0) == "}}" and not opened:
            return "}}"  # the end of nested JSON, which nobody escaped
        opened += 1 if match.group(0) == "{{" else -1
        return match.group(0)[0]

    return _pattern(names).sub(replaced, text)


def filled_arguments(
    arguments: Sequence[str], values: Mapping[str, Any], known: Iterable[str] = ()
) -> list[str]:
    """Return the arguments with placeholders replaced; those without a value vanish with their option."""
    names = tuple({*values, *known})
    done: list[str] = []
    previous = ""
    for argument in arguments:
        text = filled(argument, values, known)
        if text is not None:
            done.append(text)
        elif (
            placeholders(argument, names) == (argument[1:-1],)
            and previous.startswith("-")
            and not placeholders(previous, names)
        ):
            done.pop()
        previous = argument
    return done


def as_text(value: object) -> str:
    """Return a value as programs expect it on a command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, 1)), None)
