"""Estimates of vLLM's flags without a GPU: what decides, what does not, what cannot be estimated."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests.evaluators.engines.test_estimates import CONFIG
from trialogue.evaluators.errors import InvalidSpecification, NotEstimated
from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.traffic.workload import Workload
from trialogue.evaluators.vllm.estimate import VllmEstimator, capacities, ranked, steady_load

LOAD = steady_load(Workload.parse("random:input=1024,output=256,concurrency=32,prompts=64"))


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return str(tmp_path)


def test_a_workload_is_its_means() -> None:
    assert (LOAD.input_tokens, LOAD.output_tokens, LOAD.concurrency, LOAD.at_once) == (1024, 256, 32, 0.5)
    with pytest.raises(NotEstimated, match="concurrency"):
        steady_load(Workload.parse("random:input=10,output=4,rate=3"))


def test_flags_decide_an_estimate(model: str) -> None:
    estimator = VllmEstimator(model, "h100_sxm", LOAD)
    one, four = estimator({}), estimator({"tensor_parallel_size": 4})
    assert one is not None
    assert four is not None
    assert four["tpot_mean_ms"] < one["tpot_mean_ms"]
    assert four["output_tok_s_per_gpu"] < one["output_tok_s_per_gpu"]
    copies = estimator({"data_parallel_size": 2})
    assert copies is not None
    assert copies["ttft_mean_ms"] < one["ttft_mean_ms"]
    assert copies["devices"] == 2
    few = estimator({"max_num_seqs": 4})
    assert few is not None
    assert few["ttft_p99_ms"] > one["ttft_p99_ms"]
    assert estimator({"block_size": 64}) == one


def test_the_best_come_first_and_meet_the_limits(model: str) -> None:
    estimator, told = VllmEstimator(model, "h100_sxm", LOAD), list[str]()
    limit = Constraint("tpot_mean_ms", upper=9.0)
    own = {"max_num_seqs": [8, 32], "block_size": []}
    found = ranked(estimator, objective_named("output_tok_s"), [limit], own, 4, unused=told.append)
    assert told == ["left out: block_size does not change an estimate"]
    assert all(r.metrics["tpot_mean_ms"] <= 9.0 and r.metrics["devices"] <= 4 for r in found)
    assert found[0].metrics["output_tok_s"] >= 0.99 * max(r.metrics["output_tok_s"] for r in found)
    assert len({tuple(r.metrics.values()) for r in found}) == len(found)


def test_a_tighter_limit_lets_a_server_carry_less_and_each_layout_stands_once(model: str) -> None:
    estimator = VllmEstimator(model, "h100_sxm", LOAD)

    def carried(upper: float) -> dict[str, float]:
        limit = Constraint("tpot_mean_ms", upper=upper)
        return {c.name: c.requests_s for c in capacities(estimator, [limit], {}, 2)}

    loose, tight = carried(40.0), carried(12.0)
    assert len(loose) == 3  # one device, two that share a copy, two copies
    assert max(loose.values()) > 1.2 * max(tight.values()) > 0
    assert carried(0.1) == {}
    (alone,) = (c for c in capacities(estimator, [], {}, 1))
    again = estimator(
        {}, steady_load(Workload.parse(f"random:input=1024,output=256,concurrency={alone.at_once}"))
    )
    assert alone.devices == 1
    assert again is not None
    assert alone.requests_s >= 0.9 * again["requests_s"]


def test_what_is_not_known_is_refused_with_what_would_help(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotEstimated, match="h100_sxm"):
        VllmEstimator(model, "abacus", LOAD)
    monkeypatch.setenv("HF_HOME", model)
    with pytest.raises(NotEstimated, match=r"config\.json"):
        VllmEstimator("nobody/nothing", "h100_sxm", LOAD)
    with pytest.raises(InvalidSpecification, match="compliance"):
        ranked(VllmEstimator(model, "h100_sxm", LOAD), objective_named("compliance"), [], {}, 1)


def test_without_the_extra_a_roofline_answers(model: str) -> None:
    estimator = VllmEstimator(model, "mi300x", LOAD)  # of which nobody has tables
    assert estimator.source == "a roofline of config.json"
    assert estimator({}) is not None
    if importlib.util.find_spec("aiconfigurator_core") is not None:
        assert VllmEstimator("Qwen/Qwen3-32B", "h100_sxm", LOAD).measured
