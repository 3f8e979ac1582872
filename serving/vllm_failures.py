"""Why a vLLM server did not start, died or hung: its log in, a class and a sentence out.

The exit code is always 1 and the last line never says why: the cause stands one to three lines long, often tens of
lines above. Patterns are of vLLM 0.32 and its neighbours; the first that matches, in this order, wins. Knows nothing of
trials; ``evaluators`` maps the classes to what a study learns from.
"""

import re
from dataclasses import dataclass
from typing import Literal

VllmFailureClass = Literal[
    "illegal_argument",
    "unsupported_combination",
    "out_of_memory_at_load",
    "out_of_memory_at_kv_allocation",
    "out_of_memory_under_load",
    "port_in_use",
    "model_not_found",
    "dead_engine",
    "hang",
    "killed",
    "unknown",
]
Phase = Literal["preflight", "start", "load"]


@dataclass(frozen=True, slots=True)
class VllmFailure:
    """One failure: its class, the line of the log that says why, and in which phase it came."""

    kind: VllmFailureClass
    cause: str
    phase: Phase

    @property
    def infrastructure(self) -> bool:
        """Whether it says nothing about the configuration: worth one retry, never taught to a feasibility model."""
        return self.kind in {"port_in_use", "killed"}

    def __str__(self) -> str:
        return f"{_WORDS[self.kind]}: {self.cause}" if self.cause else _WORDS[self.kind]


_WORDS: dict[VllmFailureClass, str] = {
    "illegal_argument": "vLLM refuses an argument",
    "unsupported_combination": "this combination is not supported by this model, device or version",
    "out_of_memory_at_load": "out of memory while loading the model",
    "out_of_memory_at_kv_allocation": "the KV cache does not fit or is too small",
    "out_of_memory_under_load": "out of memory while serving",
    "port_in_use": "the port is taken by another process",
    "model_not_found": "the model was not found",
    "dead_engine": "the engine died",
    "hang": "the server did not become ready or stopped answering before its deadline",
    "killed": "the server was killed from outside",
    "unknown": "the server failed for a reason its log does not name",
}

_PATTERNS: tuple[tuple[VllmFailureClass, str], ...] = (
    ("port_in_use", r"address already in use|Errno 98\b|EADDRINUSE"),
    (
        "model_not_found",
        r"is not a local folder and is not a valid model identifier|Repository Not Found|not a valid repository id"
        r"|Repo id must|[Cc]an't load (the )?config(uration)? (for|of)|Invalid repository ID|couldn't connect to 'https://huggingface"
        r"|does not appear to have a file named config.json|[Cc]annot find any model weights|LocalEntryNotFoundError"
        r"|No such file or directory.*(config\.json|safetensors)|outgoing traffic has been disabled",
    ),
    (
        "out_of_memory_at_kv_allocation",
        r"KV cache is needed, which is larger than|estimated maximum model length"
        r"|No available memory for the cache blocks|kv cache allocation is less than requested"
        r"|[Ff]ree memory on device .* is less than desired|gpu_memory_utilization.*(larger|increase)"
        r"|available memory .* (less|smaller) than|[Nn]ot enough .*memory.*KV|cache blocks.*memory",
    ),
    ("illegal_argument", r"error: (unrecognized arguments|argument |the following arguments)|: error: "),
    (
        "unsupported_combination",
        r"No common block size|not supported|NotImplementedError|is not implemented|unsupported|must be divisible by"
        r"|Not enough (allowed )?NUMA|no attribute '.*(_C|scaled|quant)|Could not run '.*' with arguments"
        r"|No valid attention backend|NUMA node",
    ),
    (
        "illegal_argument",
        r"validation errors? for|ValueError: .*(must|should|cannot|greater|less|larger|smaller)",
    ),
    ("out_of_memory_at_load", r"out of memory|OutOfMemory|MemoryError|[Cc]an(not|'t) allocate memory|CPUAllocator"),
    ("dead_engine", r"EngineDeadError|EngineCore.*(died|fatal|encountered)"
        r"|Engine core initialization failed|Worker proc .* died"),
)  # fmt: skip
_NOISE = re.compile(
    r"WARNING|Traceback|^\s*File |^\s*\^|DeprecationWarning|See root cause above|See stack trace"
    r"|Failed core proc|Warning:"
)
_STAMP = re.compile(
    r"^(\([^)]*\)\s*)*((ERROR|INFO|CRITICAL|WARNING)\s+\d\d-\d\d \d\d:\d\d:\d\d\s*(\[[^\]]*\])?\s*)?"
)


def classify(log: str, *, phase: Phase, exit_code: int | None = None, timed_out: bool = False) -> VllmFailure:
    """Return the failure that a server's log and end tell of.

    ``exit_code``: of the server's leading process, None while it runs. A log without a known cause is a hang when it
    ended by a deadline, a kill from outside when a signal ended it, else unknown with its last error line.
    """
    lines = [
        _STAMP.sub("", line).strip() for line in log.splitlines() if line.strip() and not _NOISE.search(line)
    ]
    for kind, pattern in _PATTERNS:
        found = next((line for line in lines if re.search(pattern, line)), None)
        if found is not None and not (kind == "dead_engine" and exit_code is not None and exit_code < 0):
            return VllmFailure(_in_phase(kind, phase), found[:400], phase)
    if exit_code is not None and exit_code < 0:
        return VllmFailure("killed", f"signal {-exit_code} ended the server", phase)
    if timed_out:
        return VllmFailure("hang", lines[-1][:200] if lines else "", phase)
    errors = [line for line in lines if re.search(r"Error|error|Exception|assert", line)]
    return VllmFailure("unknown", (errors[-1] if errors else lines[-1] if lines else "")[:400], phase)


def _in_phase(kind: VllmFailureClass, phase: Phase) -> VllmFailureClass:
    return "out_of_memory_under_load" if kind == "out_of_memory_at_load" and phase == "load" else kind
