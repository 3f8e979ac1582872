"""The page on protocols is run: its Python from top to bottom, its tables as study files."""

import tomllib
from pathlib import Path

import pytest
from test_readme import ROOT, blocks

from trialogue.api.study_files.tables import StudyFile

PAGE = (ROOT / "docs" / "protocols.md").read_text()


@pytest.mark.slow
def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "protocols"}
    for block in blocks("python", PAGE):
        exec(compile(block, "protocols.md", "exec"), names)
    assert "unseen (2024, seed 100" in str(names["score"])


def test_the_tables_of_the_page_are_study_files() -> None:
    for block in blocks("toml", PAGE):
        StudyFile.model_validate(tomllib.loads(block))
