"""llama.cpp's server as a target: flags in, metrics under load out. One server at a time, each started like by a shell.

What it has not, beside vLLM's: a validator that is asked before a start, starts from a warm process, a default that runs
beside. The knobs are those that decide speed on a CPU and keep the answers.
"""

import contextlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from ...serving.llama_cpp.environment import LlamaEnvironment
from ...serving.llama_cpp.load import run_llama_load
from ...serving.servers.failures import ServerFailure
from ...serving.servers.host import HostDied, ServerHost
from ...serving.servers.load import LoadPlan, LoadResult
from ...serving.servers.server import RunningServer, ServerFailed, ServerSpec
from ..servers.attempt import Attempt, Rung, Rungs
from ..servers.bounds import with_bounds
from ..servers.loads import Plans, why
from ..servers.records import append_load, append_record
from ..servers.settings import TargetSettings
from ..spaces.parameters import Categorical
from ..spaces.space import SearchSpace
from ..traffic.workload import Workload
from .contract import Params

SLOTS = (1, 2, 4, 8)
"""Requests that are computed together; a slot has its part of the context."""


def llama_space(cores: int) -> SearchSpace:
    """Return the knobs of ``llama-server`` on a CPU with its defaults; None is "not given"."""
    threads = [None, *sorted({*range(1, min(cores, 8) + 1), cores})]
    return SearchSpace(
        [
            Categorical("threads", threads, default=None, description="threads that generate"),
            Categorical("threads_batch", threads, default=None, description="threads that read prompts"),
            Categorical("parallel", [None, *SLOTS], default=None, description="slots: requests at a time"),
            Categorical("batch_size", [256, 512, 1024, 2048], default=2048, ordered=True, unit="tokens"),
            Categorical("ubatch_size", [64, 128, 256, 512, 1024], default=512, ordered=True, unit="tokens"),
            Categorical("flash_attn", ["auto", "on", "off"], default="auto"),
        ],
        where=["ubatch_size <= batch_size"],
    )


def llama_settings(model: Path, workload: Workload, folder: Path, space: SearchSpace) -> TargetSettings:
    """Return what is served: a context in which every slot has room for the longest request."""
    context = 256 * math.ceil(max(SLOTS) * workload.longest / 256)
    return TargetSettings(
        str(model), workload, folder, {"ctx_size": context}, defaults=space.default(), rungs=Rungs(preflight=False),
        engine="llama.cpp",
    )  # fmt: skip


class LlamaServers:
    """Measures configurations of ``llama-server``. A context manager: leaving it ends every process."""

    def __init__(self, environment: LlamaEnvironment, settings: TargetSettings) -> None:
        self.environment = environment
        self.settings = settings
        self.scale: Mapping[str, float] = {}
        settings.folder.mkdir(parents=True, exist_ok=True)
        self._host = ServerHost(environment, warm=False, folder=settings.folder, variables=settings.variables)
        self._running: tuple[dict[str, object], RunningServer] | None = None
        self._loads = self._starts = 0
        self._vocabulary = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running = None
        self._host.close()

    def spec(self, params: Params) -> ServerSpec:
        """Return what to serve: what is fixed, and the parameters that differ from the default."""
        defaults = self.settings.defaults
        changed = {k: v for k, v in params.items() if v is not None and v != defaults.get(k)}
        flags = {**self.settings.fixed, **changed}
        return ServerSpec(
            self.settings.model, flags, self.settings.variables, "m", ("llama-server",), "--model"
        )

    def measure(
        self, params: Params, *, rung: Rung = "fork", repeats: int = 1, reuse: bool = True,
        enough_s: float | None = None, label: str = "",
    ) -> Attempt:  # fmt: skip
        """Return an attempt; every start is an ordinary one, and a running server of the same flags is used again."""
        began, command = time.monotonic(), self.spec(params).command()
        try:
            start_s = 0.0 if rung != "ordinary" and self.reuses(params) else self._start(params)
        except ServerFailed as error:
            self._running = None
            seconds = time.monotonic() - began
            failed = Attempt(command, "ordinary", failure=error.failure, seconds=seconds, log=str(error.log))
            return self._keep(replace(failed, argv=error.argv), label)
        attempt = self._repeated(Attempt(command, "ordinary", start_s=start_s), repeats, enough_s)
        return self._keep(replace(attempt, seconds=time.monotonic() - began), label)

    def more(self, attempt: Attempt, repeats: int = 1, *, label: str = "") -> Attempt:
        """Return the attempt with further repeats on the server that still runs; unchanged when none does."""
        if self._running is None or attempt.failure is not None:
            return attempt
        began = time.monotonic()
        grown = self._repeated(attempt, repeats, None)
        return self._keep(replace(grown, seconds=attempt.seconds + time.monotonic() - began), label)

    def load(self, plan: LoadPlan) -> LoadResult:
        """Run another load on the server that runs now; its failure is in the result."""
        result = self._one(plan)
        assert self._running is not None
        append_load(self.settings, self._running[1], plan, result)
        return result

    def plan_at(self, rate: float) -> LoadPlan:
        """Return the workload's load with its requests arriving at ``rate`` per second."""
        return self._plans.at(rate)

    def plan_with(self, concurrency: int) -> LoadPlan:
        """Return the workload's load with so many requests at once."""
        return self._plans.with_concurrency(concurrency)

    def reuses(self, params: Params) -> bool:
        """Return whether a server with these flags runs and lives."""
        running = self._running
        return running is not None and self.spec(running[0]) == self.spec(params) and not running[1].gone()

    def stop_server(self) -> None:
        """End the server that runs, if any."""
        if self._running is not None:
            with contextlib.suppress(HostDied):  # its servers are gone with it
                self._running[1].stop()
        self._running = None

    @property
    def _plans(self) -> Plans:
        return Plans(self.settings, self.scale)

    def _start(self, params: Params) -> float:
        """Start a server and warm it up; return the seconds until it was ready. Raises ServerFailed."""
        self.stop_server()
        self._starts += 1
        log = self.settings.folder / f"server-{self._starts:03d}.log"
        deadline_s = self.settings.start_deadline_s
        server = RunningServer.start(self._host, self.spec(params), log=log, deadline_s=deadline_s)
        self._running = dict(params), server
        told = json.loads(server.get("/v1/models"))
        self._vocabulary = int(told["data"][0]["meta"]["n_vocab"])
        result = self._one(self._plans.warming())
        if result.failure is not None:
            raise server.failed(result.failure)
        return server.ready_s

    def _repeated(self, attempt: Attempt, repeats: int, enough_s: float | None) -> Attempt:
        assert self._running is not None
        server, plan = self._running[1], self._plans.own()
        cut = enough_s is not None and enough_s < plan.timeout_s
        for _ in range(repeats):
            result = self._one(replace(plan, timeout_s=enough_s) if cut and enough_s is not None else plan)
            if result.timed_out and cut:
                self.stop_server()  # requests that were cut off still run there
                return replace(attempt, results=(), cut_s=enough_s, argv=server.argv, log=str(server.log))
            if not result.ok:
                failure = result.failure or ServerFailure("unknown", result.problem[:400], "load")
                self.stop_server()
                return replace(attempt, failure=failure, argv=server.argv, log=str(server.log))
            attempt = replace(attempt, results=(*attempt.results, result))
        return replace(attempt, argv=server.argv, log=str(server.log))

    def _one(self, plan: LoadPlan) -> LoadResult:
        assert self._running is not None
        server = self._running[1]
        self._loads += 1
        try:
            result = run_llama_load(server, plan, vocabulary=self._vocabulary, turn=self._loads)
        except HostDied as error:
            return LoadResult(
                problem="died: the host", failure=ServerFailure("killed", str(error)[:300], "load")
            )
        if result.ok or not server.gone():
            return with_bounds(result)
        return replace(result, failure=why(server, result.problem, timed_out=False))

    def _keep(self, attempt: Attempt, label: str) -> Attempt:
        append_record(self.settings, self.environment.version, attempt, label=label)
        return attempt
