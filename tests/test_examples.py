"""Each example runs as it stands, from any folder, in seconds."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
STUDIES = sorted((EXAMPLES / "studies").glob("*.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=[p.name for p in SCRIPTS])
def test_a_script_runs(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=[p.name for p in STUDIES])
def test_a_study_file_runs(study: Path, cli: Callable[..., Any]) -> None:
    done = cli("run", str(study), "--trials", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert '"best": {' in done.stdout


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in [*SCRIPTS, *STUDIES]:
        assert path.name in listed
