"""llama.cpp's server as it is installed: found, or refused with a cure."""

from pathlib import Path

import pytest

from trialogue.serving.llama_cpp.environment import LlamaNotInstalled, find_llama
from trialogue.serving.servers.server import ServerSpec


def program(folder: Path, says: str) -> Path:
    path = folder / "llama-server"
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


def test_a_program_that_tells_its_version_is_an_installation(tmp_path: Path) -> None:
    path = program(tmp_path, "echo 'version: 0.5.0 (build 1, commit abc)' >&2")
    found = find_llama(path)
    assert (found.version, found.command()) == ("0.5.0 build 1, commit abc", [str(path)])
    assert found.plumbing("m") == ["--no-ui", "--alias", "m"]
    assert found.variables({"A": "1"})["A"] == "1"


@pytest.mark.parametrize(("says", "told"), [("exit 3", "does not run"), ("echo hello", "tells no version")])
def test_another_program_is_refused(says: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(LlamaNotInstalled, match=told):
        find_llama(program(tmp_path, says))


def test_where_there_is_none_the_cure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALOGUE_LLAMA_SERVER", str(tmp_path / "none"))
    with pytest.raises(LlamaNotInstalled, match="TRIALOGUE_LLAMA_SERVER"):
        find_llama()


def test_its_command_is_one_that_a_person_can_run() -> None:
    spec = ServerSpec(
        "model.gguf", {"threads": 2, "flash_attn": "on"}, program=("llama-server",), model_flag="--model"
    )
    assert spec.command() == "llama-server --model model.gguf --threads 2 --flash-attn on"
