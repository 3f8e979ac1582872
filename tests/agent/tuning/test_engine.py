"""The engine that knows what trials cost: every engine's contract, scores per second, and planners held against them."""

from pathlib import Path

import numpy as np
import pytest

from tests.agent.tuning.test_tuner import SPACE, SimulatedTarget
from tests.contracts.engine import EngineContract, finished
from trialogue.agent.strategies.simple import default_engine
from trialogue.agent.tuning.engine import CostAwareEngine
from trialogue.agent.tuning.odds import Harder
from trialogue.agent.tuning.plan import TuningPlan
from trialogue.agent.tuning.tuner import Tuning
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, Params
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.serving.scripted import behaviours as scripted
from trialogue.serving.scripted.server import ScriptedServer
from trialogue.surrogates.contracts import Engine

KNOBS = SearchSpace([Categorical(n, [1, 2, 4, 8], default=2, ordered=True) for n in ("users", "block")])
PROBLEM = Problem("p", KNOBS, [Objective("tok", "maximize")])


class TestCostAwareEngine(EngineContract):
    def make(self, problem: Problem) -> Engine:
        return CostAwareEngine(problem, lambda params: 1.0 + len(params))


def test_scores_are_per_second_and_count_the_odds_of_running() -> None:
    ran: list[Params] = [{"users": u, "block": b} for u, b in ((2, 2), (2, 1), (4, 2), (2, 4))]
    history = History(PROBLEM).extended(
        finished=[FinishedTrial(i, p, Measurement([float(i)])) for i, p in enumerate(ran)],
        failed=[FailedTrial(4, {"users": 4, "block": 1}, "out_of_memory", "memory")],
    )
    cheap, dear, strained = ({"users": u, "block": b} for u, b in ((1, 1), (1, 8), (8, 1)))
    engine = CostAwareEngine(PROBLEM, lambda p: 20.0 if p["block"] == 8 else 1.0, harder={"users": Harder()})
    plain = (
        default_engine(PROBLEM).condition(history, np.random.default_rng(0)).assess([cheap, dear, strained])
    )
    priced = engine.condition(history, np.random.default_rng(0)).assess([cheap, dear, strained])
    gained = [b.log_acquisition - a.log_acquisition for a, b in zip(plain, priced, strict=True)]
    assert gained[1] - gained[0] == pytest.approx(-np.log(20.0), abs=0.2)
    assert gained[2] - gained[0] < -5.0
    assert [a.prediction for a in plain] == [b.prediction for b in priced]


def test_suggestions_of_batches_stand_on_the_same_scale() -> None:
    history = finished(PROBLEM, 6, lambda p: p["users"] + p["block"])
    priced = CostAwareEngine(PROBLEM, lambda p: 40.0).condition(history, np.random.default_rng(0))
    plain = default_engine(PROBLEM).condition(history, np.random.default_rng(0))
    both = zip(
        priced.suggest(3, np.random.default_rng(1)), plain.suggest(3, np.random.default_rng(1)), strict=True
    )
    for a, b in both:
        assert a.params == b.params
        assert a.assessment is not None
        assert b.assessment is not None
        assert a.assessment.log_acquisition == pytest.approx(b.assessment.log_acquisition - np.log(40.0))


def test_a_planner_that_talks_nonsense_leaves_a_tuning_as_it_is(tmp_path: Path) -> None:
    def tuned(name: str, planner: str | None) -> list[tuple[Params, str]]:
        (tmp_path / name).mkdir()
        plan = TuningPlan("model", objective_named("output_tok_s"), trials=9, budget_s=5000, planner=planner)
        target = SimulatedTarget(tmp_path / name)
        outcome = Tuning(plan, target, SPACE, say=lambda _: None).run()
        return [(t.params, t.reason) for t in outcome.study.trials]

    with ScriptedServer(scripted.garbage) as server:
        planned = tuned("planned", server.url)
    assert planned == tuned("alone", None)
    assert any("per second" in reason for _, reason in planned)
