"""The search space of a vLLM server: catalogue, installed version, model and machine in, ``SearchSpace`` out.

Defaults are what the installed version resolves for this model on this device. Choices that cannot fit (longer than
the model, more devices than there are, a KV cache beyond the memory) are left out before anything is started.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..serving.vllm_catalogue import CPU_BLOCK_SIZES, Device, Knob, Value, known_to
from .errors import InvalidSpecification
from .parameters import Categorical
from .space import SearchSpace

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


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

    @classmethod
    def read(cls, folder: str | Path) -> "ModelFacts | None":
        """Return the facts of a local model, None when there is no readable config there."""
        path = Path(folder) / "config.json"
        if not path.is_file():
            return None
        config = json.loads(path.read_text())
        config = config.get("text_config", config)
        heads = config.get("num_attention_heads", 1)
        weights = [*Path(folder).glob("*.safetensors"), *Path(folder).glob("*.bin")]
        return cls(
            config.get("num_hidden_layers", 1),
            heads,
            config.get("num_key_value_heads") or heads,
            config.get("head_dim") or config.get("hidden_size", heads) // heads,
            config.get("max_position_embeddings", 4096),
            config.get("torch_dtype") or config.get("dtype") or "bfloat16",
            sum(f.stat().st_size for f in weights),
        )

    def kv_tokens(self, cache_bytes: int) -> int:
        """Tokens that a KV cache of that size holds."""
        return cache_bytes // self.kv_bytes_per_token


@dataclass(frozen=True, slots=True)
class Machine:
    """What the server may use. ``cores``: for CPU threads; ``devices``: accelerators; ``memory_bytes``: of one."""

    device: Device
    cores: int = 1
    devices: int = 1
    memory_bytes: int | None = None


def vllm_space(
    installed: Collection[str],
    resolved: Mapping[str, Any],  # Any: JSON of vLLM's resolved default configuration
    machine: Machine,
    *,
    model: ModelFacts | None = None,
    lossy: bool = False,
    more: Collection[str] = (),
    only: Collection[str] = (),
    ranges: Mapping[str, Sequence[Value]] | None = None,
) -> SearchSpace:
    """Return the space. ``only``: just these knobs; ``more``: beyond the core ("all"); ``ranges``: own choices."""
    own = dict(ranges or {})
    named = {*only, *own}
    known = known_to(installed, machine.device, lossy=lossy, more=[*more, *named])
    knobs = [k for k in known if not only or k.name in named]
    unknown = named - {k.name for k in knobs}
    if unknown:
        every = ", ".join(k.name for k in known_to(installed, machine.device, lossy=True, more=["all"]))
        raise InvalidSpecification(
            f"Unknown knob {sorted(unknown)[0]!r} for this version and device; known: {every}."
        )
    made = [
        _parameter(k, _default(k, resolved), _fitting(k, own.get(k.name, k.choices), machine, model))
        for k in knobs
    ]
    parameters = [p for p in made if len(p.choices) > 1]
    if not parameters:
        raise InvalidSpecification("No knob has two values that fit this machine; name some with `--knob`.")
    return SearchSpace(parameters, where=_relations({p.name for p in parameters}, machine.devices))


def _relations(names: Collection[str], devices: int) -> list[str]:
    """Return what must hold among these knobs."""
    pair = {"max_num_seqs", "max_num_batched_tokens"}
    parallel = [
        n for n in ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size") if n in names
    ]
    where = ["max_num_seqs <= max_num_batched_tokens"] if pair <= {*names} else []
    return [*where, f"{' * '.join(parallel)} <= {devices}"] if len(parallel) > 1 else where


def _default(knob: Knob, resolved: Mapping[str, Any]) -> Value:  # Any: JSON
    if knob.variable:
        return 1 if knob.name == "OMP_NUM_THREADS" else None
    value: Any = resolved
    for step in knob.reads.split(".") if knob.reads else ():
        value = value.get(step) if isinstance(value, Mapping) else None
    if isinstance(value, str) and "." in value and knob.name == "attention_backend":
        value = value.rpartition(".")[2]
    return value if isinstance(value, bool | int | float | str) else None


def _fitting(knob: Knob, choices: Sequence[Value], machine: Machine, model: ModelFacts | None) -> list[Value]:
    limit = None
    if knob.name.endswith("parallel_size"):
        limit = machine.devices
    elif knob.name == "OMP_NUM_THREADS":
        limit = machine.cores
    elif knob.name == "max_num_batched_tokens" and model is not None:
        limit = 4 * model.positions
    kept: list[Value] = [c for c in choices if limit is None or not isinstance(c, int) or c <= limit]
    if knob.name == "tensor_parallel_size" and model is not None:
        kept = [c for c in kept if isinstance(c, int) and model.heads % c == 0]
    if knob.name == "block_size" and machine.device == "cpu" and choices is knob.choices:
        kept = [*CPU_BLOCK_SIZES]
    return kept


def _parameter(knob: Knob, default: Value, choices: list[Value]) -> Categorical:
    if default is not None and default not in choices:
        choices = [*choices, default]
    numeric = knob.ordered and all(isinstance(c, int | float) and not isinstance(c, bool) for c in choices)
    if numeric:
        choices = sorted(choices, key=lambda c: float(str(c)))
    if default is None and None not in choices:
        choices = [None, *choices] if not numeric else choices
    return Categorical(
        knob.name, choices, default=default if default in choices else choices[0], description=knob.description,
        unit=knob.unit, ordered=numeric,
    )  # fmt: skip


def kv_complaint(model: ModelFacts | None, cache_bytes: int | None, longest: int) -> str:
    """Return why a KV cache of that size cannot serve requests of ``longest`` tokens, or ""."""
    if model is None or cache_bytes is None or model.kv_tokens(cache_bytes) >= longest:
        return ""
    return (
        f"the KV cache of {cache_bytes / 2**20:.0f} MiB holds {model.kv_tokens(cache_bytes)} tokens, "
        f"one request needs up to {longest}"
    )
