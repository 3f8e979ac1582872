"""What a tuning is asked: refused before anything is measured, limits of both kinds, several objectives, the rate."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.agent.tuning.test_tuner import SPACE, SimulatedTarget
from trialogue.agent.tuning.plan import TuningOutcome, TuningPlan
from trialogue.agent.tuning.tuner import Tuning
from trialogue.evaluators.errors import InvalidProblem, InvalidSpecification
from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.attempt import Attempt
from trialogue.evaluators.servers.metrics import objective_named, parse_limit
from trialogue.serving.errors import InvalidInput
from trialogue.serving.servers.failures import ServerFailure
from trialogue.serving.servers.load import LoadPlan, LoadResult

TOKENS = objective_named("output_tok_s")
Metrics = Callable[[dict[str, Any], dict[str, float]], dict[str, float]]


class Metered(SimulatedTarget):
    """Every result has more metrics, told by a function of the parameters and of the usual ones."""

    more_metrics: Metrics

    def _result(self) -> LoadResult:
        usual = super()._result()
        return replace(
            usual, metrics={**usual.metrics, **self.more_metrics(self.params, dict(usual.metrics))}
        )


def metered(folder: Path, metrics: Metrics) -> Metered:
    target = Metered(folder)
    target.more_metrics = metrics
    return target


def run(target: SimulatedTarget, plan: TuningPlan, said: list[str] | None = None) -> TuningOutcome:
    lines = [] if said is None else said
    return Tuning(plan, target, SPACE, say=lines.append).run()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"trials": 0}, r"`--trials` must be at least 1, got 0"),
        ({"budget_s": 0.0}, r"`--budget` must be seconds above 0, got 0"),
        ({"budget_s": -5.0}, r"`--budget` must be seconds above 0, got -5"),
        ({"budget_s": float("nan")}, r"`--budget` must be seconds above 0, got nan"),
        ({"pairs": 0}, r"`--pairs` must be at least 1"),
        ({"margin": 1.0}, r"`--margin` must be a share in \[0, 1\)"),
    ],
)
def test_a_plan_without_room_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        TuningPlan("model", TOKENS, **wrong)


@pytest.mark.parametrize(
    ("objectives", "limits", "told"),
    [
        (["output_tok_per_money"], [], "price-per-hour"),
        (["goodput_req_s"], ["ttft_p99_ms<=0.5x"], "limits in ms"),
        (["output_tok_s", "output_tok_s"], [], "different metrics"),
        (["max_rate_s", "output_tok_s"], [], "must be the only one"),
        (["max_rate_s", "max_concurrency"], ["ttft_p99_ms<=9"], "must be the only one"),
        (["max_concurrency"], [], "needs a limit"),
        (["output_tok_s"], ["compliance>=0.9"], "ttft_ms<=200"),
        (["output_tok_s"], ["output_tok_per_money>=3"], "limit on 'output_tok_per_money'"),
    ],
)
def test_what_the_plan_alone_shows_not_to_be_measurable_is_refused(
    objectives: list[str], limits: list[str], told: str
) -> None:
    first, *others = map(objective_named, objectives)
    with pytest.raises(InvalidSpecification, match=told):
        TuningPlan("model", first, tuple(map(parse_limit, limits)), extra_objectives=tuple(others))


def test_limits_that_exclude_each_other_are_refused_by_the_plan() -> None:
    limits = (Constraint("output_tok_s", upper=5.0), Constraint("output_tok_s", lower=9.0))
    with pytest.raises(InvalidProblem, match="leave room"):
        TuningPlan("model", TOKENS, limits)


def test_a_limit_on_what_is_not_measured_is_said_after_the_default(tmp_path: Path) -> None:
    target = SimulatedTarget(tmp_path)
    plan = TuningPlan("model", TOKENS, (Constraint("output_tok_per_joule", lower=3.0),), trials=3)
    with pytest.raises(
        InvalidSpecification, match="limit on 'output_tok_per_joule' cannot be measured here: neither"
    ):
        run(target, plan)
    assert len(target.commands) == 1


def test_two_limits_on_one_metric_are_the_tighter_one(tmp_path: Path) -> None:
    limits = (parse_limit("tpot_p99_ms<=9"), parse_limit("tpot_p99_ms<=0.3x"))
    outcome = run(SimulatedTarget(tmp_path), TuningPlan("model", TOKENS, limits, trials=11, budget_s=5000))
    assert [c.upper for c in outcome.limits] == [pytest.approx(0.3 * 12.8)]
    assert outcome.best is not None
    assert outcome.best.params["max_num_seqs"] == 32


def test_throughput_may_be_kept_while_a_latency_is_made_small(tmp_path: Path) -> None:
    plan = TuningPlan(
        "model",
        objective_named("tpot_p99_ms"),
        (parse_limit("output_tok_s>=0.9x"),),
        trials=11,
        budget_s=5000,
    )
    said: list[str] = []
    outcome = run(SimulatedTarget(tmp_path, gain=0.0), plan, said)
    assert outcome.verdict.recommendation == "change"
    assert outcome.best is not None
    assert outcome.best.params["max_num_seqs"] == 32  # 8 are three times slower
    assert any("breaks a limit" in line for line in said)


def test_a_default_that_reaches_nothing_is_said_so(tmp_path: Path) -> None:
    target = metered(
        tmp_path, lambda p, m: {"goodput_req_s": 0.0 if p["max_num_seqs"] > 32 else m["output_tok_s"]}
    )
    limits = (Constraint("tpot_p99_ms", upper=20.0),)
    plan = TuningPlan("model", objective_named("goodput_req_s"), limits, trials=11, budget_s=5000)
    outcome = run(target, plan)
    assert outcome.verdict.recommendation == "change"
    assert "the default reached 0, the candidate" in outcome.verdict.reason


def test_nothing_that_reaches_anything_is_no_change(tmp_path: Path) -> None:
    target = metered(tmp_path, lambda p, m: {"goodput_req_s": 0.0})
    limits = (Constraint("tpot_p99_ms", upper=20.0),)
    plan = TuningPlan("model", objective_named("goodput_req_s"), limits, trials=4, budget_s=5000)
    assert run(target, plan).verdict.recommendation == "no change"


def test_several_objectives_end_in_a_front_and_the_first_decides(tmp_path: Path) -> None:
    plan = TuningPlan(
        "model", TOKENS, trials=11, budget_s=5000, extra_objectives=(objective_named("tpot_p99_ms"),)
    )
    said: list[str] = []
    outcome = run(SimulatedTarget(tmp_path), plan, said)
    assert outcome.verdict.recommendation == "change"
    assert outcome.best is not None
    assert outcome.best.params["block_size"] == 32
    front = [t.params for t in outcome.study.pareto_front]
    assert {p["max_num_seqs"] for p in front} >= {8, 32}
    assert any("output_tok_s" in line and "tpot_p99_ms" in line for line in said if line.startswith("trial"))


class Rated(SimulatedTarget):
    """Slow tokens only under the workload's own load, which saturates; small blocks serve higher rates."""

    def _result(self) -> LoadResult:
        usual = super()._result()
        return replace(usual, metrics={**usual.metrics, "ttft_p99_ms": 900.0, "requests_s": 20.0})

    def plan_at(self, rate: float) -> LoadPlan:
        return LoadPlan(self.settings.folder / "requests.jsonl", rate=rate)

    def load(self, plan: LoadPlan) -> LoadResult:
        assert plan.rate is not None
        capacity = 10.0 * (1 + (128 - self.params["block_size"]) / 96)
        ttft = 50.0 if plan.rate <= capacity else 900.0
        usual = super()._result().metrics
        return LoadResult({**usual, "ttft_p99_ms": ttft, "requests_s": min(plan.rate, capacity)})


@pytest.mark.parametrize("limit", ["ttft_p99_ms<=200", "ttft_p99_ms<=0.2x"])
def test_limits_of_a_rate_are_judged_at_that_rate(limit: str, tmp_path: Path) -> None:
    plan = TuningPlan(
        "model",
        objective_named("max_rate_s"),
        (parse_limit(limit),),
        trials=8,
        budget_s=5000,
        verify_rung="fork",
    )
    outcome = run(Rated(tmp_path), plan)
    assert outcome.verdict.recommendation == "change"
    assert outcome.best is not None
    assert outcome.best.params["block_size"] == 32
    assert outcome.verdict.gain is not None
    assert outcome.verdict.gain.ratio == pytest.approx(2.0, rel=0.15)
    assert all(r["ttft_p99_ms"] == 50.0 for r in (*outcome.best_runs, *outcome.default_runs))


class Crowded(SimulatedTarget):
    """First tokens are late beyond a concurrency that grows with small blocks, slow tokens beyond another."""

    def plan_with(self, concurrency: int) -> LoadPlan:
        return LoadPlan(self.settings.folder / "requests.jsonl", concurrency=concurrency)

    def load(self, plan: LoadPlan) -> LoadResult:
        assert plan.concurrency is not None
        prompt = 20 * 128 / self.params["block_size"]
        late = (
            max(plan.concurrency - prompt, plan.concurrency - self.params["max_num_seqs"], 0)
            / plan.concurrency
        )
        usual = super()._result().metrics
        return LoadResult(
            {**usual, "compliance": 1.0 - late, "tpot_p99_ms": 1.0 * plan.concurrency, "requests_s": 9.0}
        )

    def _result(self) -> LoadResult:
        usual = super()._result()
        return replace(usual, metrics={**usual.metrics, "compliance": 0.5, "requests_s": 9.0})


def test_the_most_requests_at_once_keep_several_limits(tmp_path: Path) -> None:
    """A block of 32 serves 64 by its first tokens (the most of 128 prompts too), the tokens allow 50."""
    limits = tuple(map(parse_limit, ("ttft_ms<=200", "tpot_p99_ms<=50")))
    plan = TuningPlan(
        "model", objective_named("max_concurrency"), limits, trials=8, budget_s=5000, verify_rung="fork"
    )
    assert Constraint("compliance", lower=0.99) in plan.limits
    outcome = run(Crowded(tmp_path), plan)
    assert outcome.verdict.recommendation == "change"
    assert outcome.best is not None
    assert outcome.best.params["block_size"] in (32, 64)
    assert {r["max_concurrency"] for r in outcome.default_runs} == {20.0}
    assert all(38 <= r["max_concurrency"] <= 50 and r["compliance"] >= 0.99 for r in outcome.best_runs)
    assert {c.name for c in outcome.limits} == {"compliance", "tpot_p99_ms"}


def test_the_time_of_loads_at_rates_counts_for_the_budget(tmp_path: Path) -> None:
    class Timed(Rated):
        """A load at a rate takes a hundredth of a second, the workload's own nine."""

        def load(self, plan: LoadPlan) -> LoadResult:
            time.sleep(0.01)
            return super().load(plan)

    plan = TuningPlan("model", objective_named("max_rate_s"), (parse_limit("ttft_p99_ms<=200"),), trials=2)
    outcome = run(Timed(tmp_path), plan)
    tried = [t.measurement for t in outcome.study.trials if t.measurement and t.source != "default"]
    assert tried
    assert all((m.seconds or 0) > 9.02 for m in tried)


def test_a_server_at_which_no_rate_holds_has_a_rate_of_zero(tmp_path: Path) -> None:
    plan = TuningPlan("model", objective_named("max_rate_s"), (parse_limit("ttft_p99_ms<=9"),), trials=3)
    outcome = run(Rated(tmp_path), plan)
    assert outcome.verdict.recommendation == "no feasible configuration"
    assert {t.value for t in outcome.study.trials if t.measurement is not None} == {0.0}


def test_a_server_that_dies_before_any_rate_holds_has_failed(tmp_path: Path) -> None:
    class Dying(Rated):
        """Small blocks do not survive a load at a rate."""

        def load(self, plan: LoadPlan) -> LoadResult:
            dead = ServerFailure("dead_engine", "the engine died", "load")
            result = super().load(plan)
            return replace(result, failure=dead, problem="died") if self.params["block_size"] < 64 else result

    limits = (parse_limit("ttft_p99_ms<=200"),)
    plan = TuningPlan(
        "model", objective_named("max_rate_s"), limits, trials=8, budget_s=5000, verify_rung="fork"
    )
    outcome = run(Dying(tmp_path), plan)
    assert outcome.best is not None
    assert outcome.best.params["block_size"] == 64
    assert any("the engine died" in t.failure.reason for t in outcome.study.trials if t.failure)


def test_lines_say_what_is_left_of_the_budget(tmp_path: Path) -> None:
    said: list[str] = []
    run(SimulatedTarget(tmp_path), TuningPlan("model", TOKENS, trials=2, budget_s=5000), said)
    assert said
    assert all(line.endswith("83 min left") for line in said)


def test_the_margin_keeps_the_search_away_from_a_limit_and_not_the_verification(tmp_path: Path) -> None:
    limits = (Constraint("tpot_p99_ms", upper=3.3),)
    plan = TuningPlan("model", TOKENS, limits, trials=11, budget_s=5000, margin=0.5)
    outcome = run(SimulatedTarget(tmp_path), plan)  # 32 sequences: 3.2 ms; 8: 0.8 ms
    assert outcome.limits[0].upper == pytest.approx(1.65)
    assert outcome.best is not None
    assert outcome.best.params["max_num_seqs"] == 8


def test_a_candidate_that_fails_in_the_verification_is_no_change(tmp_path: Path) -> None:
    class Fragile(SimulatedTarget):
        """Starts from a warm process what an ordinary start cannot."""

        def measure(self, params: Any, **more: Any) -> Attempt:
            fails = more.get("rung") == "ordinary" and params["block_size"] != 128
            return super().measure({**params, "block_size": 16} if fails else params, **more)

    plan = TuningPlan("model", TOKENS, trials=11, budget_s=5000, candidates=1)
    outcome = run(Fragile(tmp_path), plan)
    assert outcome.verdict.recommendation == "no change"
    assert "verified, the candidate failed" in outcome.verdict.reason
    assert "No common block size" in outcome.verdict.reason
