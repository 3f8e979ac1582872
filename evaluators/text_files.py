"""Files that anybody wrote, as text and as JSON: what cannot be read is refused in words.

A mark of byte order, as some editors put it first, is no part of the text. Knows nothing of what the words mean.
"""

import json
from pathlib import Path
from typing import Any

from .errors import InvalidSpecification


def read_text(path: Path | str) -> str:
    """Return the text of a file, its line ends as they are. Raises InvalidSpecification, OSError."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpecification(f"{path} must be UTF-8 text; save it as that: {error}.") from None


def number_or_text(cell: str) -> int | float | str:
    """Return the number written in a cell of a table, else its text."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def read_json(text: str, where: str) -> Any:  # Any: JSON
    """Return what a text holds; ``where`` names it. Raises InvalidSpecification."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSpecification(f"{where} must be JSON, got {text.strip()[:60]!r} ({error}).") from None
