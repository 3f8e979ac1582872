"""llama.cpp's server as a target: the same target as vLLM's, with a load client and a space of its own.

What it has not, beside vLLM's: a validator that is asked before a start, starts from a warm process, limits that can be
lowered while it runs. A default that runs beside it has.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...serving.llama_cpp.environment import LlamaEnvironment, find_llama
from ...serving.llama_cpp.load import run_llama_load
from ...serving.models.gguf_facts import GgufFacts
from ...serving.models.pretrained import gguf_file
from ...serving.servers.installation import memory_bytes
from ...serving.servers.load import LoadPlan, LoadResult
from ...serving.servers.server import RunningServer
from ..problems.problem import Objective
from ..servers.metrics import SEARCHED
from ..servers.settings import TargetSettings, Wanted
from ..servers.target import ServerTarget
from ..spaces.space import SearchSpace
from ..traffic.workload import Workload
from .llama_memory import context_room, require_context
from .llama_space import AUTO_SLOTS, STRAIN, llama_space
from .useful import most_at_once, most_tokens

ENGINE = "llama.cpp"


class LlamaClient:
    """Sends loads to ``llama-server``; one client for all servers of a target, which have one vocabulary."""

    def __init__(self) -> None:
        self._loads = 0
        self._vocabulary = 0

    def run(self, server: RunningServer, plan: LoadPlan) -> LoadResult:
        """Run one load; its prompts are drawn anew, because a slot keeps its last one."""
        self._loads += 1
        try:
            self._vocabulary = self._vocabulary or _vocabulary_of(server)
        except (OSError, ValueError, LookupError) as error:
            return LoadResult(problem=f"it does not tell its vocabulary: {error}")
        return run_llama_load(server, plan, vocabulary=self._vocabulary, turn=self._loads)

    def forget_prompts(self, server: RunningServer) -> None:
        """Do nothing: no prompt is sent twice."""


def llama_servers(
    environment: LlamaEnvironment, settings: TargetSettings, space: SearchSpace
) -> ServerTarget:
    """Return the servers of one model under one workload. Every start is an ordinary one."""
    rungs = replace(settings.rungs, preflight=False, fork=False, live=False, eager=False)
    served = replace(
        settings, fixed={"ctx_size": _context(settings, space), **settings.fixed}, rungs=rungs, strain=STRAIN,
        defaults=space.default(), engine=ENGINE, program=("llama-server",), model_flag="--model",
    )  # fmt: skip
    return ServerTarget(environment, served, LlamaClient())


@contextmanager
def prepared(
    wanted: Wanted, objective: Objective, limits: Sequence[object], *, say: Callable[[str], None],
    draft_model: str | None = None,
) -> Iterator[tuple[ServerTarget, SearchSpace, dict[str, Any]]]:  # fmt: skip  # Any: JSON values
    """Yield target, space and context; every process is ended on the way out. Raises what the operator must mend."""
    environment = find_llama()
    settings = wanted.settings(str(gguf_file(wanted.model)), objective, limits)
    cores = len(os.sched_getaffinity(0))
    say(f"llama.cpp {environment.version} at {str(environment.binary)!r}")
    space = llama_space(
        environment.flags(), cores, knobs=wanted.knobs, lossy=wanted.lossy, fixed=wanted.fixed, say=say,
        draft_model=None if draft_model is None else str(gguf_file(draft_model)),
        useful={} if objective.name in SEARCHED else _useful(settings.workload), most_slots=_most_slots(settings),
    )  # fmt: skip
    with llama_servers(environment, settings, space) as target:
        context = {
            ENGINE: environment.version, "device": "cpu", "cores": cores, "devices": 1, "workload": wanted.workload,
            "longest_request_tokens": settings.workload.longest, "model": Path(wanted.model).name,
        }  # fmt: skip
        yield target, space, context


def _useful(workload: Workload) -> dict[str, float]:
    """Return the most slots, and tokens of a batch, that the load can use."""
    most = most_at_once(workload)
    tokens = most_tokens(workload, most)
    return {"parallel": most, "batch_size": tokens, "ubatch_size": tokens}


def _context(settings: TargetSettings, space: SearchSpace) -> int:
    """Return a context in which every slot has room for the longest request, however many there are."""
    choices = list(space["parallel"].choices) if "parallel" in space else [_slots(settings.fixed)]  # pyright: ignore[reportAttributeAccessIssue]
    slots = max(c if isinstance(c, int) else AUTO_SLOTS for c in choices)
    return 256 * math.ceil(slots * settings.workload.longest / 256)


def _slots(fixed: Mapping[str, Any]) -> int:  # Any: JSON values
    """Return the slots of the default: those that hold for every configuration, or the server's own choice."""
    slots = fixed.get("parallel")
    return slots if isinstance(slots, int) and slots > 0 else AUTO_SLOTS


def _most_slots(settings: TargetSettings) -> float:
    """Return the slots for whose context there is memory; raises InvalidSpecification where the default's does not fit."""
    facts, servers = GgufFacts.read(Path(settings.model)), 2 if settings.rungs.beside else 1
    room, longest = context_room(facts, settings.fixed, memory_bytes(), servers), settings.workload.longest
    require_context(facts, settings.fixed, longest, _slots(settings.fixed), room)
    return math.inf if "ctx_size" in settings.fixed else room // longest


def _vocabulary_of(server: RunningServer) -> int:
    return int(json.loads(server.get("/v1/models"))["data"][0]["meta"]["n_vocab"])
