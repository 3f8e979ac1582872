"""A vLLM server as a target: parameters in, metrics under load out, by the cheapest rung that can tell.

The rungs: *preflight* lets vLLM resolve the configuration in milliseconds, refuses illegal ones and knows those that
resolve to what was measured before; *live* lowers scheduler limits in the running server; *fork* starts a server in
seconds from a warm process, without compilation where ``eager`` says so; *ordinary* starts ``vllm serve`` like a shell
would. Every attempt leaves a record by which its numbers can be reproduced by hand. One server at a time, and where
``beside`` says so one of the default next to it, which is loaded alternately.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ..serving.vllm_catalogue import LIVE, is_variable
from ..serving.vllm_environment import VllmEnvironment
from ..serving.vllm_failures import VllmFailure, VllmFailureClass, classify
from ..serving.vllm_host import HostDied
from ..serving.vllm_load import LoadPlan, LoadResult, run_load
from ..serving.vllm_server import FlagValue, ServerSpec, VllmServer, VllmServerFailed
from .errors import EvaluationFailed
from .vllm_agreement import answers_of, share_equal
from .vllm_attempt import Attempt, Rung, Rungs
from .vllm_hosts import Hosts
from .vllm_live import LiveLimits
from .vllm_metrics import devices_of
from .vllm_workload import Workload


@dataclass(frozen=True)
class TargetSettings:
    """What is served and how it is loaded. ``fixed`` and ``variables`` hold for every configuration, the default too.

    ``defaults``: what vLLM resolves without flags; parameters with these values are not put on the command line.
    """

    model: str
    workload: Workload
    folder: Path
    fixed: Mapping[str, FlagValue] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, FlagValue] = field(default_factory=dict)
    rungs: Rungs = field(default_factory=Rungs)
    start_deadline_s: float = 240.0
    load_deadline_s: float = 120.0
    goodput: Mapping[str, float] = field(default_factory=dict)
    guard: bool = False
    """Compare greedy answers with the default's (lossy knobs)."""
    ceilings: Mapping[str, int] = field(default_factory=dict)
    """Values of live knobs at which a server is started when ``rungs.live`` is on."""


class VllmTarget:
    """Measures configurations of one model under one workload. A context manager: leaving it ends every process."""

    def __init__(self, environment: VllmEnvironment, settings: TargetSettings) -> None:
        self.environment = environment
        self.settings = settings
        self.preflights = 0
        self.starts = 0
        self._hosts = Hosts(environment, settings.folder, settings.variables)
        self._live = LiveLimits(settings.folder)
        self._server: VllmServer | None = None
        self._running: tuple[dict[str, FlagValue], Rung] | None = None
        self._beside: tuple[VllmServer, Rung] | None = None
        self.scale: Mapping[str, float] = {}
        """The default's metrics, once known: results with a default beside are restated on this scale."""
        self._measured: dict[str, Attempt] = {}
        self._reference: Sequence[str] | None = None
        self._count = 0
        settings.folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the servers and the hosts."""
        self._server = self._running = self._beside = None
        self._hosts.close()

    # Asking vLLM -------------------------------------------------------------------------------------------------

    def installed(self) -> dict[str, Any]:  # Any: JSON
        """Return version, platform and every parameter of the installed vLLM."""
        return self._hosts.get(warm=True).call("parameters", timeout_s=60, deadline_s=90)

    def resolve(self, configurations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:  # Any: JSON
        """Return what vLLM makes of each configuration: ``ok``, ``resolved`` and ``digest``, or ``error``."""
        specs = [self.spec(c) for c in configurations]
        host = self._hosts.get(warm=True)
        answer = host.call(
            "preflight",
            argvs=[s.argv() for s in specs],
            env=self.environment.variables(self.settings.variables),
            timeout_s=120,
            deadline_s=150,
        )
        self.preflights += len(specs)
        if not answer["ok"]:
            raise EvaluationFailed(f"preflight: {answer['error']}", kind="infrastructure")
        for spec, one in zip(specs, answer["answers"], strict=True):
            if one["ok"]:
                one["digest"] = _digest(one, spec.variables)
        return answer["answers"]

    def spec(self, params: Mapping[str, Any]) -> ServerSpec:  # Any: a choice of the space
        """Return what to serve: what is fixed, and the parameters that differ from the default."""
        changed = {k: v for k, v in params.items() if v is not None and v != self.settings.defaults.get(k)}
        flags = {**self.settings.fixed, **{k: v for k, v in changed.items() if not is_variable(k)}}
        own = {k: str(v) for k, v in changed.items() if is_variable(k)}
        variables = {**self.environment.decisive(), **self.settings.variables, **own}
        return ServerSpec(self.settings.model, flags, variables, "m")

    # Measuring ---------------------------------------------------------------------------------------------------

    def measure(
        self, params: Mapping[str, Any], *, rung: Rung = "fork", repeats: int = 1, reuse: bool = True,
        enough_s: float | None = None,
    ) -> Attempt:  # fmt: skip
        """Return an attempt at a configuration; failures are part of it, infrastructure failures are retried once.

        ``reuse``: a configuration that resolves to a measured one is not measured again. ``enough_s``: seconds after which
        a load is of no more interest; it is stopped then.
        """
        began = time.monotonic()
        spec = self.spec(params)
        digest = ""
        if self.settings.rungs.preflight:
            answer = self.resolve([params])[0]
            if not answer["ok"]:
                refused = _refusal(answer)
                return self._keep(
                    Attempt(spec.command(), rung, failure=refused, seconds=time.monotonic() - began)
                )
            digest = answer["digest"]
            if reuse and digest in self._measured:
                earlier = self._measured[digest]
                return replace(
                    earlier, command=spec.command(), shared=earlier.command, seconds=0.0, start_s=0.0
                )
        attempt = self._attempt(params, spec, rung, repeats, enough_s)
        if attempt.failure is not None and attempt.failure.infrastructure:
            attempt = self._attempt(params, spec, rung, repeats, enough_s)
        devices = devices_of(spec.flags)
        attempt = replace(attempt, digest=digest, seconds=time.monotonic() - began, devices=devices)
        if digest and attempt.failure is None and rung != "ordinary":
            self._measured[digest] = attempt
        return self._keep(attempt)

    def more(self, attempt: Attempt, repeats: int = 1) -> Attempt:
        """Return the attempt with further repeats on the server that still runs; unchanged when it does not."""
        if self._server is None or self._running is None or attempt.failure is not None:
            return attempt
        began = time.monotonic()
        results, beside, failure, _ = self._loads(self._server, repeats)
        grown = replace(
            attempt, results=(*attempt.results, *results), beside=(*attempt.beside, *beside), failure=failure
        )
        grown = replace(grown, seconds=attempt.seconds + time.monotonic() - began)
        if grown.digest and failure is None:
            self._measured[grown.digest] = grown
        return self._keep(grown)

    def _attempt(
        self, params: Mapping[str, Any], spec: ServerSpec, rung: Rung, repeats: int, enough_s: float | None
    ) -> Attempt:
        command, cut_s = spec.command(), None
        try:
            server, start_s, used = self._serve(dict(params), spec, rung)
        except VllmServerFailed as error:
            return Attempt(command, rung, failure=error.failure)
        except HostDied as error:
            return Attempt(command, rung, failure=VllmFailure("killed", str(error)[:300], "start"))
        beside: tuple[LoadResult, ...] = ()
        try:
            if self.settings.rungs.beside:
                self._default_beside("ordinary" if rung == "ordinary" else "fork")
            results, beside, failure, cut_s = self._loads(server, repeats, enough_s)
            compared = self.settings.guard and failure is None and cut_s is None
            agreement = self._agreement(server) if compared else None
        except HostDied as error:
            results, failure, agreement = (), VllmFailure("killed", str(error)[:300], "load"), None
        except VllmServerFailed as error:  # the default beside: nothing that this configuration could help
            why = VllmFailure("killed", f"the default beside did not start: {error}"[:300], "load")
            results, failure, agreement = (), why, None
        if failure is not None:
            self._stop_own()
        return Attempt(
            command, used, results=results, failure=failure, start_s=start_s, agreement=agreement, beside=beside,
            scale=self.scale, cut_s=cut_s,
        )  # fmt: skip

    def _serve(self, params: dict[str, Any], spec: ServerSpec, rung: Rung) -> tuple[VllmServer, float, Rung]:
        """Return a server that runs this configuration, the seconds it took, and how it was had."""
        began = time.monotonic()
        if self._runs(params, rung):
            assert self._server is not None
            if self.settings.rungs.live:
                self._live.lower(self._server, params)
            return self._server, time.monotonic() - began, "live"
        self._stop_own()
        if rung != "ordinary" and self.settings.rungs.live:
            spec = self._live.spec(spec, self.settings.ceilings, params)
        self._server = self._start(spec, rung)
        self._running = (params, rung)
        self._warm_up(self._server)
        return self._server, time.monotonic() - began, rung

    def _start(self, spec: ServerSpec, rung: Rung) -> VllmServer:
        flags = dict(spec.flags)
        if rung != "ordinary" and self.settings.rungs.eager:
            flags.setdefault("enforce_eager", True)
        warm = rung != "ordinary" and self.settings.rungs.fork
        host = self._hosts.get(warm=warm, variables=spec.variables)
        self._count += 1
        self.starts += 1
        log = self.settings.folder / f"server-{os.getpid()}-{self._count:03d}.log"
        return VllmServer.start(
            host, replace(spec, flags=flags), log=log, deadline_s=self.settings.start_deadline_s
        )

    def _default_beside(self, rung: Rung) -> None:
        """Have a server of the default run beside, started by this rung."""
        if self._beside is not None and (self._beside[1] != rung or self._beside[0].exit_code() is not None):
            self._stop_beside()
        if self._beside is None:
            server = self._start(self.spec({}), rung)
            self._beside, self._hosts.held = (server, rung), server.host
            self._warm_up(server)

    def reuses(self, params: Mapping[str, Any]) -> bool:
        """Return whether the server that runs can measure this configuration without a start."""
        return self._runs(params, "fork")

    def _runs(self, params: Mapping[str, Any], rung: Rung) -> bool:
        if (
            self._server is None
            or self._running is None
            or rung == "ordinary"
            or self._running[1] == "ordinary"
        ):
            return False
        free = LIVE if self.settings.rungs.live else frozenset()
        return {k: v for k, v in params.items() if k not in free} == {
            k: v for k, v in self._running[0].items() if k not in free
        }

    def _warm_up(self, server: VllmServer) -> None:
        """Send requests that are not counted: first runs are up to 45 % slower."""
        path = self.settings.workload.warming().write(self.settings.folder / "warm-up.jsonl")
        run_load(self._hosts.of_load(server.host), server, self._plan(path, warming=True))

    def _loads(
        self, server: VllmServer, repeats: int, enough_s: float | None = None
    ) -> tuple[tuple[LoadResult, ...], tuple[LoadResult, ...], VllmFailure | None, float | None]:
        """Return the server's results, those of the default beside (taken in turns, each first as often), why it ended
        early, and the seconds after which a load was stopped as of no more interest."""
        path = self.settings.workload.write(self.settings.folder / "requests.jsonl")
        plan, results, others = self._plan(path), [], []
        for i in range(repeats):
            both = [(server, results)] + ([(self._beside[0], others)] if self._beside else [])
            for one, kept in both if (i + self._count) % 2 else both[::-1]:
                one.reset_prefix_cache() if one.exit_code() is None else None
                limit_s = self._patience(enough_s, others[len(results) :]) if one is server else math.inf
                timeout_s = min(limit_s, plan.timeout_s)
                result = run_load(self._hosts.of_load(one.host), one, replace(plan, timeout_s=timeout_s))
                if result.timed_out and timeout_s == limit_s and server.answers(5):
                    return (), (), None, limit_s
                if not result.ok and one is server:
                    n = min(len(results), len(others)) if self._beside else len(results)
                    return tuple(results[:n]), tuple(others[:n]), self._why(server, result), None
                if not result.ok:
                    self._stop_beside()
                    why = VllmFailure("killed", f"the default beside failed: {result.problem}"[:300], "load")
                    return (), (), why, None
                kept.append(result)
        return tuple(results), tuple(others), None, None

    def _patience(self, enough_s: float | None, default_now: Sequence[LoadResult]) -> float:
        """Return the seconds that a load may take: no end of them where the default runs beside and its turn is still to
        come, more where it has just been slower than it was."""
        if enough_s is None or (self.settings.rungs.beside and not default_now):
            return math.inf
        if not default_now or not self.scale:
            return enough_s
        return enough_s * max(1.0, default_now[-1].metrics["duration_s"] / self.scale["duration_s"])

    def _why(self, server: VllmServer, result: LoadResult) -> VllmFailure:
        timed_out = result.timed_out or not server.answers(5)
        failure = server.failure("load", timed_out=timed_out)
        if failure.kind == "unknown":
            return VllmFailure(
                "dead_engine" if server.exit_code() is not None else "unknown", result.problem, "load"
            )
        return failure

    def load(self, plan: LoadPlan) -> LoadResult:
        """Run another load on the server that runs now, its prefix cache emptied first as before every load."""
        server = self._server
        assert server is not None
        server.reset_prefix_cache()
        return run_load(self._hosts.of_load(server.host), server, plan)

    def plan_at(self, rate: float) -> LoadPlan:
        """Return the workload's load with its requests arriving at ``rate`` per second, as bursty as it says and with no
        limit on how many run at once; it ends when they should have been answered twice over."""
        path = self.settings.workload.write(self.settings.folder / "requests.jsonl")
        rows = len(path.read_text().splitlines())
        timeout_s = 2 * rows / rate + 10
        return replace(self._plan(path), rate=rate, concurrency=None, recorded=False, timeout_s=timeout_s)

    def _plan(self, path: Path, *, warming: bool = False) -> LoadPlan:
        w = self.settings.workload
        if warming:
            return LoadPlan(path, w.concurrency or 16, timeout_s=self.settings.load_deadline_s)
        return LoadPlan(
            path,
            w.concurrency,
            w.rate,
            w.burstiness,
            w.recorded,
            w.seed,
            self.settings.load_deadline_s,
            self.settings.goodput,
        )

    def _agreement(self, server: VllmServer) -> float:
        given = answers_of(server)
        if self._reference is None:
            self._reference = given
        return share_equal(self._reference, given)

    # Processes ---------------------------------------------------------------------------------------------------

    def stop_server(self) -> None:
        """End the server that runs, if any, and the default beside it."""
        self._stop_own()
        self._stop_beside()

    def _stop_own(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = self._running = None

    def _stop_beside(self) -> None:
        if self._beside is not None:
            self._beside[0].stop()
        self._beside = self._hosts.held = None

    def _keep(self, attempt: Attempt) -> Attempt:
        """Append the attempt to the folder's records and return it."""
        record = asdict(attempt) | {
            "vllm": self.environment.version,
            "workload": self.settings.workload.name,
            "workload_digest": self.settings.workload.digest,
            "at": time.time(),
            "log_tail": "" if self._server is None else self._server.log_tail(2000),
        }
        with open(self.settings.folder / "attempts.jsonl", "a") as file:
            file.write(json.dumps(record, default=str) + "\n")
        return attempt


def _digest(answer: Mapping[str, Any], variables: Mapping[str, str]) -> str:  # Any: JSON
    known = {"resolved": answer["resolved"], "front_end": answer["front_end"], "variables": dict(variables)}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def _refusal(answer: Mapping[str, Any]) -> VllmFailure:  # Any: JSON
    text = " ".join(str(answer["error"]).split())
    found = classify(text, phase="preflight")
    kind: VllmFailureClass = (
        found.kind
        if found.kind in ("model_not_found", "out_of_memory_at_kv_allocation")
        else "illegal_argument"
    )
    return VllmFailure(kind, text[:400], "preflight")
