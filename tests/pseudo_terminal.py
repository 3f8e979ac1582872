"""A terminal for tests: a real pseudo-terminal, keys as a person presses them."""

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")
_AS_ITS_OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
"""Runs a command with its input as controlling terminal, whose Ctrl-C is then a signal to it."""


class Terminal:
    """A process on a pseudo-terminal of its own: what is typed there reaches it as from a keyboard, Ctrl-C too.

    ``text``: what it shows, without control sequences; ``raw``: all that it wrote.
    """

    def __init__(self, *command: str, columns: int = 100, lines: int = 40, cwd: Path | None = None) -> None:
        self.master, slave = pty.openpty()
        ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AS_ITS_OWN, *command],
            stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=cwd, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.text, self.raw = "", ""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def until(self, words: str, seconds: float = 60) -> str:
        """Return what came since the last call, up to and with ``words``."""
        end = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < end, f"{words!r} did not come; the terminal shows {self.text[-2000:]!r}"
            if not self._read():
                break
        seen, found, self.text = self.text.partition(words)
        assert found, f"the program ended without {words!r}; the terminal showed {seen[-2000:]!r}"
        return seen + found

    def ended(self, seconds: float = 30) -> int:
        """Return the exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, "it did not end"
            self._read()
        return self.process.returncode

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 0.2)
        if not ready:
            return True
        try:
            piece = os.read(self.master, 65_536)
        except OSError:  # the other side is closed
            return False
        self.raw += piece.decode("utf-8", "replace")
        self.text += _CONTROL.sub("", piece.decode("utf-8", "replace"))
        return bool(piece)

    def close(self) -> None:
        """End whatever is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
