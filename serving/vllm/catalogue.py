"""vLLM's parameters that move throughput or latency, as data: range, device, restart class, losslessness.

Names and units are vLLM's. Written for 0.32; whatever the installed version does not have is left out by ``known_to``,
and its defaults are read from the version itself, never from here. Sources: vLLM's config modules and measurements of
the CPU build. ``reads``: where the resolved configuration (``create_engine_config``) holds the value.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Value = bool | int | float | str | None
Restart = Literal["live", "restart"]
Device = Literal["cpu", "gpu"]


@dataclass(frozen=True, slots=True)
class Knob:
    """One tunable. ``choices`` in order where ``ordered``; ``live``: may be lowered in a running server; ``core``: devices
    on which it is tuned unless told otherwise; ``lossy``: may change what the model says; ``variable``: an environment
    variable instead of a flag; ``strain``: +1 where more asks for more memory and is likelier to fail, -1 where less does.
    """

    name: str
    choices: tuple[Value, ...]
    description: str
    reads: str = ""
    unit: str = ""
    devices: frozenset[Device] = frozenset({"cpu", "gpu"})
    restart: Restart = "restart"
    ordered: bool = True
    core: frozenset[Device] = frozenset({"cpu", "gpu"})
    lossy: bool = False
    variable: bool = False
    strain: int = 0


_GPU: frozenset[Device] = frozenset({"gpu"})
_CPU: frozenset[Device] = frozenset({"cpu"})
_REQUEST: frozenset[Device] = frozenset()


def _switch(name: str, description: str, reads: str, **more: object) -> Knob:
    return Knob(name, (True, False), description, reads, ordered=False, **more)  # pyright: ignore[reportArgumentType]


KNOBS: tuple[Knob, ...] = (
    Knob("max_num_seqs", (4, 8, 16, 32, 64, 128, 256, 512, 1024),
         "requests processed together; fewer means lower TPOT and longer queues",
         "scheduler_config.max_num_seqs", "requests", restart="live", strain=1),
    Knob("max_num_batched_tokens", (128, 256, 512, 1024, 2048, 4096, 8192, 16384),
         "tokens per step; small limits ITL, large favours prefill",
         "scheduler_config.max_num_batched_tokens", "tokens", restart="live", strain=1),
    Knob("block_size", (16, 32, 64, 128, 256),
         "tokens per KV-cache block; only whole blocks of a shared prefix are reused",
         "cache_config.block_size", "tokens"),
    _switch("enable_prefix_caching", "reuse the KV cache of equal prefixes", "cache_config.enable_prefix_caching"),
    _switch("enable_chunked_prefill", "mix prefill and decode in a step", "scheduler_config.enable_chunked_prefill"),
    Knob("long_prefill_token_threshold", (0, 128, 256, 512, 1024),
         "prompts longer than this are prefilled in such pieces; 0 is off",
         "scheduler_config.long_prefill_token_threshold", "tokens", restart="live", core=_GPU),
    Knob("stream_interval", (1, 2, 4, 8), "tokens per streamed chunk; more lowers host load and bursts ITL",
         "scheduler_config.stream_interval", "tokens", core=_GPU),
    Knob("OMP_NUM_THREADS", (1, 2, 3, 4, 8, 16, 32, 64, 128),
         "threads of the CPU backend; a thread that shares its core stalls all", unit="threads", devices=_CPU,
         variable=True),
    Knob("VLLM_CPU_KVCACHE_SPACE", (1, 2, 4, 8, 16), "size of the KV cache", unit="GiB", devices=_CPU, core=_REQUEST,
         variable=True, strain=1),
    Knob("gpu_memory_utilization", (0.8, 0.85, 0.9, 0.92, 0.95), "share of device memory for weights and KV cache",
         "cache_config.gpu_memory_utilization", devices=_GPU, strain=1),
    Knob("tensor_parallel_size", (1, 2, 4, 8), "devices that share each layer",
         "parallel_config.tensor_parallel_size", "devices", devices=_GPU, strain=-1),
    Knob("pipeline_parallel_size", (1, 2, 4), "devices that share the layers in turn",
         "parallel_config.pipeline_parallel_size", "devices", devices=_GPU, core=_REQUEST),
    Knob("data_parallel_size", (1, 2, 4, 8), "replicas behind one address",
         "parallel_config.data_parallel_size", "replicas", devices=_GPU),
    _switch("enable_expert_parallel", "spread experts over devices instead of slicing them",
            "parallel_config.enable_expert_parallel", devices=_GPU, core=_REQUEST),
    _switch("async_scheduling", "schedule the next step while this one runs", "scheduler_config.async_scheduling",
            devices=_GPU),
    Knob("performance_mode", ("balanced", "interactivity", "throughput"), "preset of batch limits and graph sizes",
         "performance_mode", ordered=False, devices=_GPU),
    Knob("attention_backend", ("FLASH_ATTN", "FLASHINFER", "TRITON_ATTN"), "implementation of attention",
         "attention_config.backend", ordered=False, devices=_GPU),
    Knob("max_cudagraph_capture_size", (64, 128, 256, 512, 1024), "largest batch run as a captured graph",
         "compilation_config.max_cudagraph_capture_size", "requests", devices=_GPU, strain=1),
    _switch("enforce_eager", "run without compilation and captured graphs", "model_config.enforce_eager", core=_REQUEST),
    Knob("kv_cache_dtype", ("auto", "fp8"), "number format of the KV cache", "cache_config.cache_dtype",
         ordered=False, lossy=True),
    Knob("quantization", (None, "fp8"), "number format of the weights", "model_config.quantization", ordered=False,
         devices=_GPU, lossy=True),
    Knob("speculative_config", (None, '{"method":"ngram","num_speculative_tokens":3,"prompt_lookup_max":4}'),
         "guess tokens ahead from the prompt", ordered=False, devices=_GPU),
    Knob("optimization_level", (0, 1, 2, 3), "how much is compiled; 0 starts fastest", "optimization_level",
         core=_REQUEST),
    Knob("compilation_config", (None, '{"mode":0}', '{"cudagraph_mode":"NONE"}', '{"cudagraph_mode":"PIECEWISE"}',
                                '{"cudagraph_mode":"FULL_DECODE_ONLY"}', '{"cudagraph_mode":"FULL_AND_PIECEWISE"}',
                                '{"cudagraph_capture_sizes":[1,2,4,8,16,32]}'),
         "mode of compilation, and which batches run as captured graphs", ordered=False, core=_REQUEST),
    Knob("watermark", (0.0, 0.005, 0.01, 0.02, 0.05), "share of KV blocks kept free when requests are admitted",
         "scheduler_config.watermark", core=_REQUEST),
    Knob("scheduling_policy", ("fcfs", "priority"), "order of the queue", "scheduler_config.policy", ordered=False,
         core=_REQUEST),
)  # fmt: skip

STRAIN = {k.name: k.strain for k in KNOBS if k.strain}
LIVE = frozenset(k.name for k in KNOBS if k.restart == "live")
CPU_BLOCK_SIZES = (32, 64, 128, 256)
"""The CPU attention back-end takes multiples of 32 only; others pass vLLM's validation and kill the engine at start."""


LOSSY = frozenset({"dtype"} | {k.name for k in KNOBS if k.lossy})
"""May change what the model says: tuned only with the guard."""
PLUMBING = frozenset(
    {"model", "host", "port", "uds", "served_model_name", "config", "headless", "grpc", "scheduler_cls"}
)
"""Flags that the tuner itself sets, or that decide what is served: never tuned."""


def is_variable(name: str) -> bool:
    """Whether a parameter of this name is an environment variable; vLLM's flags are lower case."""
    return name.isupper()


def parameter_name(text: str) -> str:
    """Return vLLM's name for a flag written with dashes or underscores; environment variables stay as they are."""
    name = text.strip()
    return name if is_variable(name) else name.lstrip("-").replace("-", "_")


def known_to(
    installed: Collection[str], device: Device, *, lossy: bool = False, more: Collection[str] = ()
) -> list[Knob]:
    """Return the knobs for a device that the installed version has: the core, and those that ``more`` names.

    ``installed``: the version's parameter names. ``more`` may hold "all". Lossy knobs only when asked for.
    """
    knobs = [k for k in KNOBS if device in k.devices and (k.variable or k.name in installed)]
    return [
        k for k in knobs if k.name in more or ((device in k.core or "all" in more) and (lossy or not k.lossy))
    ]
