"""Recorded requests from a file: rows of ours or conversations, as JSON lines or as one JSON array.

A conversation (ShareGPT's ``conversations`` or a chat log's ``messages``) becomes the prompt and the length of its first
answered request: the first turn of a user that an assistant's follows, with the system's text before it; turns of an
assistant that come first are passed over, and conversations without an answered request are left out. Every complaint
names the file and the line (or the item of the array). Knows no server.
"""

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidSpecification

CHARACTERS_PER_TOKEN = 4  # of a recorded text whose tokens were not counted
MOST_TOKENS = 10_000_000
"""Of one request; more than any model takes."""
LATEST_S = 1e12
"""Times may be seconds since 1970, or since the start of the record."""
SUFFIXES = (".jsonl", ".json")
_USERS = frozenset({"user", "human"})
_SYSTEMS = frozenset({"system", "developer"})
_ASSISTANTS = frozenset({"assistant", "gpt", "chatgpt", "model", "bot", "bard", "bing"})


def recorded_rows(path: Path, limit: int, *, timed: bool = False) -> list[dict[str, Any]]:  # Any: JSON
    """Return the first ``limit`` requests of a file; with ``timed`` in the order of ``at_s``, which starts at 0.

    Raises InvalidSpecification.
    """
    try:
        known = path.stat()
        rows = [dict(r) for r in _read(path, limit, known.st_mtime_ns, known.st_size)]
    except OSError as error:
        raise InvalidSpecification(
            f"A recorded workload must be a file that can be read, got {str(path)!r}: {error}."
        ) from None
    if not timed:
        return rows
    without = [i for i, r in enumerate(rows, 1) if "at_s" not in r]
    if without:
        raise InvalidSpecification(
            f"With `recorded=true` every request needs `at_s`, got none for request {without[0]!r} of {str(path)!r}; "
            "add the times, or give `rate=` instead."
        )
    first = min(r["at_s"] for r in rows)
    return [r | {"at_s": r["at_s"] - first} for r in sorted(rows, key=lambda r: r["at_s"])]


@functools.lru_cache(maxsize=4)
def _read(path: Path, limit: int, _changed: int, _size: int) -> tuple[Mapping[str, Any], ...]:  # Any: JSON
    rows: list[dict[str, Any]] = []
    for where, given in _items(path):
        row = _row(given, f"{str(path)!r}, {where}")
        if row is not None:
            rows.append(row)
        if len(rows) == limit:
            break
    if not rows:
        raise InvalidSpecification(
            f"A recorded workload needs at least one answered request, got none in {str(path)!r}; "
            "it takes one JSON object per line, or a JSON array of them."
        )
    return tuple(rows)


def _items(path: Path) -> Iterator[tuple[str, Any]]:  # Any: JSON
    """Yield what the file holds, with the place where it stands."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpecification(
            f"A recorded workload must be UTF-8 text, got {str(path)!r}: {error}."
        ) from None
    if text.lstrip().startswith("["):
        yield from ((f"item {i}", item) for i, item in enumerate(_json(text, f"{str(path)!r}"), 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", _json(line, f"{str(path)!r}, line {number}")


def _json(text: str, where: str) -> Any:  # Any: JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSpecification(
            f"{where} must be JSON, got {text.strip()[:60]!r} ({error}); a workload is one JSON object per line, or an "
            "array of them."
        ) from None


def _row(given: Any, where: str) -> dict[str, Any] | None:  # Any: JSON
    """Return a row from a row of ours or a conversation; None for a conversation without an answered request."""
    if isinstance(given, Mapping):
        if "output_len" in given and ("input_len" in given or isinstance(given.get("prompt"), str)):
            return _own(given, where)
        for key in ("conversations", "messages"):
            if isinstance(given.get(key), list):
                return _conversation(given, given[key], where)
    raise InvalidSpecification(
        f"{where}: a recorded request needs `output_len` and `input_len` or `prompt`, or a conversation, "
        f"got {str(given)[:80]!r}."
    )


def _own(given: Mapping[str, Any], where: str) -> dict[str, Any]:  # Any: JSON
    prompt = given.get("prompt")
    row = {"prompt": prompt, "input_len": _tokens(prompt)} if isinstance(prompt, str) else {}
    for key, low in (("input_len", 1), ("output_len", 1), ("prefix", 0), ("prefix_len", 0)):
        if key in given:
            row[key] = _count(given[key], low, f"{where}: `{key}`")
    return row | _at(given, where)


def _conversation(
    given: Mapping[str, Any], turns: Sequence[Any], where: str
) -> dict[str, Any] | None:  # Any: JSON
    told = [_turn(t) for t in turns]
    if all(role == "" for role, _ in told):  # who speaks is not said: in turns, the user first
        told = [(("user", "assistant")[i % 2], text) for i, (_, text) in enumerate(told)]
    for i, ((role, asked), (next_role, answer)) in enumerate(itertools.pairwise(told)):
        if role in _USERS and next_role in _ASSISTANTS and asked and answer:
            systems = [_text(given.get("system")), *(text for r, text in told[:i] if r in _SYSTEMS)]
            prompt = "\n".join([*filter(None, systems), asked])
            lengths = {"input_len": _tokens(prompt), "output_len": _tokens(answer)}
            return {"prompt": prompt, **lengths, **_at(given, where)}
    return None


def _turn(turn: Any) -> tuple[str, str]:  # Any: JSON
    if not isinstance(turn, Mapping):
        return "", _text(turn)
    role = str(turn.get("from") or turn.get("role") or "").casefold()
    return role, _text(turn.get("value") or turn.get("content"))


def _text(content: Any) -> str:  # Any: JSON
    """Return text, also from a list of parts as chat logs have them."""
    if isinstance(content, list):
        return "".join(_text(c.get("text")) for c in content if isinstance(c, Mapping))
    return content if isinstance(content, str) else ""


def _tokens(text: str) -> int:
    return max(len(text) // CHARACTERS_PER_TOKEN, 1)


def _count(value: Any, low: int, what: str) -> int:  # Any: JSON
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MOST_TOKENS:
        raise InvalidSpecification(
            f"{what} must be a whole number from {low} to {MOST_TOKENS}, got {value!r}; mend or leave out this request."
        )
    return value


def _at(given: Mapping[str, Any], where: str) -> dict[str, float]:  # Any: JSON
    """Return when the request was sent, nothing where that is not told."""
    value = given.get("at_s")
    if value is None:
        return {}
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST_S:
        raise InvalidSpecification(
            f"{where}: `at_s` must be seconds as a number, got {value!r}; mend or leave out this request."
        )
    return {"at_s": float(value)}
