"""Recorded requests from a file: rows of ours, conversations, or published traces; as JSON lines, a JSON array, or CSV.

Every complaint names the file and the line (or the item of the array). What is a request of a conversation stands in
``conversations``, of a trace in ``traces``; what is replayed of them in ``replay``. Knows no server.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidSpecification
from ..text_files import read_json, read_text
from .conversations import abreast, every_request, first_request, tokens_of
from .replay import TraceReplay
from .traces import MOONCAKE, azure_row, count, csv_items, mooncake_row, seconds

SUFFIXES = (".jsonl", ".json", ".csv")
AT_ONCE = 16
"""Conversations whose turns alternate where all turns are replayed and no concurrency says how many."""

Rows = tuple[Mapping[str, Any], ...]  # Any: JSON


def recorded_rows(
    path: Path, limit: int, *, timed: bool = False, replay: TraceReplay | None = None, at_once: int = AT_ONCE
) -> list[dict[str, Any]]:  # Any: JSON
    """Return the first ``limit`` requests of a file; with ``timed`` in the order of ``at_s``, which starts at 0.

    ``replay``: which part, how fast, how long; ``at_once``: conversations held at a time. Raises InvalidSpecification.
    """
    options = replay or TraceReplay()
    talks = _talks(path, None if options.windowed else limit, options)
    rows = [dict(r) for r in itertools.islice(_in_order(talks, at_once), None if options.windowed else limit)]
    if not timed:
        return rows
    without = [i for i, r in enumerate(rows, 1) if "at_s" not in r]
    if without:
        raise InvalidSpecification(
            f"With `recorded=true` every request needs `at_s`, got none for request {without[0]!r} of {str(path)!r}; "
            "add the times, or give `rate=` instead."
        )
    return options.in_time(rows)[:limit]


def _in_order(talks: Sequence[Rows], at_once: int) -> Iterator[Mapping[str, Any]]:  # Any: JSON
    if all(len(talk) == 1 for talk in talks):
        return iter([talk[0] for talk in talks])
    return abreast([[dict(r) for r in talk] for talk in talks], at_once)


def _talks(path: Path, limit: int | None, replay: TraceReplay) -> tuple[Rows, ...]:
    try:
        status = path.stat()
        return _read(path, limit, replay, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise InvalidSpecification(
            f"A recorded workload must be a file that can be read, got {str(path)!r}: {error}."
        ) from None


@functools.lru_cache(maxsize=4)
def _read(path: Path, limit: int | None, replay: TraceReplay, _changed: int, _size: int) -> tuple[Rows, ...]:
    """Return the requests of each conversation, of one request where it is none, up to ``limit`` conversations."""
    talks: list[Rows] = []
    for where, item in _items(path):
        talk = tuple(_shortened(_requests(item, replay, f"{str(path)!r}, {where}"), replay))
        if talk:
            talks.append(talk)
        if len(talks) == limit:
            break
    if not talks:
        raise InvalidSpecification(
            f"A recorded workload needs at least one answered request, got none in {str(path)!r}; "
            "it takes one JSON object per line, a JSON array of them, or a CSV, and none longer than `max_input`."
        )
    return tuple(talks)


def _shortened(
    rows: Sequence[Mapping[str, Any]], replay: TraceReplay
) -> Iterator[Mapping[str, Any]]:  # Any: JSON
    """Yield the rows up to the first that is too long: what follows in a conversation is longer still."""
    for row in rows:
        request = replay.shortened(row)
        if request is None:
            return
        yield request


def _items(path: Path) -> Iterator[tuple[str, Any]]:  # Any: JSON
    """Yield what the file holds, with the place where it stands."""
    text = read_text(path)
    if path.suffix.casefold() == ".csv":
        yield from csv_items(text, f"{str(path)!r}")
    elif text.lstrip().startswith("["):
        yield from ((f"item {i}", item) for i, item in enumerate(read_json(text, f"{str(path)!r}"), 1))
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"line {number}", read_json(line, f"{str(path)!r}, line {number}")


def _requests(given: Any, replay: TraceReplay, where: str) -> list[dict[str, Any]]:  # Any: JSON
    """Return the requests of one item: none of a conversation without an answered one."""
    if isinstance(given, Mapping):
        for key in ("conversations", "messages"):
            if isinstance(given.get(key), list) and not _is_own(given):
                return _conversation(given, given[key], replay, where)
        row = _single(given, replay, where)
        return [] if row is None else [row]
    raise _unknown(given, where)


def _single(given: Mapping[str, Any], replay: TraceReplay, where: str) -> dict[str, Any] | None:  # Any: JSON
    if _is_own(given):
        return _own(given, where)
    if all(name in given for name in MOONCAKE):
        return mooncake_row(given, replay.block, where)
    if "contexttokens" in given:
        return azure_row(given, where)
    raise _unknown(given, where)


def _unknown(given: object, where: str) -> InvalidSpecification:
    return InvalidSpecification(
        f"{where}: a recorded request needs `output_len` and `input_len` or `prompt`, Mooncake's `input_length` and "
        f"`output_length`, or a conversation, got {str(given)[:80]!r}."
    )


def _is_own(given: Mapping[str, Any]) -> bool:  # Any: JSON
    return "output_len" in given and ("input_len" in given or isinstance(given.get("prompt"), str))


def _own(given: Mapping[str, Any], where: str) -> dict[str, Any]:  # Any: JSON
    prompt = given.get("prompt")
    row = {"prompt": prompt, "input_len": tokens_of(prompt)} if isinstance(prompt, str) else {}
    for key, low in (("input_len", 1), ("output_len", 1), ("prefix", 0), ("prefix_len", 0)):
        if key in given:
            row[key] = count(given[key], low, f"{where}: `{key}`")
    return row | _at(given, where)


def _conversation(
    given: Mapping[str, Any], turns: Sequence[Any], replay: TraceReplay, where: str
) -> list[dict[str, Any]]:  # Any: JSON
    if replay.turns:
        return every_request(given.get("system"), turns)
    request = first_request(given.get("system"), turns)
    return [] if request is None else [request | _at(given, where)]


def _at(given: Mapping[str, Any], where: str) -> dict[str, float]:  # Any: JSON
    """Return when the request was sent, nothing where that is not told."""
    return {"at_s": seconds(given["at_s"], f"{where}: `at_s`")} if given.get("at_s") is not None else {}
