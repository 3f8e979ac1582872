"""The conformal referee: what is good is kept, what is bad is not, and studies use it where their planner says so."""

import numpy as np
import pytest
from contracts.referee import RefereeContract

import trialogue as tl
from trialogue.agent.contracts import Case
from trialogue.agent.referee.conformal import ConformalReferee
from trialogue.agent.strategies.by_name import strategy_for
from trialogue.agent.strategies.hybrid import TrialogueStrategy
from trialogue.agent.strategies.simple import default_engine
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, Proposal
from trialogue.serving.scripted.behaviours import uniform
from trialogue.serving.scripted.server import ScriptedServer

PROBLEM = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)]))


def judged(*proposed: dict[str, float], failed: bool = False) -> list[bool]:
    rng = np.random.default_rng(0)
    drawn = PROBLEM.space.sample(rng, 40)
    drawn += [{"x": 0.65 + 0.01 * i, "y": 0.1 * i} for i in range(8)]  # the engine has come near
    trials = [
        FinishedTrial(i, p, tl.Measurement((float(p["x"] or 0) - 0.8) ** 2)) for i, p in enumerate(drawn)
    ]
    crashed = [FailedTrial(99, {"x": 0.8, "y": 0.5}, "crash", "…")] * 20 if failed else []
    history = History(PROBLEM).extended(finished=trials, failed=crashed)
    belief = default_engine(PROBLEM).condition(history, rng)
    (suggestion,) = belief.suggest(1, rng)
    proposals = [Proposal(p, "planner:x") for p in proposed]
    verdicts = ConformalReferee().judge(Case(proposals, belief, suggestion, history))
    assert all("p = " in v.reason for v in verdicts)
    return [v.kept for v in verdicts]


def test_what_looks_better_than_the_engines_trials_is_kept() -> None:
    assert judged({"x": 0.8, "y": 0.2}, {"x": 0.78, "y": 0.7}) == [True, True]
    assert judged({"x": 0.3, "y": 0.2}, {"x": 0.35, "y": 0.7}) == [False, False]


def test_what_failed_is_no_discovery() -> None:
    assert judged({"x": 0.8, "y": 0.5}, failed=True) == [False]


def test_a_study_takes_the_referee_that_its_planner_names() -> None:
    with ScriptedServer({"m": uniform}) as server:
        spec = f"{server.url}#m;referee=conformal"
        with tl.Study(PROBLEM, planner=spec, seed=0) as study:
            study.run(lambda p: (float(p["x"]) - 0.8) ** 2, n_trials=12)
            assert isinstance(study.strategy, TrialogueStrategy)
            reasons = [p["answer"] for t in study.trials for p in t.proposals]
            assert any("false-discovery rate" in r for r in reasons)
    assert strategy_for(PROBLEM, seed=0, strategy="surrogate", referee="conformal").name == "surrogate"


class TestConformal(RefereeContract):
    @pytest.fixture
    def referee(self) -> ConformalReferee:
        return ConformalReferee()
