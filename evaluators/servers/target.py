"""A server as a target: parameters in, metrics under load out, by the cheapest rung that can tell.

The rungs of vLLM: *preflight* lets it resolve the configuration in milliseconds, refuses illegal ones and knows those that
resolve to what was measured before; *live* lowers scheduler limits in the running server; *fork* starts a server in
seconds from a warm process, without compilation where ``eager`` says so; *ordinary* starts a server like a shell would,
and is all that other engines have. Every attempt leaves a record by which its numbers can be reproduced by hand. One server
at a time, and where ``beside`` says so one of the default next to it, which is loaded alternately.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from ...serving.servers.failures import FailureClass, ServerFailure, classify
from ...serving.servers.host import HostDied
from ...serving.servers.installation import Installation
from ...serving.servers.load import LoadPlan, LoadResult
from ...serving.servers.server import RunningServer, ServerFailed, ServerSpec
from ...serving.vllm.catalogue import is_variable
from ..errors import EvaluationFailed
from .agreement import Reference, answers_of, share_equal
from .attempt import Attempt, Rung
from .hosts import Hosts
from .loads import LoadClient, Loads, Plans, Turns, VllmClient, why
from .metrics import devices_of
from .records import append_load, append_record
from .servers import DefaultFailed, Servers
from .settings import TargetSettings, make_folder


class ServerTarget:
    """Measures configurations of one model under one workload. A context manager: leaving it ends every process."""

    def __init__(
        self, environment: Installation, settings: TargetSettings, client: LoadClient | None = None
    ) -> None:
        """``client``: sends the loads; vLLM's own unless told."""
        make_folder(settings.folder)
        self.environment = environment
        self.scale: Mapping[str, float] = {}
        """The default's metrics, once known: results with a default beside are restated on this scale."""
        self._hosts = Hosts(environment, settings.folder, settings.variables)
        self._client = client or VllmClient(self._hosts)
        self._servers = Servers(settings, self._hosts, lambda server: self._loads.warm_up(server))
        self._measured: dict[str, Attempt] = {}
        self._reference = Reference(settings.folder)
        self._longest_s: float | None = None
        self._turn = 0

    @property
    def settings(self) -> TargetSettings:
        """What is served and how it is loaded."""
        return self._servers.settings

    @settings.setter
    def settings(self, settings: TargetSettings) -> None:
        self._servers.settings = settings

    @property
    def starts(self) -> int:
        """How many servers were started."""
        return self._servers.starts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the servers and the hosts."""
        self._servers.forget()
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
        program, model_flag = self.settings.program, self.settings.model_flag
        return ServerSpec(self.settings.model, flags, variables, "m", program, model_flag)

    # Measuring ---------------------------------------------------------------------------------------------------

    def measure(
        self, params: Mapping[str, Any], *, rung: Rung = "fork", repeats: int = 1, reuse: bool = True,
        enough_s: float | None = None, label: str = "",
    ) -> Attempt:  # fmt: skip
        """Return an attempt at a configuration; failures are part of it, infrastructure failures are retried once.

        ``reuse``: a configuration that resolves to a measured one is not measured again. ``enough_s``: seconds after which
        a load is of no more interest; it is stopped then. ``label``: what the records call it, such as "trial 7".
        """
        began = time.monotonic()
        spec = self.spec(params)
        answer = self._preflight(params)
        if answer is not None and not answer["ok"]:
            failure, seconds = _refusal(answer), time.monotonic() - began
            return self._keep(Attempt(spec.command(), rung, failure=failure, seconds=seconds), label)
        digest = "" if answer is None else answer["digest"]
        if reuse and digest in self._measured:
            earlier = replace(self._measured[digest], command=spec.command(), seconds=0.0, start_s=0.0)
            self._keep(replace(earlier, shared=self._measured[digest].command, results=(), beside=()), label)
            return replace(earlier, shared=self._measured[digest].command)

        def once() -> Attempt:
            attempt = self._attempt(params, spec, rung, repeats, enough_s)
            seconds = time.monotonic() - began
            return replace(attempt, digest=digest, seconds=seconds, devices=devices_of(spec.flags))

        attempt = self._twice(once, label)
        if digest and attempt.failure is None and rung != "ordinary":
            self._measured[digest] = attempt
        return attempt

    def more(self, attempt: Attempt, repeats: int = 1, *, label: str = "") -> Attempt:
        """Return the attempt with further repeats on the server that still runs; unchanged when none does.

        Where the server or its default fails for reasons that are not the configuration's, both are started anew, once.
        """
        if self._servers.running is None or attempt.failure is not None:
            return attempt
        (params, rung), began = self._servers.running, time.monotonic()

        def once() -> Attempt:
            more = self._attempt(params, self.spec(params), rung, repeats, None, again=True)
            results, beside = (*attempt.results, *more.results), (*attempt.beside, *more.beside)
            grown = replace(
                attempt, results=results, beside=beside, failure=more.failure, argv=more.argv, log=more.log
            )
            return replace(grown, seconds=attempt.seconds + time.monotonic() - began)

        grown = self._twice(once, label)
        if grown.digest and grown.failure is None:
            self._measured[grown.digest] = grown
        return grown

    def load(self, plan: LoadPlan) -> LoadResult:
        """Run another load on the server that runs now, its prefix cache emptied first as before every load.

        A server that is dead or hangs is in the result's ``failure``.
        """
        server = self._servers.own
        assert server is not None
        result = self._loads.one(server, plan)
        append_load(self.settings, server, plan, result)
        return result

    def plan_at(self, rate: float) -> LoadPlan:
        """Return the workload's load with its requests arriving at ``rate`` per second, see ``Plans.at``."""
        return self._loads.plans.at(rate)

    def plan_with(self, concurrency: int) -> LoadPlan:
        """Return the workload's load with so many requests at once, see ``Plans.with_concurrency``."""
        return self._loads.plans.with_concurrency(concurrency)

    def _twice(self, once: Callable[[], Attempt], label: str) -> Attempt:
        """Return an attempt, the second one where the first failed for no fault of its own; both are recorded."""
        attempt = self._keep(once(), label)
        if attempt.failure is None or not attempt.failure.infrastructure:
            return attempt
        return self._keep(once(), label, tries=2)

    def _preflight(self, params: Mapping[str, Any]) -> dict[str, Any] | None:  # Any: JSON
        """Return vLLM's answer to a configuration, None where it is not asked or twice gives none."""
        for _ in range(2 if self.settings.rungs.preflight else 0):
            with contextlib.suppress(HostDied, EvaluationFailed):
                return self.resolve([params])[0]
        return None

    def _attempt(
        self, params: Mapping[str, Any], spec: ServerSpec, rung: Rung, repeats: int, enough_s: float | None,
        again: bool = False,
    ) -> Attempt:  # fmt: skip
        """Return one attempt. ``again``: further repeats of what runs, whose answers have been compared."""
        command, agreement, server = spec.command(), None, None
        compared = self.settings.guard and not again
        try:
            if compared and not self.settings.rungs.beside:
                self._have_reference(spec, rung)
            server, start_s, used = self._servers.serve(dict(params), spec, rung, again=again)
            if self.settings.rungs.beside:
                self._servers.keep_beside(self.spec({}), "ordinary" if rung == "ordinary" else "fork")
            turns = self._turns(server, repeats, enough_s)
            if compared and turns.failure is None and turns.cut_s is None:
                agreement, turns = self._agreement(server, spec, turns)
        except ServerFailed as error:
            return self._failed(command, rung, error.failure, error.log, error.argv, error.variables)
        except DefaultFailed as error:
            failure = ServerFailure("default_failed", str(error)[:400], "load")
            argv = () if server is None else server.argv
            return self._failed(command, rung, failure, error.log, argv, spec.variables)
        fields = self._hosts.told(warm=server.host.warm, variables=server.spec.variables)
        failure = turns.failure
        log = server.log
        if failure is not None and turns.beside_failed:
            assert self._servers.beside is not None
            failure, log = (
                ServerFailure("default_failed", str(failure)[:400], "load"),
                self._servers.beside.log,
            )
            self._servers.stop_beside()
        elif failure is not None:
            failure = self._of_ours(failure)
            self._servers.stop_own()
        return Attempt(
            command, used, results=turns.results, failure=failure, start_s=start_s, agreement=agreement,
            beside=turns.beside, scale=self.scale, cut_s=turns.cut_s, argv=server.argv, variables=fields, log=str(log),
        )  # fmt: skip

    def _failed(
        self, command: str, rung: Rung, failure: ServerFailure, log: Path | None, argv: Sequence[str],
        variables: Mapping[str, str],
    ) -> Attempt:  # fmt: skip
        """Return the attempt of a server that did not start, or whose default did not."""
        if failure.kind != "default_failed":
            self._servers.stop_own()
        fields = self._hosts.told(warm=self._servers.warm(rung), variables=variables)
        name = "" if log is None else str(log)
        failure = self._of_ours(failure)
        return Attempt(command, rung, failure=failure, argv=tuple(argv), variables=fields, log=name)

    def _of_ours(self, failure: ServerFailure) -> ServerFailure:
        """Return the failure, where the default beside holds the device's memory: it will the next time too."""
        ours = failure.kind == "device_occupied" and self.settings.rungs.beside
        return replace(failure, kind="out_of_memory_at_kv_allocation") if ours else failure

    def _turns(self, server: RunningServer, repeats: int, enough_s: float | None) -> Turns:
        beside, turn = self._servers.beside, self._turn
        self._turn += repeats
        turns = self._loads.in_turns(server, beside, repeats, turn=turn, enough_s=enough_s)
        took = [r.metrics["duration_s"] for r in (*turns.results, *turns.beside) if "duration_s" in r.metrics]
        if took:
            self._longest_s = max(*took, self._longest_s or 0.0)
        return turns

    @property
    def _loads(self) -> Loads:
        return Loads(Plans(self.settings, self.scale, self._longest_s), self._client)

    # The default, to compare with --------------------------------------------------------------------------------

    def _agreement(self, server: RunningServer, spec: ServerSpec, turns: Turns) -> tuple[float | None, Turns]:
        """Return the share of the default's answers that the server gives too; a failure where it gives none."""
        beside = self._servers.beside
        reference = self._reference.read(self._of_reference())
        if reference is None and beside is not None:
            with self._servers.of_default("its answers could not be had", beside):
                reference = self._answers(beside)
        try:
            answers = answers_of(server)
        except OSError as error:
            return None, replace(turns, failure=why(server, f"the guard's request: {error}", timed_out=True))
        if reference is None:
            assert spec == self.spec({})
            reference = answers
            self._reference.write(self._of_reference(), answers)
        return share_equal(reference, answers), turns

    def _have_reference(self, spec: ServerSpec, rung: Rung) -> None:
        """Ask a server of the default for its answers where they are not known and the default is not measured now."""
        default = self.spec({})
        if spec == default or self._reference.read(self._of_reference()) is not None:
            return
        self._servers.stop_own()
        with self._servers.of_default("it could not be asked for its answers"):
            self._answers(self._servers.start_own(default, rung))
        self._servers.stop_own()

    def _answers(self, server: RunningServer) -> list[str]:
        answers = answers_of(server)
        self._reference.write(self._of_reference(), answers)
        return answers

    def _of_reference(self) -> dict[str, Any]:
        spec = self.spec({})
        version = {self.settings.engine.lower(): self.environment.version}
        return {"argv": spec.argv(), "variables": dict(spec.variables), **version}

    # Processes ---------------------------------------------------------------------------------------------------

    def reuses(self, params: Mapping[str, Any]) -> bool:  # Any: a choice of the space
        """Return whether the server that runs can measure this configuration without a start."""
        return self._servers.same(params)

    def stop_server(self) -> None:
        """End the server that runs, if any, and the default beside it."""
        self._servers.stop()

    def _keep(self, attempt: Attempt, label: str, *, tries: int = 1) -> Attempt:
        """Append the attempt to the folder's records and return it."""
        append_record(self.settings, self.environment.version, attempt, label=label, tries=tries)
        return attempt


def _digest(answer: Mapping[str, Any], variables: Mapping[str, str]) -> str:  # Any: JSON
    identity = {
        "resolved": answer["resolved"],
        "front_end": answer["front_end"],
        "variables": dict(variables),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _refusal(answer: Mapping[str, Any]) -> ServerFailure:  # Any: JSON
    text = " ".join(str(answer["error"]).split())
    failure = classify(text, phase="preflight")
    kind: FailureClass = (
        failure.kind
        if failure.infrastructure or failure.kind in ("model_not_found", "out_of_memory_at_kv_allocation")
        else "illegal_argument"
    )
    return ServerFailure(kind, text[:400], "preflight")
