"""What the installed vLLM tells of itself, and loads whose arrivals were recorded. A real server on this machine's CPU."""

import json

import pytest

from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.servers.load import LoadPlan, run_load
from trialogue.serving.servers.server import RunningServer, ServerSpec
from trialogue.serving.vllm.environment import VllmEnvironment
from trialogue.serving.vllm.installed import Installed

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


def test_requests_are_sent_at_their_recorded_times(warm_host, tiny, tmp_path) -> None:
    """Three requests of milliseconds, in the wrong order and seconds since 1970, take the time between them."""
    rows = ({"input_len": 8, "output_len": 4, "at_s": 1.7e9 + at} for at in (2.5, 0.0, 1.0))
    (tmp_path / "log.json").write_text(json.dumps([*rows]))
    workload = Workload.parse(f"{tmp_path}/log.json@recorded=true")
    requests = workload.write(tmp_path / "requests.jsonl")
    spec = ServerSpec(str(tiny), {"enforce_eager": True}, served_name="m")
    with RunningServer.start(warm_host, spec, log=tmp_path / "server.log", deadline_s=120.0) as server:
        result = run_load(warm_host, server, LoadPlan(requests, recorded=workload.recorded, timeout_s=60.0))
    assert result.ok, result.problem
    assert result.metrics["duration_s"] >= 2.5


def test_flags_and_environment_variables_are_told_with_their_defaults(
    warm_host, vllm_environment: VllmEnvironment
) -> None:
    answer = warm_host.call("parameters", timeout_s=60)
    installed = Installed.read(answer, vllm_environment.variables({"OMP_NUM_THREADS": "3"}))
    assert installed.default("watermark", {}) == 0.0
    assert installed.default("OMP_NUM_THREADS", {}) == 3
    assert installed.has("VLLM_CPU_ATTN_SPLIT_KV")
    assert installed.flags["enable_prefix_caching"].choices == (True, False)
    assert installed.nearest("max_num_sequences") == "max_num_seqs"
