"""Values as JSON that every reader takes, whatever stands in the ledger.

A number that is none (NaN, an infinity) becomes null and half of a surrogate pair the replacement character: what is kept
is checked when it comes in, so this is for rows that something else wrote, and no row may break the list it stands in.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from fastapi.responses import JSONResponse


class Json(JSONResponse):
    """A JSON answer that can always be sent."""

    def render(self, content: Any) -> bytes:  # Any: what routes return
        """Return the body."""
        return rendered(content).encode()


def rendered(content: Any) -> str:  # Any: what routes return
    """Return ``content`` as JSON text."""
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        text.encode()
    except ValueError:
        text = json.dumps(cleaned(content), ensure_ascii=False, separators=(",", ":"))
    return text


def cleaned(value: Any) -> Any:  # Any: JSON values and what becomes one
    """Return a copy that JSON can say."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {cleaned(str(key)): cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    return cleaned(_plain(value))


def _plain(value: object) -> Any:
    """Return what JSON has for a value of another kind."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
