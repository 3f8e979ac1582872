"""Client of a host process (``helpers/host.py``): requests as JSON lines over its stdin and stdout.

A *cold* host starts servers as a shell would; a *warm* one has vLLM imported and forks. Either dies, with every server
it holds, when this process ends for whatever reason: the end of its stdin is the signal. Not thread-safe: one user.
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ..errors import ServingError
from .installation import HELPERS, Installation

IMPORT_DEADLINE_S = 180.0  # 8-10 s on an idle machine; ten times that has been seen on a crowded one
ANSWER_DEADLINE_S = 60.0


class HostDied(ServingError):
    """The process that holds the servers has ended, or does not answer; its servers are gone with it."""


class ServerHost:
    """A host process. Use as a context manager, or call ``close``; both end every server it holds."""

    def __init__(
        self,
        environment: Installation,
        *,
        warm: bool,
        folder: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet. ``folder`` takes the host's log; ``variables`` are fixed for a warm host's servers too."""
        self.environment = environment
        self.warm = warm
        self.folder = folder
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._last = 0
        self._servers: set[int] = set()
        self._scratch = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the host, None when it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def scratch(self) -> Path:
        """Folder of the servers' temporary files; gone when the host is."""
        return Path(self._scratch)

    def start(self) -> None:
        """Start the host when it does not run; a warm one takes about ten seconds to import vLLM."""
        if self._process is not None and self._process.poll() is None:
            return
        self._forget()
        self.folder.mkdir(parents=True, exist_ok=True)
        kind = "warm" if self.warm else "cold"
        with open(self.folder / f"host-{kind}.log", "ab") as log:
            self._process = subprocess.Popen(
                [str(self.environment.python), str(HELPERS / "host.py"), kind],
                env=self.environment.variables(self._variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal reaches this process only, which then decides
            )
        self._scratch = self._read(time.monotonic() + IMPORT_DEADLINE_S)["scratch"]

    def call(
        self, op: str, *, deadline_s: float = ANSWER_DEADLINE_S, **fields: Any
    ) -> dict[str, Any]:  # Any: JSON
        """Send one request and return its answer, starting a host that does not run yet.

        HostDied when it has died since, or does not answer within ``deadline_s``; the next call starts a new one.
        """
        if self._process is not None and self._process.poll() is not None:
            self.close()
            raise HostDied(self._why(ready=True))
        self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        self._last += 1
        line = json.dumps({"id": self._last, "op": op, **fields}).encode() + b"\n"
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except BrokenPipeError:
            self._end(process)
            raise HostDied("the host of servers has ended; start the server again.") from None
        while (answer := self._read(time.monotonic() + deadline_s)).get("id") != self._last:
            pass
        return answer

    def serve(self, argv: list[str], variables: Mapping[str, str], log: Path) -> int:
        """Start the environment's command with ``argv``, its output in ``log``; return its pid, also its session."""
        env = self.environment.variables({**self._variables, **variables})
        command = [*self.environment.command(), *argv]
        answer = self.call("serve", argv=argv, command=command, env=env, log=str(log))
        if not answer["ok"]:
            raise ServingError(f"the server's process could not be made: {answer['error']}")
        self._servers.add(answer["pid"])
        return answer["pid"]

    def stop(self, pid: int, grace_s: float = 5.0) -> dict[str, Any]:  # Any: JSON
        """End a server's session and return the host's answer; harmless when it has ended already."""
        self._servers.discard(pid)
        if self._process is None or self._process.poll() is not None:
            self._servers.add(pid)
            self._kill_left()
            return {"ok": True}
        return self.call("stop", pid=pid, grace_s=grace_s, deadline_s=grace_s + ANSWER_DEADLINE_S)

    def cancel(self) -> None:
        """End a preflight or load that runs now (its caller was interrupted)."""
        if self._process is not None and self._process.poll() is None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b'{"op": "cancel"}\n')
                self._process.stdin.flush()

    def close(self) -> None:
        """End the host and all its servers; returns when the host is gone."""
        process = self._process
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._kill_left()
        self._forget()

    def _forget(self) -> None:
        self._process, self._buffer = None, b""

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        """End a host that cannot be talked to any more, and what it held; from here on it is dead for everybody."""
        process.kill()
        process.wait()
        self._kill_left()

    def _kill_left(self) -> None:
        if self._servers:
            sessions = [str(pid) for pid in self._servers]
            subprocess.run([sys.executable, HELPERS / "process_session.py", *sessions], check=False)
            self._servers.clear()
        if (
            self._process is None or self._process.poll() is not None
        ):  # a killed host could not clean up itself
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _read(self, deadline: float) -> dict[str, Any]:  # Any: JSON
        process = self._process
        assert process is not None
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(descriptor, 65536) if ready else b""
            if not data:
                self._end(process)
                raise HostDied(self._why(ready=bool(ready)))
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _why(self, *, ready: bool) -> str:
        log = self.folder / f"host-{'warm' if self.warm else 'cold'}.log"
        tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
        what = "has ended" if ready else "does not answer"
        return f"the host of servers {what}; its log {str(log)!r} ends with: {tail!r}"
