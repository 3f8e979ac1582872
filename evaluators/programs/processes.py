"""Run one program in a session of its own, read its output line by line, and leave nothing of it behind.

Knows nothing of parameters or measurements. The whole process group is ended: SIGTERM, and after ``GRACE_S``
SIGKILL. A child that starts a session of its own escapes. A guard process ends the group even when we are killed.
Works where ``os.killpg`` does (Linux, macOS).
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from . import guard

GRACE_S = 2.0
"""Time between SIGTERM and SIGKILL, for a program to remove its temporary files."""
_POLL_S = 0.1
_MAX_LINE = 1_000_000

End = Literal["exited", "timeout", "stopped"]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. ``code``: exit status, negative for a signal, as in ``subprocess``."""

    end: End
    code: int
    seconds: float


def run_program(
    command: Sequence[str],
    *,
    on_line: Callable[[str], bool],
    stderr: Path,
    timeout_s: float | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end; ``on_line`` gets each line of its output at once and returns whether to end it.

    A guard (``guard.py``) ends it when this process is killed. A program that cannot be started exits with status
    127.
    """
    start = time.monotonic()
    deadline = None if timeout_s is None else start + timeout_s
    with stderr.open("wb") as errors, _started(command, errors, cwd, environment) as process:
        assert process.stdout is not None
        end = _read(process, process.stdout, on_line, deadline)
        if end != "exited":
            end_group(process)
    return Finished(end, process.returncode, time.monotonic() - start)


@contextmanager
def _started(
    command: Sequence[str], errors: IO[bytes], cwd: Path | None, environment: Mapping[str, str] | None
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, *command],
        stdin=subprocess.PIPE,  # never written to: it closes when this process dies, and the guard ends the program
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=cwd,
        env=None if environment is None else dict(environment),
        start_new_session=True,
    )
    try:
        yield process
    finally:  # also on KeyboardInterrupt, and for children that outlive their parent
        end_group(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def end_group(process: "subprocess.Popen[bytes]", grace_s: float = GRACE_S) -> None:
    """End the process group that ``process`` leads, and wait for its leader."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter for a group of zombies
        return


def _read(
    process: "subprocess.Popen[bytes]",
    stdout: IO[bytes],
    on_line: Callable[[str], bool],
    deadline: float | None,
) -> End:
    """Hand over lines until the program ends; a child that still holds the pipe does not keep us."""
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None
            if selector.select(0 if ended else _patience(deadline)):
                chunk = os.read(stdout.fileno(), 65536)
                *lines, buffer = (buffer + chunk).split(b"\n")
                buffer = buffer[-_MAX_LINE:]
                if any([on_line(line.decode(errors="replace")) for line in lines]):
                    return "stopped"
                if not chunk:
                    selector.unregister(stdout)
                    break
            elif ended:
                break
            if deadline is not None and time.monotonic() >= deadline and not ended:
                return "timeout"
    if buffer and on_line(buffer.decode(errors="replace")):
        return "stopped"
    return _wait(process, deadline)


def _patience(deadline: float | None) -> float:
    return _POLL_S if deadline is None else min(_POLL_S, max(0.0, deadline - time.monotonic()))


def _wait(process: "subprocess.Popen[bytes]", deadline: float | None) -> End:
    """Wait for a program that closed its output."""
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "timeout"
    return "exited"


def signal_name(code: int) -> str:
    """Return the name of the signal that a negative exit status stands for."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def last_lines(path: Path, lines: int = 20, size: int = 65536) -> str:
    """Return the last non-empty lines of a text file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        text = file.read().decode(errors="replace")
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])
