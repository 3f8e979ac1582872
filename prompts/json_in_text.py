"""Finds JSON in a model's text, and reads its near relatives: JSON5 and Python literals. Knows no answer's meaning.

The text is untrusted: it is parsed, never evaluated, and nothing is guessed. JSON5 (trailing commas, comments, single
quotes) and Python's literals (`True`, `None`) are languages of their own with parsers of their own; what belongs to
none of the three is broken, and so is what is cut off. Tables, YAML, TOML and lists of ``name: value`` are read where a
text as a whole is one: nothing is picked out of prose, and what is told twice begins another configuration.
"""

import ast
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import json5

_MOST_JSON5 = 60_000
"""Characters: its parser needs about 25 µs for each."""
_TRIES = 200
_OPENS = re.compile(r"[{\[]|\"(?=\s*[{\[]\s*\\\")")
"""An object, a list, or a string that has one of them inside, encoded again."""
_IS_MEANT = re.compile(r"\{\s*[\"'][^\"'\n]{0,200}[\"']\s*:|\[\s*[{\[]")
"""The beginning of what cannot be anything but JSON; other brackets are prose."""
_DECODER = json.JSONDecoder(parse_constant=lambda constant: _refuse(constant))
_MARK = re.compile(r"^\s*(?:(?:[-*•]|\d{1,2}[.)])\s+)?")
_PAIR = re.compile(r"([^:=|{}\[\]]*)[:=](.*)")
_SIGNS = " \t*_`\"'"
_RULE = re.compile(r"^[\s|:-]+$")
_SKIPPED = re.compile(r"```\w*|---|\[+(?:proposals?|params|proposals\.params)\]+|")
_AROUND = frozenset({"proposals", "proposal", "params", "parameters", "config", "configuration"})
_BESIDE = frozenset({"hypothesis", "expected", "confidence", "abstain"})
"""What may stand around and beside a configuration; another name makes the text prose, such as `Draft:`."""
_NOTHING = frozenset({"null", "none", "~", "n/a", ""})


def read_json(text: str) -> Any:  # Any: whatever JSON holds
    """Return the JSON value that ``text`` is, strictly: no NaN, no infinity. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def values_in(text: str) -> list[Any]:
    """Return the objects and lists that stand in ``text``, one after another. Raises ValueError where one is broken.

    Prose around them is passed over. A text that is a JSON string is looked into: some servers encode twice.
    """
    stripped = text.strip().removeprefix("\ufeff")
    if stripped.startswith('"'):
        inner = _or_none(stripped)
        stripped = inner if isinstance(inner, str) else stripped
    return list(_values(stripped))


def _values(text: str) -> Iterator[Any]:
    at = 0
    for _ in range(_TRIES):
        opening = _OPENS.search(text, at)
        if opening is None:
            return
        if opening[0] == '"' and isinstance(inner := _or_none(text[opening.start() :]), str):
            yield from _values(inner)
            at = opening.start() + _DECODER.raw_decode(text[opening.start() :])[1]
            continue
        item = _value_at(text, opening.start())
        if item is not None:
            value, at = item
            yield value
        elif _IS_MEANT.match(text, opening.start()):
            raise ValueError("the JSON is broken")
        else:
            at = opening.end()


def whole_items(text: str, key: str) -> list[Any]:
    """Return the items that stand whole in the last list called ``key``, or in the list that ``text`` is."""
    stripped = text.strip()
    starts = [m.end() for m in re.finditer(rf"[\"']{key}[\"']\s*:\s*\[", stripped)]
    at = starts[-1] if starts else (1 if stripped.startswith("[") else len(stripped))
    items: list[Any] = []
    while (comma := re.compile(r"[\s,]*(?=\{)").match(stripped, at)) and (
        item := _value_at(stripped, comma.end())
    ):
        items.append(item[0])
        at = item[1]
    return items


def _value_at(text: str, start: int) -> tuple[Any, int] | None:
    """Return the value that begins at ``start`` and where it ends, or None."""
    try:
        return _DECODER.raw_decode(text, start)
    except RecursionError:
        return None
    except ValueError:
        return _literal_at(text, start) or _json5_at(text, start)


def _json5_at(text: str, start: int) -> tuple[Any, int] | None:
    if len(text) - start > _MOST_JSON5:
        return None
    try:
        value, error, end = json5.parse(text, start=start, consume_trailing=False, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return None if error else (value, end)


def _literal_at(text: str, start: int) -> tuple[Any, int] | None:
    end = text.rfind("}" if text[start] == "{" else "]") + 1
    try:
        return _plain(ast.literal_eval(text[start:end])), end
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _plain(value: object) -> Any:
    """Return a literal as JSON has it; raises ValueError for what JSON has not."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{type(value).__name__} is not JSON")


def _or_none(text: str) -> Any:
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def folded(name: object) -> str:
    """Return a name as it is compared: without case, and with spaces and hyphens as underscores."""
    return re.sub(r"[\s\-]+", "_", str(name).strip()).casefold()


def written_out(text: str, names: Collection[str]) -> list[dict[str, Any]]:
    """Return the configurations that ``text`` as a whole writes out; none where a line is of another kind."""
    vocabulary = {folded(name) for name in names}
    if not vocabulary:
        return []
    lines = [line for line in text.strip().splitlines() if not _SKIPPED.fullmatch(line.strip())]
    pairs = _table(lines) if lines and all("|" in line for line in lines) else _pairs(lines)
    others = {folded(name) for name, _ in pairs} - vocabulary
    if not others <= _AROUND | _BESIDE:
        return []
    return [
        row
        for row in _separate(pairs, vocabulary)
        if 2 * len(vocabulary & {folded(k) for k in row}) >= len(vocabulary)
    ]


def _table(lines: list[str]) -> list[tuple[str, str]]:
    cells = [[c.strip(" `*") for c in line.strip().strip("|").split("|")] for line in lines]
    head, *rows = [c for c, line in zip(cells, lines, strict=True) if not _RULE.match(line)] or [[]]
    if any(len(row) != len(head) for row in rows):
        return []
    if len(head) == 2 and folded(head[1]) == "value":
        return [(name, value) for name, value in rows]
    return [pair for row in rows for pair in zip(head, row, strict=True)]


def _pairs(lines: list[str]) -> list[tuple[str, str]]:
    matches = [_PAIR.match(_MARK.sub("", line, count=1)) for line in lines]
    pairs = [(m[1].strip(_SIGNS), m[2].lstrip(_SIGNS).rstrip(_SIGNS + ",;")) for m in matches if m]
    return pairs if len(pairs) == len(lines) else []


def _separate(pairs: list[tuple[str, str]], vocabulary: Collection[str]) -> list[dict[str, Any]]:
    """Return a mapping for each configuration; values are kept as text."""
    rows: list[dict[str, Any]] = [{}]
    for name, value in pairs:
        if folded(name) not in vocabulary:
            continue
        if name in rows[-1]:
            rows.append({})
        rows[-1][name] = None if value.casefold() in _NOTHING else value.strip("\"'")
    return rows
