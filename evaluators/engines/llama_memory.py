"""Whether a GGUF model and its KV cache fit this machine's memory: decided before anything is started. Numbers and words only.

Servers of one file share its pages, but each has a cache of its own, which is filled at the start. What computing needs beside
them is not counted: what is refused here cannot fit, what is not refused may still fail.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

from ...serving.models.gguf_facts import GgufFacts
from ..errors import InvalidSpecification

_GIB = 2**30
_BYTES = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32,
    "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip
"""Bytes of a number in the cache by its type: of the quantized ones a block of 32 has its scale."""
_ELSEWHERE = ("n_gpu_layers", "gpu_layers", "device")
"""Flags with which the memory in question is a device's."""


def context_room(facts: GgufFacts, fixed: Mapping[str, Any], memory_bytes: int, servers: int) -> float:
    """Return the tokens of context for which each of so many servers has memory, infinite where that is not known.

    ``fixed``: flags of all of them. Raises InvalidSpecification where the weights alone are too large.
    """
    if any(name in fixed for name in _ELSEWHERE):
        return inf
    free = memory_bytes - facts.weight_bytes
    if free <= 0:
        raise InvalidSpecification(
            f"The model must fit this machine's memory of {memory_bytes / _GIB:.1f} GiB, got a file of "
            f"{facts.weight_bytes / _GIB:.1f} GiB; take a smaller one."
        )
    types = [_BYTES.get(str(fixed.get(f"cache_type_{side}", "f16"))) for side in "kv"]
    if facts.kv_values is None or None in types:
        return inf
    return free / (servers * sum(n * (size or 0.0) for n, size in zip(facts.kv_values, types, strict=True)))


def require_context(
    facts: GgufFacts, fixed: Mapping[str, Any], longest: int, slots: int, room: float
) -> None:
    """Raise InvalidSpecification where the context of the default, of ``slots`` requests, cannot be had. ``longest``: tokens of
    the longest request; ``room``: tokens that memory allows."""
    context = int(fixed.get("ctx_size", slots * longest)) or facts.positions
    if context > room:
        cure = (
            "`--rungs none` (no default beside), `--fix ctx_size=N`, `--fix parallel=1`, or shorter requests"
        )
        raise InvalidSpecification(
            f"The KV cache must fit the memory beside the weights, which has room for {room:.0f} tokens, got a context of "
            f"{context}; {cure}."
        )
    is_longer = any(name.startswith(("rope", "yarn")) for name in fixed)
    if not is_longer and 0 < facts.positions < longest:
        raise InvalidSpecification(
            f"A request must fit the model's context of {facts.positions} tokens, got one of up to {longest}; give a "
            "`--workload` with shorter ones."
        )
