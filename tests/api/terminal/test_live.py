"""The live view follows the ledger: lines where there is no terminal, a table that is redrawn where there is one."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pseudo_terminal import Terminal
from rich.console import Console

from trialogue.agent.errors import LedgerUnavailable
from trialogue.api.reports.view import StudyView
from trialogue.api.terminal.live import LiveStudy
from trialogue.api.terminal.screen import Ends

STUDY = """
[study]
name = "s"
budget = { trials = 8 }
[problem]
objectives = [{ name = "loss", direction = "minimize" }]
[parameters.x]
type = "float"
low = 0.0
high = 1.0
default = 0.5
[evaluator]
function = "target.py:evaluate"
"""
SLOW = """
import time

def evaluate(params):
    print("a word of the evaluator")
    time.sleep(0.5)
    return (params["x"] - 0.3) ** 2
"""
SHOWN, HIDDEN, UP = "\x1b[?25h", "\x1b[?25l", "\x1b[1A"


def test_without_a_terminal_each_ended_trial_is_one_line_once(view: StudyView) -> None:
    count = [0]
    output = io.StringIO()
    with LiveStudy(lambda: replace(view, rows=view.rows[: count[0]]), Ends(24), Console(file=output)):
        count[0] = 10
    lines = output.getvalue().splitlines()
    assert [text.split()[1] for text in lines] == [str(i) for i in range(10)]
    assert "failed" in lines[5]


def test_colours_that_are_forced_into_a_pipe_move_no_cursor(view: StudyView) -> None:
    output = io.StringIO()
    with LiveStudy(lambda: view, Ends(24), Console(file=output, force_terminal=True)):
        pass
    assert "\x1b" not in output.getvalue()


def test_a_ledger_that_is_away_ends_nothing(view: StudyView) -> None:
    looks = [0]

    def read() -> StudyView:
        looks[0] += 1
        if looks[0] > 1:
            raise LedgerUnavailable("the database is away")
        return view

    with LiveStudy(read, Ends(24), Console(file=io.StringIO())):
        pass
    assert looks[0] > 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.toml").write_text(STUDY)
    (tmp_path / "target.py").write_text(SLOW)
    return tmp_path


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_leaves_it_clean_and_the_study_goes_on(
    folder: Path, cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    command = (sys.executable, "-m", "trialogue.api", "run", "s.toml")
    terminal = Terminal(*command, columns=48, lines=24, cwd=folder)
    try:
        terminal.until("2 of 8 trials")
        terminal.until("left")
        terminal.until("running")
        terminal.type("\x03")
        terminal.until("Interrupted")
        assert terminal.ended() == 130
    finally:
        terminal.close()
    assert UP in terminal.raw
    assert terminal.raw.rindex(SHOWN) > terminal.raw.rindex(HIDDEN)
    assert "a word of the evaluator" in terminal.raw
    assert "Traceback" not in terminal.raw
    done = cli("run", "s.toml", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    exported = cli("export", "s", "--format", "jsonl", cwd=folder).stdout.splitlines()
    states = [json.loads(text)["state"] for text in exported]
    assert states.count("finished") == 8
    assert "running" not in states
