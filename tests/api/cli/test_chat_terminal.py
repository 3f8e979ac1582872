"""``trialogue chat`` at a terminal: a real pseudo-terminal, a real line editor, keys as a person presses them."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.study import problem
from pseudo_terminal import Terminal

from trialogue.agent.study.study import Study

pytestmark = pytest.mark.slow
TAB, UP, CTRL_C, CTRL_D, ENTER = "\t", "\x1b[A", "\x03", "\x04", "\r"


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
