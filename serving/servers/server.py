"""One server as an object: start, wait until it really answers, stop, and say why it failed.

It listens on 127.0.0.1 only. Its processes are one session that the host (``host.py``) made; only that session is
ever signalled. What a configuration means, and whether it is good, is not known here.
"""

import contextlib
import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..errors import ServerDidNotStart, ServingError
from .failures import Phase, ServerFailure, classify
from .host import HostDied, ServerHost

FlagValue = bool | int | float | str | None
LOG_TAIL = 20_000  # characters: root causes stand tens of lines above the end
RESET_S, RESET_PAUSE_S = 10.0, 0.1
ENDING_S = 1.0  # how much later than its connections a process may end
RESET_TIMEOUT_S = 30.0  # an engine that is alive answers between two steps; a dead one never does


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What to serve. ``flags``: the engine's parameter names; None is "not given". ``variables``: environment variables.
    ``program``: words in front of a command that a person runs; ``model_flag``: in front of the model, "" for none."""

    model: str
    flags: Mapping[str, FlagValue] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    served_name: str | None = None
    program: tuple[str, ...] = ("vllm", "serve")
    model_flag: str = ""

    def argv(self) -> list[str]:
        """Return the arguments of the server that make up the configuration."""
        return [*([self.model_flag] if self.model_flag else []), self.model, *flag_arguments(self.flags)]

    def command(self) -> str:
        """Return a shell command that a person can run: variables, such as ``vllm serve``, model and flags."""
        import shlex

        variables = [f"{key}={shlex.quote(value)}" for key, value in self.variables.items()]
        return " ".join([*variables, *self.program, *map(shlex.quote, self.argv())])


def flag_arguments(flags: Mapping[str, FlagValue]) -> list[str]:
    """Return flags as arguments: ``max_num_seqs: 8`` as ``--max-num-seqs 8``, False as ``--no-…``, None left out."""
    arguments: list[str] = []
    for name, value in flags.items():
        dashed = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{dashed}" if value else f"--no-{dashed}")
        elif value is not None:
            arguments += [f"--{dashed}", str(value)]
    return arguments


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class ServerFailed(ServerDidNotStart):
    """A server that did not start, died or hung; ``failure`` says which and why, ``log`` is the file with its words.

    ``argv`` and ``variables``: what it was started with, as far as that is known.
    """

    def __init__(
        self,
        failure: ServerFailure,
        log: Path,
        argv: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{failure}; the whole log is in {str(log)!r}.")
        self.failure = failure
        self.log = log
        self.argv = tuple(argv)
        self.variables = dict(variables or {})


class RunningServer:
    """A running server. Made by ``start``; use as a context manager or call ``stop``."""

    def __init__(
        self, host: ServerHost, spec: ServerSpec, *, pid: int, port: int, log: Path, argv: Sequence[str] = ()
    ) -> None:
        self.host = host
        self.spec = spec
        self.argv = tuple(argv)
        self.pid = pid
        self.port = port
        self.log = log
        self.ready_s = float("nan")
        self._host_pid = host.pid

    @classmethod
    def start(
        cls,
        host: ServerHost,
        spec: ServerSpec,
        *,
        log: Path,
        port: int | None = None,
        deadline_s: float = 180.0,
    ) -> Self:
        """Start a server and return it when it has answered a request; ServerFailed when it does not in time."""
        began = time.monotonic()
        own_port = port or free_port()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        listening = ["--host", "127.0.0.1", "--port", str(own_port)]
        argv = [*spec.argv(), *listening, *host.environment.plumbing(spec.served_name)]
        try:
            host.start()
            pid = host.serve(argv, spec.variables, log)
        except HostDied as error:
            raise ServerFailed(_without_host(error, "start"), log, argv, spec.variables) from error
        except ServingError as error:
            failure = classify(str(error), phase="start")
            raise ServerFailed(failure, log, argv, spec.variables) from error
        server = cls(host, spec, pid=pid, port=own_port, log=log, argv=argv)
        try:
            server._wait_until_ready(began + deadline_s)
        except BaseException:
            with contextlib.suppress(HostDied):
                server.stop(grace_s=0.5)
            raise
        server.ready_s = time.monotonic() - began
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Address for an OpenAI client, ending in ``/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def name(self) -> str:
        """The model name to put into requests."""
        return self.spec.served_name or self.spec.model

    def stop(self, grace_s: float = 5.0) -> None:
        """End the server and every process of its session; harmless when it has ended already."""
        self.host.stop(self.pid, grace_s)

    def exit_code(self) -> int | None:
        """Return the leading process's exit code (negative: a signal), None while it runs."""
        return self._poll()["exit"]

    def processes(self) -> list[int]:
        """Return the pids of the server's session."""
        return self._poll()["processes"]

    def gone(self) -> bool:
        """Return whether its leading process has ended, or its host has and the server with it."""
        try:
            return self._poll()["exit"] is not None
        except HostDied:
            return True

    def _poll(self) -> dict[str, Any]:  # Any: JSON
        state = self.host.call("poll", pid=self.pid)
        if self.host.pid != self._host_pid:  # another one, which has never seen this server
            raise HostDied("its host has ended, and the server with it")
        return state

    def log_tail(self, characters: int = LOG_TAIL) -> str:
        """Return the end of what the server wrote."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text[-characters:]

    def failure(self, phase: Phase = "load", *, timed_out: bool = False) -> ServerFailure:
        """Return why the server failed, from its log and exit code."""
        try:
            state, until = self._poll(), time.monotonic() + ENDING_S
            while (
                state["exit"] is None and time.monotonic() < until
            ):  # its connections end a little before it does
                time.sleep(0.05)
                state = self._poll()
        except HostDied as error:
            return _without_host(error, phase)
        return classify(self.log_tail(), phase=phase, exit_code=state["exit"], timed_out=timed_out)

    def failed(self, failure: ServerFailure) -> ServerFailed:
        """Return the error that says that this server failed so."""
        return ServerFailed(failure, self.log, self.argv, self.spec.variables)

    def get(self, path: str, timeout_s: float = 5.0) -> bytes:
        """Return the body of a GET request to the server; OSError when it cannot be had."""
        return self._exchange(path, None, timeout_s)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = 60.0
    ) -> bytes:  # Any: JSON
        """Return the body of a POST request with a JSON body; OSError when it cannot be had."""
        return self._exchange(path, json.dumps(body or {}).encode(), timeout_s)

    def _exchange(self, path: str, body: bytes | None, timeout_s: float) -> bytes:
        url, kind = f"http://127.0.0.1:{self.port}{path}", {"Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=timeout_s) as answer:
                return answer.read()
        except http.client.HTTPException as error:  # cut off in the middle of its answer
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def answers(self, timeout_s: float = 60.0) -> bool:
        """Return whether the server completes a two-token request."""
        body = {"model": self.name, "prompt": "Hello", "max_tokens": 2, "temperature": 0}
        try:
            return b"choices" in self.post("/v1/completions", body, timeout_s)
        except OSError:
            return False

    def reset_prefix_cache(self) -> bool:
        """Empty the prefix cache, so that one measurement does not warm the next; OSError when the server does not do it.

        Requests that a client left behind hold their part of the cache until they end; False where they have not after
        ``RESET_S``.
        """
        deadline = time.monotonic() + RESET_S
        while True:
            answer = self.post("/reset_prefix_cache", timeout_s=RESET_TIMEOUT_S)
            if b'"success":false' not in answer.replace(b" ", b""):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(RESET_PAUSE_S)

    def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if self.gone():
                raise self.failed(self.failure("start"))
            try:
                self.get("/health", timeout_s=1)
            except OSError as error:
                if not isinstance(error, urllib.error.HTTPError) or error.code >= 500:
                    time.sleep(0.1)  # it does not listen yet, or loads; one that has no such path is up
                    continue
            if not self.gone() and self.answers(max(deadline - time.monotonic(), 1)):
                return
        raise self.failed(self.failure("start", timed_out=True))


def _without_host(error: HostDied, phase: Phase) -> ServerFailure:
    return ServerFailure("killed", str(error)[:300], phase)
