"""Which variables decide how a CPU server runs: the user's own where they are set, ours elsewhere, none on GPUs."""

from pathlib import Path

import pytest

from trialogue.serving.vllm.environment import VllmEnvironment


def test_the_users_own_variables_win_over_ours_and_given_ones_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "40")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    environment = VllmEnvironment(Path("python"), "0.32.0", cpu=True)
    wanted = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_KVCACHE_SPACE": "40"}
    assert environment.decisive() == wanted
    assert wanted.items() <= environment.variables().items()
    assert environment.variables({"OMP_NUM_THREADS": "4"})["OMP_NUM_THREADS"] == "4"
    assert VllmEnvironment(Path("python"), "0.32.0", cpu=False).decisive() == {}
