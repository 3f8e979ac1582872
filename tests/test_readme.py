"""The README is run: its Python from top to bottom, its study file, and its commands as far as their options exist."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trialogue.api.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    study = names["study"]
    assert len(study.trials) == 12  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.slow
def test_the_study_file_of_the_readme_runs(tmp_path: Path, cli: Callable[..., Any]) -> None:
    (tmp_path / "STUDY.toml").write_text(blocks("toml")[0])
    (tmp_path / "train.py").write_text(
        "import argparse, json\np = argparse.ArgumentParser()\n"
        "for name in ('--kernel', '--c', '--gamma'):\n    p.add_argument(name)\n"
        "a = p.parse_args()\nprint(json.dumps({'accuracy': 0.9 + (a.kernel == 'rbf') / 100, 'fit_s': 0.1}))\n"
    )
    done = cli("run", "STUDY.toml", "--trials", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert '"trials": 3' in done.stdout


def test_every_command_in_the_documents_exists() -> None:
    for page in PAGES:
        for block in blocks("sh", page.read_text()):
            for line in block.splitlines():
                words = line.split("#")[0].split()
                if words[:1] == ["trialogue"]:
                    assert words[1] in COMMANDS or words[1].startswith("-"), f"{page.name}: {line}"


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for block in blocks("sh", page.read_text()):
            assert set(re.findall(r"^make (\w+)", block, re.MULTILINE)) <= targets


def test_links_lead_somewhere() -> None:
    for page in [
        *PAGES,
        *sorted((ROOT / "docs" / "decisions").glob("*.md")),
        ROOT / "examples" / "README.md",
    ]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "study.png").stat().st_size < 300_000


def test_study_files_in_the_documents_are_toml() -> None:
    for page in PAGES:
        for block in blocks("toml", page.read_text()):
            tomllib.loads(block)


def test_the_readme_begins_with_what_it_is_and_two_commands() -> None:
    first = TEXT.split("```")[1]
    assert "make demo" in first
    assert "make test" in first
    assert TEXT.index("make demo") < 1200


def test_python_in_the_documents_compiles() -> None:
    for page in PAGES:
        for block in blocks("python", page.read_text()):
            compile(block, page.name, "exec")


def test_the_package_runs_without_the_console_script() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trialogue.api", "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith("trialogue ")
