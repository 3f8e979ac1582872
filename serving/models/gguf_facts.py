"""What the head of a GGUF file says that decides what fits: layers, heads, context. Reads no weights and needs no library.

Source: the format's own description, ggml ``docs/gguf.md``, version 3 (2 differs in nothing that is read here).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InvalidInput
from .gguf import MAGIC

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Types of values by their number in the file, as ``struct`` names them."""
_STRING, _ARRAY = 8, 9
_LONGEST = 2**26
"""Bytes of a text, or values of an array, beyond which a file is damaged."""
_OTHER_CACHES = ("attention.sliding_window", "attention.kv_lora_rank", "ssm.state_size")
"""Keys of models whose cache is smaller than all heads of all layers, or has another shape."""


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """``kv_values``: numbers in the KV cache of one token, keys and then values, None where the model keeps another kind of
    cache or does not tell; ``positions``: longest context, 0 where it does not tell; ``weight_bytes``: size of the file."""

    kv_values: tuple[int, int] | None
    positions: int
    weight_bytes: int

    @classmethod
    def read(cls, file: Path) -> "GgufFacts":
        """Return the facts of a file; raises InvalidInput where it is no GGUF file or ends too early."""
        try:
            with file.open("rb") as opened:
                metadata = dict(_metadata(opened))
        except ValueError as error:
            raise InvalidInput(f"{str(file)!r} must be a whole GGUF file: {error}; copy it again.") from None
        prefix = f"{metadata.get('general.architecture')}."
        own = {key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)}
        return cls(_kv_values(own), int(own.get("context_length") or 0), file.stat().st_size)


def _kv_values(own: dict[str, Any]) -> tuple[int, int] | None:  # Any: plain values
    layers, heads = own.get("block_count"), own.get("attention.head_count")
    if any(own.get(key) for key in _OTHER_CACHES) or not layers or not isinstance(heads, int) or not heads:
        return None
    kv_heads = own.get("attention.head_count_kv") or heads
    values = sum(kv_heads) if isinstance(kv_heads, list) else layers * kv_heads
    usual = own.get("embedding_length", 0) // heads
    return values * own.get("attention.key_length", usual), values * own.get("attention.value_length", usual)


def _metadata(file: BinaryIO) -> Iterator[tuple[str, Any]]:  # Any: plain values
    if file.read(4) != MAGIC:
        raise ValueError(f"it must begin with {MAGIC.decode()!r}")
    version, _, entries = _unpacked(file, "<IQQ")
    if version not in (2, 3):
        raise ValueError(f"its version must be 2 or 3, got {version}")
    for _ in range(entries):
        yield _text(file), _value(file, _number(file, "I"))


def _value(file: BinaryIO, kind: int) -> Any:  # Any: plain values
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        inner, length = _unpacked(file, "<IQ")
        return [_value(file, inner) for _ in range(_within(length))]
    if kind not in _NUMBERS:
        raise ValueError(f"it has a value of the unknown type {kind}")
    return _number(file, _NUMBERS[kind])


def _number(file: BinaryIO, kind: str) -> Any:  # Any: what the type says
    return _unpacked(file, f"<{kind}")[0]


def _unpacked(file: BinaryIO, shape: str) -> tuple[Any, ...]:  # Any: what the shape says
    head = file.read(struct.calcsize(shape))
    if len(head) < struct.calcsize(shape):
        raise ValueError("it ends too early")
    return struct.unpack(shape, head)


def _text(file: BinaryIO) -> str:
    return file.read(_within(_number(file, "Q"))).decode(errors="replace")


def _within(length: int) -> int:
    if length > _LONGEST:
        raise ValueError(f"it says that something is {length} long")
    return length
