"""The tuning session on a simulated server: same methods as the real target, numbers from a formula, no process."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialogue.agent.tuning.measures import Measures
from trialogue.agent.tuning.plan import TuningPlan
from trialogue.agent.tuning.state import TuningState
from trialogue.agent.tuning.tuner import ABLATION, Tuning
from trialogue.agent.tuning.verdict import gain_of, spread
from trialogue.evaluators.engines.simulated import SimulatedServer
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.attempt import Attempt, Rung
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.servers.target import TargetSettings
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.servers.failures import ServerFailure
from trialogue.serving.servers.load import LoadResult
from trialogue.serving.servers.server import ServerSpec
from trialogue.serving.vllm.catalogue import STRAIN
from trialogue.serving.vllm.environment import VllmEnvironment

SPACE = SearchSpace(
    [
        Categorical("max_num_seqs", [8, 32, 128], default=128, ordered=True),
        Categorical("block_size", [16, 32, 64, 128], default=128, ordered=True),
    ]
)


class SimulatedTarget(SimulatedServer):
    """Fewer sequences lower TPOT, small blocks are faster, block size 16 dies at start."""

    def __init__(self, folder: Path, *, gain: float = 0.5, noise: float = 0.01) -> None:
        settings = TargetSettings("model", Workload.parse("chat"), folder, strain=STRAIN)
        super().__init__(settings, SPACE, lambda params, plan: {})
        self.environment = VllmEnvironment(Path("/opt/vllm/bin/python"), "0.32.0", cpu=False)
        self.gain, self.noise, self.rng = gain, noise, np.random.default_rng(0)
        self.commands: list[str] = []
        self.labels: list[str] = []
        self.params = {}

    def spec(self, params: Any) -> ServerSpec:
        return ServerSpec("model", {k: v for k, v in params.items() if v != SPACE.default()[k]})

    def stop_server(self) -> None:
        self.params = {}

    def reuses(self, params: Any) -> bool:
        return dict(params) == self.params

    def _result(self) -> LoadResult:
        seqs, block = self.params["max_num_seqs"], self.params["block_size"]
        speed = 100 * (1 + self.gain * (128 - block) / 96) * (1 if seqs > 8 else 0.3)
        factor = float(np.exp(self.noise * self.rng.standard_normal()))
        metrics = {"output_tok_s": speed * factor, "tpot_p99_ms": 0.1 * seqs, "duration_s": 5.0}
        return LoadResult(metrics, busy_cores=1.0)

    def measure(
        self,
        params: Any,
        *,
        rung: Rung = "fork",
        repeats: int = 1,
        reuse: bool = True,
        enough_s: float | None = None,
        label: str = "",
    ) -> Attempt:
        self.params = dict(params)
        self.labels.append(label)
        self.commands.append(f"{rung} {self.spec(params).command()}")
        if params["block_size"] == 16:
            failure = ServerFailure("unsupported_combination", "No common block size for 16", "start")
            return Attempt(self.spec(params).command(), "fork", failure=failure, seconds=2.0)
        results = tuple(self._result() for _ in range(repeats))
        return Attempt(self.spec(params).command(), "fork", "digest", results, start_s=4.0, seconds=9.0)

    def more(self, attempt: Attempt, repeats: int = 1, *, label: str = "") -> Attempt:
        self.labels.append(label)
        return replace(attempt, results=(*attempt.results, self._result()))


def tuned(
    folder: Path, limits: tuple[Constraint, ...] = (), trials: int = 11, **target: Any
) -> tuple[Any, SimulatedTarget]:
    simulated = SimulatedTarget(folder, **target)
    plan = TuningPlan("model", objective_named("output_tok_s"), limits, trials=trials, budget_s=5000)
    tuning = Tuning(plan, simulated, SPACE, say=lambda line: None)
    return tuning.run(), simulated


def test_the_best_configuration_is_found_verified_and_recommended(tmp_path: Path) -> None:
    outcome, target = tuned(tmp_path)
    assert outcome.verdict.recommendation == "change"
    assert outcome.best.params["block_size"] == 32
    assert "--block-size 32" in outcome.command
    assert outcome.verdict.gain.low > 1.4
    searched, verified = outcome.agreement["output_tok_s"]
    assert searched == pytest.approx(verified, rel=0.05)
    assert target.commands[0] == "fork vllm serve model"
    assert sum(c.startswith("ordinary") for c in target.commands) >= 6


def test_a_start_that_fails_is_told_in_words_and_the_study_goes_on(tmp_path: Path) -> None:
    outcome, _ = tuned(tmp_path)
    failed = [t for t in outcome.study.trials if t.state == "failed"]
    assert failed
    assert all(t.params["block_size"] == 16 and "No common block size" in t.ending.reason for t in failed)


def test_a_limit_that_the_default_breaks_decides(tmp_path: Path) -> None:
    outcome, _ = tuned(tmp_path, (Constraint("tpot_p99_ms", upper=5.0),), gain=0.0)
    assert outcome.verdict.recommendation == "change"
    assert outcome.best.params["max_num_seqs"] == 32
    assert "default breaks" in outcome.verdict.reason


def test_no_change_is_recommended_where_nothing_is_better(tmp_path: Path) -> None:
    outcome, _ = tuned(tmp_path, gain=0.0, noise=0.05)
    assert outcome.verdict.recommendation == "no change"


def test_an_objective_that_cannot_be_measured_is_said_once(tmp_path: Path) -> None:
    plan = TuningPlan("model", objective_named("output_tok_per_joule"), trials=3)
    tuning = Tuning(plan, SimulatedTarget(tmp_path), SPACE, say=lambda line: None)
    with pytest.raises(InvalidSpecification, match="NVML"):
        tuning.run()


def test_the_guard_of_lossy_knobs_is_a_limit_that_the_default_meets(tmp_path: Path) -> None:
    class Guarded(SimulatedTarget):
        """Small blocks change what the model says."""

        def measure(self, params: Any, **more: Any) -> Attempt:
            return replace(
                super().measure(params, **more), agreement=0.5 if params["block_size"] < 64 else 1.0
            )

    target = Guarded(tmp_path)
    target.settings = replace(target.settings, guard=True)
    plan = TuningPlan("model", objective_named("output_tok_s"), trials=11, budget_s=5000)
    outcome = Tuning(plan, target, SPACE, say=lambda line: None).run()
    assert outcome.verdict.recommendation == "change"
    assert outcome.best is not None
    assert outcome.best.params["block_size"] == 64


def test_nothing_feasible_is_said_so(tmp_path: Path) -> None:
    outcome, _ = tuned(tmp_path, (Constraint("tpot_p99_ms", upper=0.1),))
    assert outcome.verdict.recommendation == "no feasible configuration"


def test_a_limit_that_is_missed_within_the_noise_is_verified_where_nothing_is_feasible(
    tmp_path: Path,
) -> None:
    limits = (Constraint("tpot_p99_ms", upper=3.15), Constraint("output_tok_s", lower=50.0))
    outcome, target = tuned(tmp_path, limits)  # 32 sequences: 3.2 ms; 8: slower than the second limit
    assert outcome.best.params["max_num_seqs"] == 32
    assert sum(c.startswith("ordinary") for c in target.commands) >= 6
    assert outcome.verdict.recommendation == "no feasible configuration"
    assert "verified, the candidate breaks tpot_p99_ms <= 3.15" in outcome.verdict.reason


def test_a_single_pair_has_no_interval() -> None:
    objective = objective_named("output_tok_s")
    assert str(gain_of(objective, [100.0], [150.0])) == "×1.50 (one pair: no interval)"


def test_a_search_that_leaves_time_to_the_verification_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    plan = TuningPlan("model", objective_named("output_tok_s"), trials=11, budget_s=400)

    def say(line: str) -> None:
        lines.append(line)
        if line.startswith("trial 1"):
            for _ in range(2):
                tuning.clock.took(1000.0)

    tuning = Tuning(plan, SimulatedTarget(tmp_path, gain=-0.2), SPACE, say=say)
    tuning.run()
    assert "search: ended after 1 trial, because another one and its verification take about" in "\n".join(
        lines
    )


def test_an_interrupted_tuning_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first, _ = tuned(tmp_path, trials=3)
    before = len(first.study.trials)
    used = TuningState.read(tmp_path / "tuning.json")
    second, target = tuned(tmp_path, trials=6)
    assert used.default[0] == TuningState.read(tmp_path / "tuning.json").default[0]
    assert sum(t.source not in ("default", ABLATION) for t in second.study.trials) == 6
    assert len(second.study.trials) > before
    assert not any(c == "fork vllm serve model" for c in target.commands[:2])


def test_an_interrupt_passes_and_keeps_the_state(tmp_path: Path) -> None:
    target = SimulatedTarget(tmp_path)
    plan = TuningPlan("model", objective_named("output_tok_s"), trials=5, budget_s=5000)

    def say(line: str) -> None:
        if line.startswith("trial 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tuning(plan, target, SPACE, say=say).run()
    assert len(TuningState.read(tmp_path / "tuning.json").default) == 3


def test_a_default_beside_takes_the_machines_slowness_out_of_a_result() -> None:
    slow, fast = (
        LoadResult({"output_tok_s": 60.0, "ttft_p99_ms": 40.0}),
        LoadResult({"output_tok_s": 120.0, "ttft_p99_ms": 20.0}),
    )
    default = (
        LoadResult({"output_tok_s": 50.0, "ttft_p99_ms": 80.0}),
        LoadResult({"output_tok_s": 100.0, "ttft_p99_ms": 40.0}),
    )
    attempt = Attempt("c", "fork", results=(slow, fast), beside=default, scale={"output_tok_s": 200.0})
    assert attempt.ratios() == pytest.approx({"output_tok_s": 1.2, "ttft_p99_ms": 0.5})
    assert attempt.mean()["output_tok_s"] == pytest.approx(240.0)
    assert attempt.mean()["ttft_p99_ms"] == 30.0  # not on the scale: as measured
    assert spread([60.0, 120.0], [50.0, 100.0]) < 1e-12 < spread([60.0, 120.0])


def test_a_load_that_cannot_win_any_more_is_stopped_and_told_as_the_most_that_it_can_be(
    tmp_path: Path,
) -> None:
    class Patient(SimulatedTarget):
        """Loads take as long as their speed says; eight sequences are far too slow."""

        cut: list[float]

        def measure(self, params: Any, *, enough_s: float | None = None, **more: Any) -> Attempt:
            attempt = super().measure(params, **more)
            if attempt.failure is None and enough_s is not None:
                took = 500.0 / attempt.results[0].metrics["output_tok_s"]
                if took > enough_s:
                    self.cut.append(enough_s)
                    return replace(attempt, results=(), cut_s=enough_s)
            return attempt

    target = Patient(tmp_path)
    target.cut = []
    plan = TuningPlan("model", objective_named("output_tok_s"), trials=11, budget_s=5000)
    said: list[str] = []
    outcome = Tuning(plan, target, SPACE, say=said.append).run()
    slow = [t for t in outcome.study.trials if t.measurement and "cut_off_s" in t.measurement.metrics]
    assert outcome.verdict.recommendation == "change"
    assert slow
    assert {t.params["max_num_seqs"] for t in slow} == {8}
    assert len(slow) == len(target.cut)
    assert all(5.0 < s < 20.0 for s in target.cut)
    true = [100 * (1 + 0.5 * (128 - int(str(t.params["block_size"]))) / 96) * 0.3 for t in slow]
    assert all(speed <= (t.value or 0.0) < 100 for t, speed in zip(slow, true, strict=True))
    assert any("cut off after" in line for line in said)


@pytest.mark.parametrize(
    ("objective", "workload"),
    [
        ("ttft_p99_ms", "chat"),
        ("output_tok_per_cpu_s", "chat"),
        ("output_tok_s", "random:input=8,output=8,rate=5"),
    ],
)
def test_loads_are_not_cut_off_where_their_length_says_nothing(
    objective: str, workload: str, tmp_path: Path
) -> None:
    target = SimulatedTarget(tmp_path)
    target.settings = replace(target.settings, workload=Workload.parse(workload))
    state = TuningState(default=[{objective: 50.0, "duration_s": 5.0}] * 3)
    plan = TuningPlan("model", objective_named(objective))
    assert Measures(plan, target, state).enough_s(100.0) is None


def test_loads_are_cut_off_for_a_throughput_alone_and_not_beside_other_objectives(tmp_path: Path) -> None:
    state = TuningState(default=[{"output_tok_s": 50.0, "duration_s": 5.0}] * 3)
    alone = TuningPlan("model", objective_named("output_tok_s"))
    several = replace(alone, extra_objectives=(objective_named("tpot_p99_ms"),))
    found = [Measures(p, SimulatedTarget(tmp_path), state).enough_s(50.0) for p in (alone, several)]
    assert found[0] is not None
    assert found[1] is None


def test_a_search_begins_with_estimates(tmp_path: Path) -> None:
    def expected(params: Any) -> dict[str, float]:
        speed = (200.0 if params["block_size"] == 32 else 50.0) * (1.0 if params["max_num_seqs"] > 8 else 0.3)
        return {"output_tok_s": speed, "tpot_p99_ms": float(params["max_num_seqs"])}

    target = SimulatedTarget(tmp_path)
    plan = TuningPlan(
        "model", objective_named("output_tok_s"), (Constraint("tpot_p99_ms", upper=5.0),), trials=1
    )
    tuning = Tuning(plan, target, SPACE, say=lambda line: None, expected=expected)
    tuning.measure_default()
    study = tuning._study()
    tuning.search(study)
    assert study.trials[1].params == {"max_num_seqs": 32, "block_size": 32}
