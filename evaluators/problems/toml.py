"""TOML that anybody wrote, as plain values: what the standard library reads, within limits that keep it linear.

``tomllib`` takes the square of the length of a dotted key, and recurses into nested values. Knows nothing of what the
values mean.
"""

import re
import tomllib
from typing import Any

from ..errors import InvalidSpecification

_PART = r"(?:[\w\-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
_ENDLESS_KEY = re.compile(rf"(?<![\w\-.]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{50}}")
"""A key of more than 50 parts; nobody means one."""


def read_toml(text: str, where: str) -> dict[str, Any]:  # Any: what TOML can say
    """Return the tables of a text; ``where`` names it in messages. Raises InvalidSpecification with the line."""
    if _ENDLESS_KEY.search(text):
        raise InvalidSpecification(f"{where} has a key of more than 50 parts; put it into quotes.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"at line {text.count(chr(10)) + 1}, the last"
        words = str(error).replace("at end of document", end)
        raise InvalidSpecification(f"{where} is not TOML: {words}.") from None
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        what = (
            "nests its values too deeply" if isinstance(error, RecursionError) else f"cannot be read: {error}"
        )
        raise InvalidSpecification(f"{where} {what}.") from None
