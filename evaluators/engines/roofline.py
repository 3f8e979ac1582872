"""Step times from a model's size and a device's speed alone: what a step cannot be faster than, and what is usual of that.

A step reads the weights and the KV cache once and multiplies; the slower of the two counts, with the share of the device's
speed that is usually reached, and layers that are split meet twice each. A prior, not a prediction: it ranks layouts and
batches, and is off by a factor. Knows no engine.

Source of the devices' figures: the vendors' data sheets (dense, without sparsity).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import NotEstimated
from .estimates import Layout, SteadyLoad

MEMORY_SHARE, COMPUTE_SHARE = 0.75, 0.55
"""Shares of a device's bandwidth and of its arithmetic that served models usually reach."""
MEETING_S, STEP_S = 12e-6, 2e-3
"""Of devices that share a layer, twice a layer; and of each step for scheduling and sampling."""
USED = 0.9
"""Share of the memory that servers take."""
WEIGHT_BYTES = {"fp8": 1.0, "fp4": 0.5, "int4": 0.5, "bf16": 2.0}


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device: bytes of memory, bytes per second from it, operations per second in 16 bits, and how many times as many
    in fewer bits."""

    memory: float
    bandwidth: float
    flops: float
    faster: float = 2.0


ACCELERATORS: Mapping[str, Accelerator] = {
    "a100_sxm": Accelerator(80e9, 2.039e12, 312e12, 1.0),
    "a100_pcie": Accelerator(80e9, 1.935e12, 312e12, 1.0),
    "l4": Accelerator(24e9, 0.3e12, 121e12),
    "l40s": Accelerator(48e9, 0.864e12, 362e12),
    "h100_sxm": Accelerator(80e9, 3.35e12, 989e12),
    "h100_pcie": Accelerator(80e9, 2.0e12, 756e12),
    "h200_sxm": Accelerator(141e9, 4.8e12, 989e12),
    "b200_sxm": Accelerator(180e9, 7.7e12, 2250e12),
    "b300_sxm": Accelerator(270e9, 7.7e12, 2250e12),
    "gb200": Accelerator(186e9, 8.0e12, 2500e12),
    "gb300": Accelerator(279e9, 8.0e12, 2500e12),
    "mi300x": Accelerator(192e9, 5.3e12, 1307e12),
}


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What a step has to move: weights in all and those that one token uses, bytes of one, layers, KV bytes per token."""

    weights: float
    active: float
    weight_bytes: float
    layers: int
    kv_bytes: float
    experts: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ModelSize":  # Any: JSON of config.json
        """Return the size that a ``config.json`` tells; raises NotEstimated where it does not."""
        c = config.get("text_config", config)
        try:
            layers, hidden, heads = c["num_hidden_layers"], c["hidden_size"], c["num_attention_heads"]
            inner = c.get("intermediate_size") or 4 * hidden
        except KeyError as missing:
            raise NotEstimated(f"a config.json must tell {missing}, which this one does not") from None
        kv, head = c.get("num_key_value_heads") or heads, c.get("head_dim") or hidden // heads
        experts = c.get("n_routed_experts") or c.get("num_local_experts") or c.get("num_experts") or 0
        experts_per_token = c.get("num_experts_per_tok") or 0
        of_expert = c.get("moe_intermediate_size") or inner
        attention = 2.0 * hidden * head * (heads + kv)
        kv_bytes = 2.0 * layers * kv * head * 2
        if c.get("kv_lora_rank"):  # latent attention: one compressed row per layer
            rank = c["kv_lora_rank"] + c.get("qk_rope_head_dim", 64)
            kv_bytes = 2.0 * layers * rank
            attention = hidden * (c.get("q_lora_rank") or hidden) + heads * head * 2.0 * (rank + hidden)
        words = 2.0 * c.get("vocab_size", 32000) * hidden
        each = 3.0 * hidden
        weights = layers * (attention + each * (experts * of_expert if experts else inner)) + words
        active = layers * (attention + each * (experts_per_token * of_expert if experts else inner)) + words
        return cls(weights, active, _bytes_of(c), layers, kv_bytes, experts)


def _bytes_of(config: Mapping[str, Any]) -> float:  # Any: JSON
    quantized = config.get("quantization_config") or {}
    method = str(quantized.get("quant_method", "")) + str(quantized.get("bits", ""))
    if "fp8" in method or method.endswith("8"):
        return 1.0
    return 0.5 if quantized else 2.0


class RooflineSteps:
    """The ``Steps`` of one layout. Raises NotEstimated where the weights do not fit."""

    def __init__(self, size: ModelSize, device: Accelerator, layout: Layout) -> None:
        self._size, self._device, self._layout = size, device, layout
        self._bytes = WEIGHT_BYTES.get(layout.weights, size.weight_bytes)
        ranks = (
            layout.data if size.experts else 1
        )  # of which each holds the attention, and all share the experts
        split = layout.tensor * layout.pipeline
        free = USED * device.memory * split - size.weights * self._bytes / ranks
        if free <= 0:
            raise NotEstimated(f"the weights do not fit {split} device(s) of {device.memory / 1e9:.0f} GB")
        self.kv_tokens = free / size.kv_bytes

    def step_ms(self, prompt_tokens: int, answered: int, load: SteadyLoad) -> float:
        """Return the time of a step. Experts are read as far as the tokens of the step reach them."""
        s, layout = self._size, self._layout
        tokens = prompt_tokens + answered
        reached = s.active + (s.weights - s.active) * (
            1.0 - (1.0 - s.active / s.weights) ** max(tokens - 1, 0)
        )
        cached = (answered + (1 if prompt_tokens else 0)) * (load.input_tokens + 0.5 * load.output_tokens)
        bytes_moved = reached * self._bytes + cached * s.kv_bytes
        flops = self._device.flops * (self._device.faster if self._bytes <= 1 else 1.0)
        read_s = bytes_moved / (MEMORY_SHARE * self._device.bandwidth)
        computed_s = 2.0 * s.active * tokens / (COMPUTE_SHARE * flops)
        met_s = 2.0 * s.layers * MEETING_S if layout.tensor > 1 else 0.0
        return 1000.0 * (max(read_s, computed_s) / layout.tensor + met_s + STEP_S)
