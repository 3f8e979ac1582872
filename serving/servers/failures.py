"""Why a vLLM server did not start, died or hung: its log in, a class and a sentence out.

The exit code is always 1 and the last line never says why: the cause stands one to three lines long, often tens of
lines above. Patterns are of vLLM 0.32 and its neighbours; the first that matches, in this order, wins. Only what the
server complains of counts: lines of level INFO and DEBUG never do, nor do WARNINGs, which all real logs have many of. Knows
nothing of trials; ``evaluators`` maps the classes to what a study learns from.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FailureClass = Literal[
    "illegal_argument",
    "unsupported_combination",
    "out_of_memory_at_load",
    "out_of_memory_at_kv_allocation",
    "out_of_memory_under_load",
    "port_in_use",
    "model_not_found",
    "disk_full",
    "network_setup",
    "device_lost",
    "device_occupied",
    "crashed",
    "dead_engine",
    "default_failed",
    "hang",
    "killed",
    "unknown",
]
INFRASTRUCTURE: frozenset[FailureClass] = frozenset(
    {
        "port_in_use",
        "disk_full",
        "network_setup",
        "device_lost",
        "device_occupied",
        "default_failed",
        "killed",
    }
)
"""Classes that say nothing about the configuration."""
Phase = Literal["preflight", "start", "load"]


@dataclass(frozen=True, slots=True)
class ServerFailure:
    """One failure: its class, the line of the log that says why, and in which phase it came."""

    kind: FailureClass
    cause: str
    phase: Phase

    @property
    def infrastructure(self) -> bool:
        """Whether it says nothing about the configuration: worth one retry, never taught to a feasibility model."""
        return self.kind in INFRASTRUCTURE

    def __str__(self) -> str:
        return f"{_WORDS[self.kind]}: {self.cause}" if self.cause else _WORDS[self.kind]


_WORDS: dict[FailureClass, str] = {
    "illegal_argument": "the server refuses an argument",
    "unsupported_combination": "this combination is not supported by this model, device or version",
    "out_of_memory_at_load": "out of memory while loading the model",
    "out_of_memory_at_kv_allocation": "the KV cache does not fit or is too small",
    "out_of_memory_under_load": "out of memory while serving",
    "port_in_use": "the port is taken by another process",
    "model_not_found": "the model was not found",
    "disk_full": "no space is left on a disk or in shared memory",
    "network_setup": "the processes of the server could not reach each other",
    "device_lost": "the device is not available",
    "device_occupied": "other processes hold the memory of the device",
    "crashed": "the server crashed",
    "dead_engine": "the engine died",
    "default_failed": "the default, which it is compared with, failed",
    "hang": "the server did not become ready or stopped answering before its deadline",
    "killed": "the server was killed from outside",
    "unknown": "the server failed for a reason its log does not name",
}

_PATTERNS: tuple[tuple[FailureClass, str], ...] = (
    ("port_in_use", r"address already in use|Errno 98\b|EADDRINUSE"),
    ("disk_full", r"No space left on device|Errno 28\b|ENOSPC|[Dd]isk quota exceeded"),
    (
        "model_not_found",
        r"is not a local folder and is not a valid model identifier|Repository Not Found|not a valid repository id"
        r"|Repo id must|[Cc]an't load (the )?config(uration)? (for|of)|Invalid repository ID|couldn't connect to 'https://huggingface"
        r"|does not appear to have a file named config.json|[Cc]annot find any model weights|LocalEntryNotFoundError"
        r"|No such file or directory.*(config\.json|safetensors)|outgoing traffic has been disabled",
    ),
    (
        "device_lost",
        r"GPU is lost|fallen off the bus|[Uu]ncorrectable (ECC|NVLink)|devices? is/are busy or unavailable"
        r"|devices?\(s\) is/are busy|no (CUDA|ROCm)-capable device|CUDA driver initialization failed"
        r"|system not yet initialized",
    ),
    ("device_occupied", r"Initial free memory .* current free memory .* other processes"),
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
    (
        "out_of_memory_at_load",
        r"out of memory|OutOfMemory|MemoryError|[Cc]an(not|'t) allocate memory|CPUAllocator|std::bad_alloc",
    ),
    (
        "network_setup",
        r"NCCL error|nccl(System|Remote|Internal)Error|Dist(Network|Store|Backend)Error|[Gg]loo.*(connect|timed out)"
        r"|TCPStore.*(timed out|failed)|client socket has (timed out|failed)",
    ),
    (
        "crashed",
        r"Segfault encountered|Fatal Python error: |terminate called after throwing"
        r"|(died unexpectedly|Failed core proc).*: -(4|6|7|8|11)\b",
    ),
    ("killed", r"(died unexpectedly|Failed core proc).*: -(9|15)\b"),
    ("dead_engine", r"EngineDeadError|EngineCore.*(died|fatal|encountered)"
        r"|Engine core initialization failed|Worker proc .* died"),
)  # fmt: skip
_NOISE = re.compile(
    r"^(\([^)]*\)\s*)*(INFO|DEBUG|WARNING)\b|\bNCCL (INFO|VERSION)\b|Traceback|^\s*File |^\s*\^|Warning: "
    r"|See root cause above(?!.*: -\d)|Failed core proc(?!.*: -\d)"
)
_STAMP = re.compile(r"^(\([^)]*\)\s*)*((ERROR|CRITICAL)\s+\d\d-\d\d \d\d:\d\d:\d\d\s*(\[[^\]]*\])?\s*)?")
_ENGINE_DIED = re.compile(r"EngineDeadError|engine core exited unexpectedly")
_ENGINE_SAID = re.compile(r"^(?!\(APIServer)(\([^)]*\)\s*)*(ERROR|CRITICAL)\s+\d")
_FOLLOWS = re.compile(r"Executor failed|EngineDeadError|RuntimeError: cancelled$")
"""What an engine says after a worker's death, or after its own."""
_FREE = re.compile(r"[Ff]ree memory on device \S+ \(([\d.]+)/([\d.]+) GiB\).* is less than desired")
_TOTAL = re.compile(
    r"total capacity of ([\d.]+) GiB of which ([\d.]+) [MG]iB is free.*this process has ([\d.]+) GiB memory in use"
)
_OTHER = re.compile(r"Process \d+ has ([\d.]+) GiB memory in use")
IDLE_SHARE = 0.9
"""Of its memory a device has at least this share free where no other process uses it."""
OUTSIDE = (signal.SIGKILL, signal.SIGTERM)
"""Signals that others send; what else ends a process with a signal is a crash of its own."""


def classify(
    log: str, *, phase: Phase, exit_code: int | None = None, timed_out: bool = False
) -> ServerFailure:
    """Return the failure that a server's log and end tell of.

    ``exit_code``: of the server's leading process, None while it runs. A log without a known cause is a crash or a kill
    from outside when a signal ended it, a hang when it ended by a deadline, else unknown with its last error line.
    """
    every = [line for line in log.splitlines() if line.strip()]
    lines = [_STAMP.sub("", line).strip() for line in every if not _NOISE.search(line)]
    ended_by = -exit_code if exit_code is not None and exit_code < 0 else 0
    for kind, pattern in _PATTERNS:
        match = next((line for line in lines if re.search(pattern, line)), None)
        if match is not None and not (kind == "dead_engine" and (ended_by or _silent(every))):
            cause = _last_words(every) or match if kind == "dead_engine" else match
            return ServerFailure(_in_phase(_of_others(kind, match), phase), cause[:400], phase)
    if ended_by:
        kind = "killed" if ended_by in OUTSIDE else "crashed"
        return ServerFailure(kind, f"signal {ended_by} ({_named(ended_by)}) ended the server", phase)
    if _silent(every):
        return ServerFailure("killed", "its engine ended without a word, as by SIGKILL", phase)
    if phase == "load" and (exit_code == 0 or any("shutdown triggered" in line for line in every)):
        return ServerFailure("killed", "it was asked to end, as by SIGTERM", phase)
    if timed_out:
        return ServerFailure(
            "hang", f"its log ends with {every[-1][:200]!r}" if every else "it wrote nothing", phase
        )
    errors = [line for line in lines if re.search(r"Error|error|Exception|assert", line)]
    return ServerFailure("unknown", (errors[-1] if errors else lines[-1] if lines else "")[:400], phase)


def _silent(lines: Sequence[str]) -> bool:
    """Return whether the engine ended and left nothing in the log. A crash leaves its trace there (``Hosts`` asks Python
    for one), and so does whatever ends by an exception; SIGKILL does not."""
    return any(map(_ENGINE_DIED.search, lines)) and not _last_words(lines)


def _last_words(lines: Sequence[str]) -> str:
    """Return the last exception that the engine itself told of, empty where it told of none."""
    messages = [_STAMP.sub("", line).strip() for line in lines if _ENGINE_SAID.search(line)]
    errors = (line for line in reversed(messages) if re.match(r"[\w.]*(Error|Exception)\b", line))
    return next((line for line in errors if not _FOLLOWS.search(line)), "")


def _of_others(kind: FailureClass, line: str) -> FailureClass:
    """Return the class, where memory of the device was asked for that an idle device has: whoever holds it is at fault."""
    free, total = _FREE.search(line), _TOTAL.search(line)
    if free and float(free[1]) < IDLE_SHARE * float(free[2]):
        return "device_occupied"
    if total:
        others = sum(float(gib) for gib in _OTHER.findall(line))
        total_with_own = others + float(total[3])
        if others > (1 - IDLE_SHARE) * float(total[1]) and total_with_own <= 1.02 * float(total[1]):
            return "device_occupied"  # more is held than there is where the process itself is listed twice
    return kind


def _named(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else "unnamed"


def _in_phase(kind: FailureClass, phase: Phase) -> FailureClass:
    return "out_of_memory_under_load" if kind == "out_of_memory_at_load" and phase == "load" else kind
