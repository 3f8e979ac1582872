"""What a model needs and what a machine has: decided before anything is started. Numbers and words only."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ...serving.vllm.catalogue import Device
from ..errors import InvalidSpecification
from ..spaces.categorical import Categorical

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_GIB = 2**30
_SPLIT = ("tensor_parallel_size", "pipeline_parallel_size")
_USED = (*_SPLIT, "gpu_memory_utilization")
_SMALLER = frozenset(
    {"quantization", "quantization_config", "cpu_offload_gb", "offload_group_size", "hf_overrides"}
)
"""Flags after which the size of the weight files no longer tells what lies on a device."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's ``config.json`` says that decides what fits. ``weight_bytes``: size of its weight files."""

    layers: int
    heads: int
    kv_heads: int
    head_size: int
    positions: int
    dtype: str = "bfloat16"
    weight_bytes: int = 0

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of KV cache per token in the model's own number format."""
        return 2 * self.layers * self.kv_heads * self.head_size * _BYTES.get(self.dtype, 2)

    @property
    def loaded_bytes(self) -> int:
        """Bytes of the weights in memory: vLLM loads 32-bit models in 16 bits unless told otherwise."""
        return self.weight_bytes // 2 if self.dtype == "float32" else self.weight_bytes

    @classmethod
    def read(cls, model: str | Path) -> "ModelFacts | None":
        """Return the facts of a folder, or of a Hugging Face name that is in the cache; None where no config is there."""
        config = model_config(model)
        if config is None:
            return None
        config = config.get("text_config", config)
        heads = config.get("num_attention_heads", 1)
        return cls(
            config.get("num_hidden_layers", 1),
            heads,
            config.get("num_key_value_heads") or heads,
            config.get("head_dim") or config.get("hidden_size", heads) // heads,
            config.get("max_position_embeddings", 4096),
            config.get("torch_dtype") or config.get("dtype") or "bfloat16",
            _weight_bytes(_folder(model)),
        )

    def kv_tokens(self, cache_bytes: int) -> int:
        """Tokens that a KV cache of that size holds."""
        return cache_bytes // self.kv_bytes_per_token


def model_config(model: str | Path) -> dict[str, Any] | None:  # Any: JSON
    """Return the ``config.json`` of a folder, or of a Hugging Face name that is in the cache; None where there is none."""
    path = _folder(model) / "config.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _folder(model: str | Path) -> Path:
    return Path(model) if Path(model).is_dir() else _cached(str(model))


def _cached(name: str) -> Path:
    """Return where the cache of Hugging Face keeps a model of this name, if it does."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    repository = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{name.replace('/', '--')}"
    main = repository / "refs" / "main"
    return repository / "snapshots" / (main.read_text().strip() if main.is_file() else "main")


def _weight_bytes(folder: Path) -> int:
    """Return the size of the files that are loaded: one format, and not the same weights once more in one file."""
    files = [f for f in folder.glob("*.safetensors") if not f.name.startswith("consolidated")]
    return sum(f.stat().st_size for f in files or folder.glob("*.bin"))


@dataclass(frozen=True, slots=True)
class Machine:
    """What servers may use. ``cores``: for CPU threads, of which ``reserved`` are for others; ``devices``: accelerators;
    ``memory_bytes``: of one, or of the machine where there is none; ``servers``: at the same time."""

    device: Device
    cores: int = 1
    devices: int = 1
    memory_bytes: int | None = None
    reserved: int = 0
    servers: int = 1

    @property
    def threads(self) -> int:
        """Threads that a CPU server can have without sharing a core."""
        return max(self.cores - self.reserved, 1)


def weights_fit(
    parameters: Sequence[Categorical], defaults: Mapping[str, Any], machine: Machine, model: ModelFacts | None,
    told: Collection[str] = (),
) -> tuple[str, str]:  # fmt: skip  # Any: a choice of the space
    """Return the relation that keeps a device's share of the weights within its memory, and it in words; two empty texts
    where everything fits or nothing is known. ``defaults``: what holds; ``told``: names of flags that hold for all.

    Raises InvalidSpecification where nothing fits, or not the default.
    """
    if model is None or not model.weight_bytes or not machine.memory_bytes:
        return "", ""
    if {p.name for p in parameters} & _SMALLER or _SMALLER & {*told}:
        return "", ""
    if machine.device == "cpu":
        if model.loaded_bytes * machine.servers > machine.memory_bytes:
            raise _too_large(
                machine, model, "this machine", "take a smaller model, or `--rungs` without beside"
            )
        return "", ""
    free = [p for p in parameters if p.name in _USED and p.is_numeric and None not in p.choices]
    usual = {name: float(defaults.get(name) or 1.0) for name in _USED}
    needed = model.loaded_bytes / machine.memory_bytes
    if _most(free, usual, machine.devices) < needed:
        cure = "take more devices, quantized weights or a smaller model"
        raise _too_large(machine, model, f"{machine.devices} device(s) of this kind", cure)
    if prod(usual.values()) < needed:
        cure = "let all start from what runs: `--fix tensor_parallel_size=2`"
        raise _too_large(machine, model, "the devices of the default configuration", cure)
    product = " * ".join(p.name for p in free)
    least = needed / prod(usual[n] for n in _USED if n not in {p.name for p in free})
    if not free or prod(min(p.choices) for p in free) >= least:
        return "", ""
    return f"{product} >= {least:.6g}", (
        f"left out: {product} below {least:.3g}, where {model.loaded_bytes / _GIB:.1f} GiB of weights do not fit devices of "
        f"{machine.memory_bytes / _GIB:.1f} GiB"
    )


def _most(free: Sequence[Categorical], usual: Mapping[str, float], devices: int) -> float:
    """Return the largest share of memory, in devices, that a configuration can use for one copy of the weights."""
    most = {**usual, **{p.name: float(max(p.choices)) for p in free}}
    return min(prod(most[n] for n in _SPLIT), devices) * most["gpu_memory_utilization"]


def _too_large(machine: Machine, model: ModelFacts, where: str, cure: str) -> InvalidSpecification:
    servers = f" of {machine.servers} servers" if machine.servers > 1 else ""
    has, needs = (machine.memory_bytes or 0) / _GIB, model.loaded_bytes * machine.servers / _GIB
    return InvalidSpecification(
        f"The weights{servers} must fit the memory of {where} ({has:.1f} GiB each), got {needs:.1f} GiB; {cure}."
    )


def kv_complaint(model: ModelFacts | None, cache_bytes: int | None, longest: int) -> str:
    """Return why a KV cache of that size cannot serve requests of ``longest`` tokens, or ""."""
    if model is None or cache_bytes is None or model.kv_tokens(cache_bytes) >= longest:
        return ""
    return (
        f"the KV cache of {cache_bytes / 2**20:.0f} MiB holds {model.kv_tokens(cache_bytes)} tokens, "
        f"one request needs up to {longest}"
    )
