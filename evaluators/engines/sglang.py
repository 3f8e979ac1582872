"""SGLang's server as a target: its knobs, its space, a load client. Tried against a scripted server, never on a real SGLang.

What it has not, beside vLLM's: a validator, starts from a warm process, limits that can be lowered while it runs, a default
beside it (two seldom fit a device). Flags are documented in ``sglang/srt/server_args.py``; the installed version's
``--help`` says which of them it has.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...serving.errors import InvalidInput
from ...serving.models.pretrained import model_folder
from ...serving.servers.installation import visible_devices
from ...serving.servers.load import LoadPlan, LoadResult
from ...serving.servers.server import RunningServer
from ...serving.sglang.environment import PROGRAM, SglangEnvironment, find_sglang
from ...serving.sglang.load import resolved, run_sglang_load
from ..errors import InvalidSpecification
from ..problems.problem import Objective
from ..servers.attempt import Rungs
from ..servers.settings import TargetSettings, Wanted
from ..servers.target import ServerTarget
from ..spaces.space import SearchSpace
from .help_space import Catalogue, HelpedKnob, Value, parameter_of
from .useful import say_single

ENGINE = "SGLang"
UNTRIED = "its support here was written from SGLang's documents and tried against a scripted server, never on a real one"
SIZES = ("tensor_parallel_size", "data_parallel_size")
KNOBS = (
    HelpedKnob("schedule_policy", ("fcfs", "lpm", "dfs-weight"), "whose turn is next"),
    HelpedKnob(
        "chunked_prefill_size", (1024, 2048, 4096, 8192, 16384), "tokens of a prompt per step", "tokens"
    ),
    HelpedKnob("max_running_requests", (16, 32, 64, 128, 256, 512), "requests that are computed together"),
    HelpedKnob("mem_fraction_static", (0.75, 0.8, 0.85, 0.9), "share of the memory for weights and KV cache"),
    HelpedKnob("schedule_conservativeness", (0.3, 0.6, 1.0, 1.3), "how much room is kept free", default=1.0),
    HelpedKnob(
        "num_continuous_decode_steps", (1, 2, 4, 8), "steps between two looks at the queue", default=1
    ),
    HelpedKnob("enable_mixed_chunk", (False, True), "prompts and answers in one batch", default=False),
    HelpedKnob("tensor_parallel_size", (1, 2, 4, 8), "devices that share a copy", "devices", default=1),
    HelpedKnob("data_parallel_size", (1, 2, 4, 8), "copies", default=1),
    HelpedKnob("attention_backend", ("flashinfer", "fa3", "triton"), "kernels of attention", core=False),
    HelpedKnob("disable_radix_cache", (False, True), "no prefix cache", core=False, default=False),
    HelpedKnob(
        "disable_overlap_schedule", (False, True), "schedule between steps", core=False, default=False
    ),
    HelpedKnob("enable_torch_compile", (False, True), "compile the model", core=False, default=False),
    HelpedKnob("max_prefill_tokens", (8192, 16384, 32768), "tokens of prompts in a batch", core=False),
    HelpedKnob("kv_cache_dtype", ("auto", "fp8_e5m2", "fp8_e4m3"), "numbers of the KV cache", lossy=True),
)
PLUMBING = frozenset({"model_path", "model", "host", "port", "served_model_name", "help"})
STRAIN = {"max_running_requests": 1, "chunked_prefill_size": 1, "mem_fraction_static": 1}
"""More of it asks for more memory."""
CATALOGUE = Catalogue("sglang.launch_server", KNOBS, PLUMBING)


class SglangClient:
    """Sends loads to SGLang's server; ``vocabulary``: tokens that the model has."""

    def __init__(self, vocabulary: int) -> None:
        self._loads, self._vocabulary = 0, vocabulary

    def run(self, server: RunningServer, plan: LoadPlan) -> LoadResult:
        """Run one load; the record holds what the server took for flags that were not given."""
        self._loads += 1
        result = run_sglang_load(server, plan, vocabulary=self._vocabulary, turn=self._loads)
        return replace(result, raw=resolved(server)) if result.ok else result

    def forget_prompts(self, server: RunningServer) -> None:
        """Empty the prefix cache; OSError where the server does not do it."""
        server.post("/flush_cache", timeout_s=30)


def sglang_space(
    flags: Mapping[str, str], devices: int, *, knobs: Mapping[str, Sequence[Value]] | None = None,
    lossy: bool = False, fixed: Mapping[str, Any] | None = None, say: Callable[[str], None] = lambda line: None,
) -> SearchSpace:  # fmt: skip  # Any: plain values
    """Return the space. ``flags``: the version's flags with their words of help; ``knobs``: just these, with own choices
    where there are any; ``fixed``: flags that hold for every configuration. Raises InvalidSpecification."""
    selection = (
        CATALOGUE.asked(knobs, flags, lossy=lossy) if knobs else CATALOGUE.core(flags, lossy=lossy, say=say)
    )
    fitting = [_fitting(k, devices) for k in selection if k.name not in (fixed or {})]
    candidates = [parameter_of(k, flags.get(k.name, "")) for k in fitting]
    parameters = [p for p in candidates if len(p.choices) > 1]
    say_single(candidates, knobs or {}, say)
    if not parameters:
        raise InvalidSpecification("No knob has two values here; name some with `--knob`.")
    both = set(SIZES) <= {p.name for p in parameters}
    return SearchSpace(parameters, where=[f"{' * '.join(SIZES)} <= {devices}"] if both else [])


def _fitting(knob: HelpedKnob, devices: int) -> HelpedKnob:
    """Return the knob without what cannot be said (its switches have no ``--no-``) and sizes beyond the devices."""
    choices = [c for c in knob.choices if c is not False or knob.default is False]
    within = [c for c in choices if knob.name not in SIZES or (isinstance(c, int) and c <= devices)]
    return replace(knob, choices=tuple(within))


def sglang_servers(
    environment: SglangEnvironment, settings: TargetSettings, space: SearchSpace, vocabulary: int
) -> ServerTarget:
    """Return the servers of one model under one workload. Every start is an ordinary one; switches have no ``--no-``."""
    rungs = Rungs(preflight=False, fork=False)
    served = replace(
        settings, fixed={k: v for k, v in settings.fixed.items() if v is not False}, rungs=rungs, strain=STRAIN,
        defaults=space.default(), engine=ENGINE, program=PROGRAM, model_flag="--model-path",
    )  # fmt: skip
    return ServerTarget(environment, served, SglangClient(vocabulary))


@contextmanager
def prepared(
    wanted: Wanted, objective: Objective, limits: Sequence[object], *, say: Callable[[str], None]
) -> Iterator[tuple[ServerTarget, SearchSpace, dict[str, Any]]]:  # Any: JSON values
    """Yield target, space and context; every process is ended on the way out. Raises what the operator must mend."""
    environment = find_sglang()
    model, devices = model_folder(wanted.model), visible_devices(environment.variables(wanted.variables))
    settings = wanted.settings(model, objective, limits)
    say(f"SGLang {environment.version} at {str(environment.python)!r}; {UNTRIED}")
    space = sglang_space(
        environment.flags(), devices, knobs=wanted.knobs, lossy=wanted.lossy, fixed=wanted.fixed, say=say
    )
    with sglang_servers(environment, settings, space, _vocabulary_of(model)) as target:
        context = {
            ENGINE: environment.version, "device": "gpu", "cores": len(os.sched_getaffinity(0)), "devices": devices,
            "workload": wanted.workload, "longest_request_tokens": settings.workload.longest, "model": Path(model).name,
        }  # fmt: skip
        yield target, space, context


def _vocabulary_of(model: str) -> int:
    """Return how many tokens a model's folder says that it has; raises InvalidInput."""
    path = Path(model) / "config.json"
    if not path.is_file():
        raise InvalidInput(f"Tuning SGLang needs the model's folder, for its config.json, got {model!r}.")
    config = json.loads(path.read_text())
    return int(config.get("text_config", config)["vocab_size"])
