"""What the installed vLLM tells of itself, and loads whose arrivals were recorded. A real server on this machine's CPU."""

import json
import re

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


def test_equal_blocks_of_a_trace_are_equal_tokens_to_the_server(warm_host, tiny, tmp_path) -> None:
    """Four prompts of three blocks of 128, the first two in common: vLLM's prefix cache finds 3 x 2 of 12 blocks."""
    rows = (
        {"timestamp": 800 * i, "input_length": 384, "output_length": 2, "hash_ids": [0, 1, 2 + i]}
        for i in range(4)
    )
    (tmp_path / "trace.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workload = Workload.parse(f"{tmp_path}/trace.jsonl@recorded=true,block=128")
    requests = workload.write(tmp_path / "requests.jsonl")
    spec = ServerSpec(str(tiny), {"enforce_eager": True, "block_size": 32}, served_name="m")
    with RunningServer.start(warm_host, spec, log=tmp_path / "server.log", deadline_s=120.0) as server:
        plan = LoadPlan(requests, recorded=workload.recorded, timeout_s=60.0)
        result = run_load(warm_host, server, plan)
        told = server.get("/metrics").decode()
    assert result.ok, result.problem
    hits = re.search(r"^vllm:prefix_cache_hits_total\S* (\S+)", told, re.MULTILINE)
    assert hits is not None
    assert float(hits[1]) == 3 * 2 * 128


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
