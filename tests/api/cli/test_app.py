"""The command line's door: quick, pinned, and never a traceback for what the caller did."""

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contracts.command_line import Cli, in_process

from trialogue.api.cli.app import COMMANDS

OVERVIEW = (Path(__file__).parent / "help.txt").read_text()


def test_help_is_as_pinned(cli: Cli) -> None:
    assert cli("--help").stdout == OVERVIEW


def test_help_is_quick() -> None:
    def cpu_s() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = cpu_s()
    subprocess.run([sys.executable, "-m", "trialogue.api", "--help"], check=True, capture_output=True)
    assert cpu_s() - before < 0.4


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, here: Cli) -> None:
    done = here(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: trialogue" in done.stdout


def test_an_unknown_command_is_told_with_the_nearest(here: Cli) -> None:
    done = here("lst")
    assert done.returncode == 2
    assert "Did you mean 'list'?" in done.stderr


def message(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one message of a command that was misused."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("Error: ") for line in done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run ``trialogue …`` in this process, in an empty folder: as ``cli``, without its start."""
    monkeypatch.chdir(tmp_path)
    return in_process(capsys)


STUDY = """
[study]
name = "s"
budget = { trials = 2 }
[problem]
objectives = [{ name = "y", direction = "minimize" }]
[parameters.x]
type = "float"
low = 0.0
high = 1.0
[evaluator]
command = ["{python}", "-c", "print({x})"]
"""

MISTAKES = {
    "malformed": ('type = "float"', "type = float", "line 8"),
    "low above high": ("low = 0.0", "low = 2.0", "`low` must be less than `high`"),
    "log of zero": ("high = 1.0", "high = 1.0\nlog = true", "log scale needs `low` > 0"),
    "a step that does not fit": ("high = 1.0", "high = 1.0\nstep = 0.3", "`step` must lead"),
    "an unknown key": ("high = 1.0", "hihg = 1.0", "hihg"),
    "an unknown table": ("[evaluator]", "[evaluater]", "evaluater"),
    "no choices": ('type = "float"\nlow = 0.0\nhigh = 1.0', 'type = "categorical"\nchoices = []', "choice"),
    "repeated choices": (
        'type = "float"\nlow = 0.0\nhigh = 1.0',
        'type = "categorical"\nchoices = [1, 1]',
        "1",
    ),
    "an unknown parent": ("high = 1.0", "high = 1.0\nwhen = { z = [1] }", "'z'"),
    "a direction misspelt": ('"minimize"', '"minimise"', "did you mean 'minimize'"),
    "a missing program": ('"{python}"', '"no-such-program"', "no-such-program"),
    "an unknown placeholder": ("print({x})", "print({q})", "q"),
    "a bad budget": ("trials = 2", "trials = -2", "budget"),
    "two evaluators": ("[evaluator]", '[evaluator]\nfunction = "a:b"', "exactly one"),
    "a missing module": ('command = ["{python}", "-c", "print({x})"]', 'function = "nowhere:f"', "nowhere"),
    "a bad storage": ('name = "s"', 'name = "s"\nstorage = "mysql://x"', "storage"),
    "a bad planner": ('name = "s"', 'name = "s"\nplanner = "gpt"', "planner"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_study_file_is_one_message(mistake: str, here: Cli, tmp_path: Path) -> None:
    old, new, told = MISTAKES[mistake]
    assert old in STUDY
    (tmp_path / "s.toml").write_text(STUDY.replace(old, new, 1))
    assert told in message(here("run", "s.toml"))


@pytest.mark.parametrize("planner", ["gpt", "vllm:", "http://127.0.0.1:9/v1"])
def test_a_planner_that_cannot_work_is_one_message_and_no_study(
    planner: str, here: Cli, tmp_path: Path
) -> None:
    assert "planner" in message(here("demo", "--planner", planner))
    (tmp_path / "s.toml").write_text(STUDY)
    assert "planner" in message(here("run", "s.toml", "--planner", planner))
    assert not (tmp_path / "trialogue.db").exists()


def test_a_missing_file_is_one_message(here: Cli) -> None:
    assert "'nothing.toml'" in message(here("run", "nothing.toml"))


def test_a_study_without_an_end_is_refused(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY.replace("budget = { trials = 2 }", ""))
    assert "say how long" in message(here("run", "s.toml"))


def test_a_missing_database_is_one_message_and_is_not_created(here: Cli, tmp_path: Path) -> None:
    for command in (["list"], ["report", "s"], ["export", "s"], ["delete", "s", "--yes"]):
        assert "trialogue.db" in message(here(*command))
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_none_is_one_message(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "trialogue.db").write_text(
        "this is not a database, and it is long enough to be seen as none" * 20
    )
    assert "trialogue.db" in message(here("list"))


@pytest.fixture
def with_study(here: Cli, tmp_path: Path) -> Path:
    (tmp_path / "s.toml").write_text(STUDY)
    assert here("run", "s.toml").returncode == 0
    return tmp_path


@pytest.mark.slow
def test_another_space_under_the_same_name_is_one_message(here: Cli, with_study: Path) -> None:
    (with_study / "s.toml").write_text(STUDY.replace("high = 1.0", "high = 2.0"))
    assert "'s'" in message(here("run", "s.toml"))


@pytest.mark.slow
def test_an_unknown_study_is_one_message(here: Cli, with_study: Path) -> None:
    for command in (["report", "t"], ["export", "t"], ["delete", "t", "--yes"], ["import", "t", "s.toml"]):
        assert "'t'" in message(here(*command))


@pytest.mark.slow
def test_ctrl_c_leaves_a_clean_ledger_and_the_study_goes_on(cli: Cli, tmp_path: Path) -> None:
    slow = STUDY.replace("print({x})", "import time; time.sleep({x} * 0 + 1); print({x})").replace(
        "= 2 }", "= 50 }"
    )
    (tmp_path / "s.toml").write_text(slow)
    command = [sys.executable, "-m", "trialogue.api", "run", "s.toml"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # the first trial has ended
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted" in stderr
    assert "Traceback" not in stderr
    done = cli("run", "s.toml", "--trials", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert '"running"' not in cli("export", "s", "--format", "jsonl").stdout


@pytest.mark.slow
def test_a_killed_run_loses_no_finished_trial_and_says_which_was_lost(cli: Cli, tmp_path: Path) -> None:
    slow = STUDY.replace("print({x})", "import time; time.sleep(1); print({x})").replace("= 2 }", "= 50 }")
    (tmp_path / "s.toml").write_text(slow)
    command = [sys.executable, "-m", "trialogue.api", "run", "s.toml"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(2):
        process.stdout.readline()
    time.sleep(0.3)
    process.kill()
    process.communicate(timeout=30)
    done = cli("run", "s.toml", "--trials", "1", "--json")
    assert done.returncode == 0, done.stderr
    trials = [json.loads(line) for line in cli("export", "s", "--format", "jsonl").stdout.splitlines()]
    lost = [t for t in trials if t["state"] == "failed"]
    assert sum(t["state"] == "finished" for t in trials) == 3
    assert [t["ending"]["kind"] for t in lost] == ["lost"]
    assert "running" not in {t["state"] for t in trials}
