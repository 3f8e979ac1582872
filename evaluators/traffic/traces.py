"""Published traces of served traffic: Azure's CSV and Mooncake's JSON lines.

They hold lengths and times, not texts. Azure: ``TIMESTAMP`` (ISO), ``ContextTokens``, ``GeneratedTokens``
(github.com/Azure/AzurePublicDataset). Mooncake: ``timestamp`` in ms, ``input_length``, ``output_length``, and ``hash_ids``,
one for each block of 512 prompt tokens, equal where the prompts are equal up to there (github.com/kvcache-ai/Mooncake).
Requests that asked or answered nothing are left out. Complaints name the place. Knows no server.
"""

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..errors import InvalidSpecification
from .numbers import LATEST_S, MOST_TOKENS

AZURE = ("timestamp", "contexttokens", "generatedtokens")
MOONCAKE = ("input_length", "output_length")
MOST_BLOCKS = 1_000_000


def csv_items(text: str, where: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of Azure's CSV with their places, columns in lower case; raises InvalidSpecification."""
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        columns = [name.strip().casefold() for name in next(reader, [])]
        missing = [name for name in AZURE if name not in columns]
        if missing:
            raise InvalidSpecification(
                f"{where}: a CSV of requests needs the columns TIMESTAMP, ContextTokens and GeneratedTokens, got "
                f"{','.join(columns)[:80]!r}; rename them."
            )
        for cells in reader:
            if cells:
                yield f"line {reader.line_num}", dict(zip(columns, cells, strict=False))
    except csv.Error as error:
        raise InvalidSpecification(f"{where} must be CSV, got line {reader.line_num}: {error}.") from None


def azure_row(given: Mapping[str, str], where: str) -> dict[str, Any] | None:  # Any: JSON
    """Return the request of a line of Azure's CSV, None where nothing was asked or answered."""
    lengths = {
        key: count(_whole(given.get(column, "")), 0, f"{where}: `{column}`")
        for key, column in (("input_len", AZURE[1]), ("output_len", AZURE[2]))
    }
    return {**lengths, "at_s": _instant(given[AZURE[0]], where)} if all(lengths.values()) else None


def mooncake_row(given: Mapping[str, Any], block: int, where: str) -> dict[str, Any] | None:  # Any: JSON
    """Return the request of a line of Mooncake's trace, None where nothing was asked or answered.

    ``blocks``: what the prompt is made of, ``block_len`` tokens each, the last one cut at ``input_len``.
    """
    input_len, answered = (count(given[name], 0, f"{where}: `{name}`") for name in MOONCAKE)
    row: dict[str, Any] = {"input_len": input_len, "output_len": answered}  # Any: JSON
    if "timestamp" in given:
        row["at_s"] = seconds(
            given["timestamp"], f"{where}: `timestamp`", unit="milliseconds", per_second=1000
        )
    blocks = given.get("hash_ids")
    if blocks is not None:
        row |= {"blocks": _blocks(blocks, where), "block_len": block}
    return row if input_len and answered else None


def count(value: Any, low: int, what: str) -> int:  # Any: JSON
    """Return a whole number of at least ``low``; raises InvalidSpecification, which calls it ``what``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MOST_TOKENS:
        raise InvalidSpecification(
            f"{what} must be a whole number from {low} to {MOST_TOKENS}, got {value!r}; mend or leave out this request."
        )
    return value


def seconds(value: Any, what: str, *, unit: str = "seconds", per_second: int = 1) -> float:  # Any: JSON
    """Return a time in seconds, given in ``unit``; raises InvalidSpecification, which calls it ``what``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) < LATEST_S * per_second:
        raise InvalidSpecification(
            f"{what} must be {unit} as a number, got {value!r}; mend or leave out this request."
        )
    return float(value) / per_second


def _whole(text: str) -> int | float | str:
    """Return the number that a text says, ``2162.0`` too, as tables write it that had gaps; else the text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _blocks(blocks: Any, where: str) -> list[int]:  # Any: JSON
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
        raise InvalidSpecification(
            f"{where}: `hash_ids` must be a list of whole numbers, got {str(blocks)[:60]!r}; mend or leave out this request."
        )
    return [count(b, 0, f"{where}: an item of `hash_ids`") for b in blocks]


def _instant(text: str, where: str) -> float:
    """Return seconds since 1970 of a time in ISO's words; in UTC where it names no zone."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidSpecification(
            f"{where}: `TIMESTAMP` must be like 2023-11-16 18:17:03.979, got {text[:40]!r}; mend or leave out this request."
        ) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
