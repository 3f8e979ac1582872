"""The target on a real vLLM of this machine's CPU: an engine that is killed between loads, and rates with fresh caches."""

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.attempt import Rungs
from trialogue.evaluators.servers.rate import highest_concurrency
from trialogue.evaluators.servers.settings import TargetSettings
from trialogue.evaluators.servers.target import ServerTarget
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.vllm.environment import find_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[3]
PREFIX = "prefix:shared=512,prompts=24,concurrency=8,output=4"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[ServerTarget]:
    python = ROOT / ".vllm" / "bin" / "python"
    if not python.exists():
        pytest.skip("no vLLM: run `make vllm`")
    model = str(tiny_model("tiny", ROOT / ".cache").absolute())
    workload = Workload.parse(PREFIX)
    settings = TargetSettings(model, workload, tmp_path, rungs=Rungs(preflight=False, eager=True), guard=True)
    with ServerTarget(find_vllm(python), settings) as made:
        yield made


def log_of(target: ServerTarget) -> str:
    return max(target.settings.folder.glob("server-*.log")).read_text()


def kill_engine(target: ServerTarget, number: int) -> None:
    found = re.search(r"\(EngineCore[^)]* pid=(\d+)\)", log_of(target))
    assert found is not None
    os.kill(int(found[1]), number)


def test_a_killed_engine_is_retried_and_a_crashed_one_is_the_trials_failure(target: ServerTarget) -> None:
    first = target.measure({}, label="default")
    assert (first.failure, first.agreement) == (None, 1.0)
    kill_engine(target, signal.SIGKILL)
    grown = target.more(first, label="default")
    assert (grown.failure, len(grown.results), target.starts) == (None, 2, 2)
    kill_engine(target, signal.SIGSEGV)
    crashed = target.load(target.plan_at(5.0))
    assert crashed.failure is not None
    assert crashed.failure.kind == "crashed", crashed.failure
    target.settings = replace(
        target.settings, fixed={"seed": 1}
    )  # another default: its answers are asked for
    after = target.measure({})
    assert (after.failure, after.agreement) == (None, 1.0)


def test_every_rate_meets_an_empty_prefix_cache(target: ServerTarget) -> None:
    target.measure({})
    before = log_of(target).count("Successfully reset prefix cache")
    assert all(target.load(target.plan_at(rate)).ok for rate in (20.0, 40.0))
    assert log_of(target).count("Successfully reset prefix cache") == before + 2


def test_a_concurrency_is_found_that_keeps_limits_of_every_request(target: ServerTarget) -> None:
    """Limits that nothing breaks hold at the most requests at once; one that nothing meets, at none."""
    target.settings = replace(target.settings, goodput={"ttft": 60_000.0, "e2el": 60_000.0})
    target.measure({})
    share = [Constraint("compliance", lower=0.99)]
    found = highest_concurrency(lambda n: target.load(target.plan_with(n)), share, 8, most=12)
    assert (found.best, [load for load, _ in found.tried]) == (12, [8, 12])
    assert found.result is not None
    assert found.result.metrics["compliance"] == 1.0
    times = found.result.requests
    assert {kind: len(each) for kind, each in times.items()} == {"ttft": 24, "e2e": 24, "tpot": 24}
    for kind, each in times.items():  # what the load client makes of the same requests
        assert np.percentile(each, 99) == pytest.approx(found.result.metrics[f"{kind}_p99_ms"], rel=1e-3)
    assert found.result.metrics["requests"] == 24.0
    assert "ttft_p95_low_ms" in found.result.metrics
    target.settings = replace(target.settings, goodput={"e2el": 0.001})
    found = highest_concurrency(lambda n: target.load(target.plan_with(n)), share, 2, most=12)
    assert (found.best, found.tried) == (0, ((2, False), (1, False)))
