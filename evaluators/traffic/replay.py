"""How a record of requests is replayed: which part of it, how fast, and how long its requests may be.

A record of a large model on many devices rarely fits the server at hand. ``speed`` divides the times; ``start`` and
``span`` cut a window out of them; ``scale`` multiplies all lengths, shared blocks too, so that what is shared stays
shared; ``max_input`` and ``max_output`` cut what is longer. Knows rows, not where they came from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidSpecification
from .numbers import LATEST_S, MOST_TOKENS, in_range

Row = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class TraceReplay:
    """``speed``: how much faster than recorded; ``start_s``, ``span_s``: the window of the record; ``scale``: factor of
    all lengths; ``max_input``, ``max_output``: tokens; ``block``: tokens of a shared block of a trace; ``turns``: every
    answered turn of a conversation, not only the first."""

    speed: float = 1.0
    start_s: float = 0.0
    span_s: float | None = None
    scale: float = 1.0
    max_input: int | None = None
    max_output: int | None = None
    block: int = 512
    turns: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that leave nothing to replay."""
        in_range("speed", self.speed, 0, 1e6, "2 is twice as fast as recorded", above=True)
        in_range("start", self.start_s, 0, LATEST_S, "seconds after the record's first request")
        in_range("scale", self.scale, 0, 1e3, "0.1 makes every request a tenth as long", above=True)
        in_range("block", self.block, 1, MOST_TOKENS, "512 in Mooncake's traces")
        if self.span_s is not None:
            in_range("span", self.span_s, 0, LATEST_S, "such as span=300, in seconds", above=True)
        for name, value in (("max_input", self.max_input), ("max_output", self.max_output)):
            if value is not None:
                in_range(name, value, 1, MOST_TOKENS, "such as max_input=2048")

    @property
    def windowed(self) -> bool:
        """Whether a part of the record is chosen by its times."""
        return self.start_s > 0 or self.span_s is not None

    @property
    def timed(self) -> bool:
        """Whether a setting is about times, which must then be kept."""
        return self.windowed or self.speed != 1.0

    def in_time(self, rows: Sequence[Row]) -> list[dict[str, Any]]:  # Any: JSON
        """Return the rows of the window in the order of ``at_s``, which starts at 0 and runs at ``speed``.

        Every row has ``at_s``. Raises InvalidSpecification where the window holds none.
        """
        first = min(r["at_s"] for r in rows) + self.start_s
        last = first + (LATEST_S * 2 if self.span_s is None else self.span_s)
        window = sorted((r for r in rows if first <= r["at_s"] < last), key=lambda r: r["at_s"])
        if not window:
            recorded_s = max(r["at_s"] for r in rows) - first + self.start_s
            raise InvalidSpecification(
                f"`start` and `span` of a workload must hold a request, got start={self.start_s:g} of a record of "
                f"{recorded_s:.0f} s; choose a window in it."
            )
        return [{**r, "at_s": (r["at_s"] - window[0]["at_s"]) / self.speed} for r in window]

    def shortened(self, row: Row) -> dict[str, Any] | None:  # Any: JSON
        """Return the row with its lengths scaled and cut, its blocks too; None for a recorded text that is too long,
        because a text cannot be cut without changing what is asked."""
        request = {**row, "output_len": self._length(row["output_len"], self.max_output)}
        if "prompt" in row:
            return None if self.max_input is not None and row["input_len"] > self.max_input else request
        shared = self._length(row["prefix_len"], self.max_input) if row.get("prefix_len") else 0
        if self.max_input is not None:
            shared = min(shared, self.max_input - 1)
        room = None if self.max_input is None else self.max_input - shared
        request["input_len"] = self._length(row["input_len"], room)
        if "prefix_len" in row:
            request["prefix_len"] = shared
        if "blocks" in row:
            request["block_len"] = self._length(row["block_len"], None)
            used = -(-request["input_len"] // request["block_len"])
            request["blocks"] = list(row["blocks"][:used])
        return request

    def _length(self, tokens: int, most: int | None) -> int:
        scaled = max(round(tokens * self.scale), 1)
        return min(scaled, MOST_TOKENS if most is None else most)
