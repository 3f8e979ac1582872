"""The models command: what is at hand, and one sentence for what cannot be installed."""

import json
from pathlib import Path

import pytest

from trialogue.api.cli.app import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["models", *words])
    return int(ended.value.code or 0)


def test_models_are_listed_with_where_they_are_or_how_they_are_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIALOGUE_CACHE", str(tmp_path))
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "config.json").write_text("{}")
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("smollm2" in line and "trialogue models get smollm2" in line for line in lines)
    assert any("mine" in line and "converted" in line for line in lines)
    assert run("--json") == 0
    names = {m["name"]: m["folder"] for m in json.loads(capsys.readouterr().out)}
    assert names["mine"] == str(tmp_path / "models" / "mine")
    assert names["smollm2"] is None


def test_a_model_that_is_not_known_is_refused_with_what_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("get", "gpt-9") == 2
    assert "smollm2" in capsys.readouterr().err
