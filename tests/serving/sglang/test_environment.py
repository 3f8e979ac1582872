"""Where SGLang is looked for, and what its server's ``--help`` tells. No real SGLang."""

from pathlib import Path

import pytest

from tests.evaluators.engines.scripted_sglang import installed
from trialogue.serving.sglang.environment import VARIABLE, SglangEnvironment, SglangNotInstalled, find_sglang


def test_flags_are_those_of_the_help_by_every_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(installed(tmp_path)))
    assert find_sglang().version == "0.5.3"
    flags = find_sglang().flags()
    assert flags.keys() >= {"tp_size", "tensor_parallel_size", "schedule_policy", "disable_radix_cache"}
    assert "long" not in flags


def test_without_sglang_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "python"))
    with pytest.raises(SglangNotInstalled, match=VARIABLE):
        find_sglang()


def test_a_server_that_does_not_run_is_told_in_its_words(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho ImportError: no libcuda >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(SglangNotInstalled, match="no libcuda"):
        SglangEnvironment(python, "0").flags()
