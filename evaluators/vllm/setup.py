"""What tuning a vLLM server needs before it can start: the environment, the model, the target, and the space it has.

Also for benchmarks and tests: ``prepared`` is the one way from a few names to a target that can be tuned.
"""

import math
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...serving.models.pretrained import model_folder
from ...serving.servers.installation import memory_bytes, visible_devices
from ...serving.vllm.catalogue import STRAIN, parameter_name
from ...serving.vllm.environment import VllmEnvironment, find_vllm
from ...serving.vllm.installed import Installed
from ..engines.useful import most_at_once, most_tokens
from ..errors import InvalidSpecification
from ..problems.problem import Objective
from ..servers.metrics import SEARCHED
from ..servers.settings import Wanted
from ..servers.target import ServerTarget
from ..spaces.parameters import Categorical
from ..spaces.space import SearchSpace
from ..traffic.workload import Workload
from .memory import Machine, ModelFacts, kv_complaint
from .space import vllm_space

_CACHE = {"VLLM_CPU_KVCACHE_SPACE", "kv_cache_memory_bytes", "gpu_memory_utilization", "kv_cache_dtype"}
"""Knobs that change what the KV cache holds."""

_FILES = {
    "config.json": ("config.json", "params.json"),
    "tokenizer": ("tokenizer*", "vocab*", "tekken.json", "*.tiktoken"),
}
"""What a model's folder holds, each as one of these; weights may be made up (``load_format=dummy``)."""
_EVIDENCE = re.compile(r"\s*\[type=\w+, input_value=.*$")
"""What pydantic adds to a sentence for those who wrote the program."""


@contextmanager
def prepared(
    wanted: Wanted, objective: Objective, limits: Sequence[object], *, say: Callable[[str], None]
) -> Iterator[tuple[ServerTarget, SearchSpace, dict[str, Any]]]:  # Any: JSON values
    """Yield target, space and context; every process is ended on the way out. Raises what the operator must mend."""
    model = model_folder(wanted.model)
    _require_files(Path(model), wanted.fixed)
    environment = find_vllm()
    settings = wanted.settings(model, objective, limits)
    workload, rungs = settings.workload, settings.rungs
    facts = ModelFacts.read(model)
    say(f"vLLM {environment.version} ({'CPU' if environment.cpu else 'GPU'}) at {str(environment.python)!r}")
    with ServerTarget(environment, settings) as target:
        resolved = _resolved_default(target, facts, workload)
        variables = environment.variables(wanted.variables)
        installed = Installed.read(target.installed(), variables)
        knobs = {parameter_name(name): choices for name, choices in wanted.knobs.items()}
        machine = _machine(environment, variables, beside=rungs.beside)
        space = vllm_space(
            installed, resolved, machine, model=facts, lossy=wanted.lossy, only=tuple(knobs),
            ranges={name: choices for name, choices in knobs.items() if choices},
            fixed=wanted.fixed, useful=_useful(wanted, objective, workload, facts, resolved) if environment.cpu else {},
            say=say,
        )  # fmt: skip
        target.settings = replace(
            settings, defaults=space.default(), ceilings=_ceilings(space), strain=STRAIN
        )
        context = {
            "vllm": environment.version, "device": machine.device, "cores": machine.cores, "devices": machine.devices,
            "workload": wanted.workload, "longest_request_tokens": workload.longest, "model": Path(model).name,
        }  # fmt: skip
        yield target, space, context


def _require_files(model: Path, fixed: Mapping[str, Any]) -> None:  # Any: JSON values
    """Raise InvalidSpecification where a model is a folder without what every start needs."""
    for name, patterns in _FILES.items() if model.is_dir() else ():
        if name not in fixed and not any(next(model.glob(p), None) for p in patterns):
            cure = "copy the whole model" + (", or `--fix tokenizer=FOLDER`" if name == "tokenizer" else "")
            raise InvalidSpecification(
                f"A model's folder must hold its {name}, got {str(model)!r} without one; {cure}."
            )


def _resolved_default(
    target: ServerTarget, facts: ModelFacts | None, workload: Workload
) -> dict[str, Any]:  # Any: JSON
    """Return what vLLM resolves without flags; raises InvalidSpecification where that cannot serve the workload."""
    answer = target.resolve([{}])[0]
    if not answer["ok"]:
        raise InvalidSpecification(
            f"vLLM refuses the default configuration, see `--fix` and `--env`: {refusal_words(answer['error'])}."
        )
    resolved = answer["resolved"]
    cache = resolved["cache_config"].get("kv_cache_memory_bytes")
    complaint = kv_complaint(facts, cache, workload.longest)
    if complaint:
        raise InvalidSpecification(f"{complaint}; give it more with `--env VLLM_CPU_KVCACHE_SPACE=4` (GiB).")
    return resolved


def refusal_words(error: str) -> str:
    """Return vLLM's reasons as one line without a period, as far as they are for a person."""
    return _EVIDENCE.sub("", " ".join(error.split())).rstrip(".")


def _useful(
    wanted: Wanted,
    objective: Objective,
    workload: Workload,
    facts: ModelFacts | None,
    resolved: Mapping[str, Any],
) -> dict[str, float]:  # Any: JSON
    """Return the most that the load can use of the batch limits; on GPUs they also decide graphs and memory."""
    if objective.name in SEARCHED:
        return {}
    cache, fixed = resolved["cache_config"].get("kv_cache_memory_bytes"), _CACHE.isdisjoint(wanted.knobs)
    room = facts.kv_tokens(cache) if facts is not None and cache and fixed and not wanted.lossy else math.inf
    most = most_at_once(workload, room)
    return {"max_num_seqs": most, "max_num_batched_tokens": most_tokens(workload, most)}


def _ceilings(space: SearchSpace) -> dict[str, int]:
    """Return the largest values of the limits that can be lowered in a running server."""
    by_name = {
        p.name: [c for c in p.choices if isinstance(c, int)]
        for p in space
        if isinstance(p, Categorical) and p.name in ("max_num_seqs", "max_num_batched_tokens")
    }
    return {name: max(choices) for name, choices in by_name.items() if choices}


def _machine(environment: VllmEnvironment, variables: Mapping[str, str], *, beside: bool) -> Machine:
    """Return what there is here. On a CPU a core is kept for the load client, and the threads of a default beside."""
    cores = len(os.sched_getaffinity(0))
    if environment.cpu:
        threads = variables.get("OMP_NUM_THREADS", "1")
        others = (int(threads) if threads.isdecimal() else 1) if beside else 0
        servers = 2 if beside else 1
        return Machine("cpu", cores, memory_bytes=memory_bytes(), reserved=1 + others, servers=servers)
    return Machine("gpu", cores, visible_devices(variables), _device_memory())


def _device_memory() -> int | None:
    """Return the bytes of the smallest device, None where ``nvidia-smi`` does not tell."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        return min(int(line) for line in output.split()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
