"""The target: what it asks of its servers and how it takes their failures. The server's side of the wire is scripted."""

from pathlib import Path

from trialogue.evaluators.vllm_target import TargetSettings, VllmTarget
from trialogue.evaluators.vllm_workload import Workload
from trialogue.serving.vllm_environment import VllmEnvironment


def test_a_load_at_a_rate_is_the_workloads_own_but_for_the_rate(tmp_path: Path) -> None:
    workload = Workload.parse("random:prompts=40,burstiness=0.5,seed=3,concurrency=4")
    settings = TargetSettings("model", workload, tmp_path, goodput={"ttft": 200.0})
    with VllmTarget(VllmEnvironment(Path("python"), "0.32", True), settings) as target:
        plan = target.plan_at(2.0)
    assert (plan.rate, plan.concurrency, plan.burstiness, plan.seed) == (2.0, None, 0.5, 3)
    assert (plan.goodput, plan.timeout_s) == ({"ttft": 200.0}, 50.0)
    assert len(plan.requests.read_text().splitlines()) == 40
