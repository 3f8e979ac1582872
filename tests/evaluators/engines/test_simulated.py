"""A server that is a formula does what a tuning is promised, and is tuned."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contracts.tunable import TunableContract
from trialogue.agent.tuning.plan import TuningPlan
from trialogue.agent.tuning.tuner import Tuning
from trialogue.evaluators.engines.contract import Params
from trialogue.evaluators.engines.simulated import SimulatedServer
from trialogue.evaluators.servers.metrics import objective_named, parse_limit
from trialogue.evaluators.servers.settings import TargetSettings
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.servers.failures import ServerFailure
from trialogue.serving.servers.load import LoadPlan

SPACE = SearchSpace([Categorical("threads", [1, 2, 4, 8], default=4, ordered=True)])


def formula(params: Params, plan: LoadPlan) -> Mapping[str, float] | ServerFailure:
    """Two threads are best; eight are refused; first tokens wait for the requests that are there at once."""
    threads = params.get("threads", 4)
    if threads == 8:
        return ServerFailure("unsupported_combination", "there are no eight cores", "start")
    speed = {1: 60.0, 2: 100.0, 4: 80.0}[threads]
    at_once = plan.concurrency or 1
    return {
        "output_tok_s": speed, "requests_s": speed / 10, "duration_s": 100 / speed,
        "ttft_p99_ms": 1000 * at_once / speed,
    }  # fmt: skip


def made(folder: Path) -> SimulatedServer:
    settings = TargetSettings("model", Workload.parse("chat"), folder, engine="Simulated")
    return SimulatedServer(settings, SPACE, formula)


class TestSimulatedServer(TunableContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> SimulatedServer:
        return made(tmp_path)

    @pytest.fixture
    def changed(self) -> Params:
        return {"threads": 2}


def test_a_failure_of_the_formula_is_the_attempts(tmp_path: Path) -> None:
    target = made(tmp_path)
    attempt = target.measure({"threads": 8})
    assert attempt.failure is not None
    assert attempt.failure.cause == "there are no eight cores"
    assert not target.reuses({"threads": 8})


def test_noise_makes_times_longer_where_it_makes_rates_lower(tmp_path: Path) -> None:
    target = made(tmp_path)
    rows = [r.metrics for r in target.measure({}, repeats=50).results]
    assert len({r["output_tok_s"] for r in rows}) == 50
    assert all(r["output_tok_s"] * r["duration_s"] == pytest.approx(100.0) for r in rows)


@pytest.mark.parametrize(("objective", "most"), [("output_tok_s", 110.0), ("max_concurrency", 22.0)])
def test_it_is_tuned_like_any_other(objective: str, most: float, tmp_path: Path) -> None:
    limits = (parse_limit("ttft_p99_ms<=200"),) if objective == "max_concurrency" else ()
    plan = TuningPlan("model", objective_named(objective), limits, trials=3, budget_s=5000)
    outcome = Tuning(plan, made(tmp_path), SPACE, say=lambda line: None).run()
    assert outcome.study.problem.name == "simulated"
    assert outcome.verdict.recommendation == "change"
    assert outcome.best is not None
    assert outcome.best.params == {"threads": 2}
    assert 0.8 * most < outcome.best_runs[0][objective] < most
