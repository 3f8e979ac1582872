"""The vLLM environment for tests marked ``vllm``: one warm host and one tiny model per session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.servers.host import ServerHost
from trialogue.serving.vllm.environment import VllmEnvironment, VllmNotInstalled, find_vllm

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def vllm_environment() -> VllmEnvironment:
    local = ROOT / ".vllm" / "bin" / "python"
    try:
        return find_vllm(local if local.exists() else None)
    except VllmNotInstalled:
        pytest.skip("no vLLM: run `make vllm`")


@pytest.fixture(scope="session")
def tiny() -> Path:
    return tiny_model("tiny", ROOT / ".cache").absolute()


@pytest.fixture(scope="session")
def warm_host(
    vllm_environment: VllmEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerHost]:
    with ServerHost(vllm_environment, warm=True, folder=tmp_path_factory.mktemp("warm-host")) as host:
        yield host
