"""``trialogue chat`` at a terminal: a real pseudo-terminal, a real line editor, keys as a person presses them."""

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest
from contracts.study import problem

from trialogue.agent.study.study import Study

pytestmark = pytest.mark.slow
TAB, UP, CTRL_C, CTRL_D, ENTER = "\t", "\x1b[A", "\x03", "\x04", "\r"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")


class Terminal:
    """A process on a pseudo-terminal of 100 columns."""

    def __init__(self, *command: str) -> None:
        self.master, slave = pty.openpty()
        ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.text = ""

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
        self.text += _CONTROL.sub("", piece.decode("utf-8", "replace"))
        return bool(piece)

    def close(self) -> None:
        """End whatever is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    storage = f"sqlite:///{tmp_path}/chat.db"
    Study(problem(), storage=storage, strategy="random")
    made = Terminal(sys.executable, "-m", "trialogue.api", "chat", "svm", "--storage", storage)
    try:
        made.until("svm>")
        yield made
    finally:
        made.close()


def test_completion_help_history_and_a_clean_end(terminal: Terminal) -> None:
    terminal.type("/sh")
    terminal.until("Show how the study stands")  # the menu explains while one types
    terminal.type(TAB + ENTER)
    terminal.until("maximize accuracy")
    terminal.until("svm>")
    terminal.type("/ask" + ENTER)
    terminal.until("Evaluate them and say")
    terminal.until("svm>")
    terminal.type("/tell 0 0.75" + ENTER)
    terminal.until("0.75")
    terminal.until("svm>")
    terminal.type(UP + UP + UP)  # /tell, /ask, /show
    terminal.type(ENTER)
    terminal.until("1 finished")
    terminal.until("svm>")
    terminal.type("/help exclude" + ENTER)
    terminal.until("Leave a trial out")
    terminal.until("svm>")
    terminal.type(CTRL_D)
    assert terminal.ended() == 0


def test_ctrl_c_drops_the_line_and_quit_ends(terminal: Terminal) -> None:
    terminal.type("/note never mind")
    terminal.until("never mind")
    terminal.type(CTRL_C)
    terminal.until("svm>")
    terminal.type("/shwo" + ENTER)
    terminal.until("Did you mean")
    terminal.until("svm>")
    terminal.type("/show" + ENTER)
    assert "0 finished" in terminal.until("Budget")
    terminal.until("svm>")
    terminal.type("/quit" + ENTER)
    assert terminal.ended() == 0


def test_what_a_person_asked_to_run_stops_at_ctrl_c_and_the_session_goes_on(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "slow"\n[problem]\n[parameters.x]\ntype = "float"\nlow = 0.0\nhigh = 1.0\n'
        '[evaluator]\nfunction = "target:evaluate"\n'
    )
    (tmp_path / "target.py").write_text("import time\n\ndef evaluate(params):\n    time.sleep(60)\n")
    storage = f"sqlite:///{tmp_path}/slow.db"
    command = (sys.executable, "-m", "trialogue.api", "chat", "--storage", storage)
    terminal = Terminal(*command, "--evaluator", str(tmp_path / "study.toml"))
    try:
        terminal.until("slow>")
        terminal.type("/run 5" + ENTER)
        end = time.monotonic() + 30
        while Study.load("slow", storage=storage, reap=False).trials == ():
            assert time.monotonic() < end
            time.sleep(0.1)
        time.sleep(0.5)
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("slow>")
        terminal.type("/trials" + ENTER)
        terminal.until("failed")
        terminal.until("slow>")
        terminal.type(CTRL_D)
        assert terminal.ended() == 0
    finally:
        terminal.close()
    (trial,) = Study.load("slow", storage=storage).trials
    assert trial.failure is not None
    assert "Ctrl-C" in trial.failure.reason
