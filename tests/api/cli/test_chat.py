"""``trialogue chat`` in a pipe: commands work, a wrong one is said, and with --strict it is the exit code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trialogue.api.cli.chat import converse, open_session

SPEC = """[study]
name = "by-hand"
[problem]
objectives = [{ name = "y", direction = "minimize" }]
[parameters.x]
type = "float"
low = 0.0
high = 1.0
[evaluator]
function = "target:evaluate"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study.toml").write_text(SPEC)
    (tmp_path / "target.py").write_text("def evaluate(params):\n    return params['x'] ** 2\n")
    (tmp_path / "train.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\n"
        "p.add_argument('--lr', default=0.1, type=float, help='(default: 0.1)')\np.parse_args()\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def talk(folder: Path, *lines: str, confirm: bool = False) -> tuple[list[str], int]:
    said: list[Any] = []
    sessions = open_session(None, f"sqlite:///{folder}/a.db", model=None, evaluator=None, yes=False)
    refused = converse(sessions, lines, show=said.append, confirm=lambda _: confirm)
    return [e.text for e in said if getattr(e, "role", "") != "user"], refused


def test_a_study_is_made_from_a_file_and_run_here(folder: Path) -> None:
    said, refused = talk(folder, "/create study.toml", "/run 3", "/best", "/report")
    assert refused == 0, said
    assert "'by-hand' is made" in said[0]
    assert said[1].count("finished") == 3
    assert "Best is trial" in said[2]
    assert (folder / "by-hand.html").stat().st_size > 10_000


def test_lines_may_go_on_and_a_draft_becomes_a_study(folder: Path) -> None:
    toml = [
        "[study]",
        'name = "typed"',
        "[problem]",
        "[parameters.x]",
        'type = "float"',
        "low = 0.0",
        "high = 1.0",
    ]
    said, refused = talk(
        folder, "/create " + toml[0] + "\\", *(t + "\\" for t in toml[1:]), "", "/show", "/quit", "/x"
    )
    assert refused == 0, said
    assert "**typed**: minimize objective" in said[1]


def test_a_script_s_help_is_run_after_a_yes_only(folder: Path) -> None:
    said, _ = talk(folder, "/help-of python train.py", confirm=True)
    assert "[parameters.lr]" in said[0]
    from trialogue.serving.errors import InvalidInput

    with pytest.raises(InvalidInput, match="needs a yes"):
        talk(folder, "/help-of python train.py", confirm=False)


@pytest.mark.slow
def test_the_command_works_in_a_pipe(cli: Callable[..., Any], folder: Path) -> None:
    done = cli("chat", "--evaluator", "study.toml", input="/run 2\n/show\n")
    assert done.returncode == 0, done.stderr
    assert "2 finished" in done.stdout
    assert cli("chat", "by-hand", "--strict", input="/shwo\n").returncode == 2
    assert "no study 'nowhere'" in cli("chat", "nowhere", input="").stderr
