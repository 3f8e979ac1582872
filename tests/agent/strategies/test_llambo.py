import numpy as np
import pytest
from contracts.planner import problem, value
from contracts.strategy import StrategyContract, play

import trialogue as tl
from trialogue.agent.contracts import AbstractPlanner, Ask
from trialogue.agent.planner.planner import Planner
from trialogue.agent.strategies.by_name import strategy_for
from trialogue.agent.strategies.llambo import LlamboSettings, LlamboStrategy, expected_improvement
from trialogue.evaluators.problems.history import History
from trialogue.serving.scripted.behaviours import garbage, in_context_learner
from trialogue.serving.scripted.server import ScriptedServer

FEW = LlamboSettings(initial=4, candidates=4, samples=2)


class TestLlamboStrategy(StrategyContract):
    @pytest.fixture
    def make(self):
        with ScriptedServer(in_context_learner) as server:
            yield lambda problem, seed: LlamboStrategy(
                problem, seed, planner=Planner(server.url), settings=FEW
            )


@pytest.mark.parametrize("mode", ["discriminative", "generative"])
def test_the_loop_runs_end_to_end(mode):
    with ScriptedServer(in_context_learner) as server:
        settings = LlamboSettings(initial=4, candidates=4, samples=2, mode=mode)
        decisions = play(LlamboStrategy(problem(), 0, planner=Planner(server.url), settings=settings), 9)
    assert [d.source for d in decisions[:2]] == ["default", "planner:scripted"]
    assert decisions[1].reason == "zero-shot warm start"
    assert "expected improvement" in decisions[-1].reason
    losses = [value(d.params) for d in decisions]
    assert min(losses[4:]) < losses[0]


@pytest.mark.parametrize(
    "measure", [lambda p: -1e9 * value(p) - 5, lambda p: 0.0, lambda p: 1.0, lambda p: 1e-9 * value(p)]
)
def test_no_objective_can_make_it_hang(measure):
    with ScriptedServer(in_context_learner) as server:
        strategy = LlamboStrategy(problem(), 0, planner=Planner(server.url), settings=FEW)
        assert len(play(strategy, 7, measure=measure)) == 7


def test_with_garbage_it_goes_on_at_random_and_says_so():
    with ScriptedServer(garbage) as server:
        decisions = play(LlamboStrategy(problem(), 0, planner=Planner(server.url), settings=FEW), 8)
        assert len(server.requests) < 30
    assert {d.verdict for d in decisions[1:]} == {"fallback"}


def test_every_token_is_on_the_account():
    with ScriptedServer(in_context_learner) as server:
        strategy = LlamboStrategy(problem(), 0, planner=Planner(server.url), settings=FEW)
        calls = strategy.plan(Ask(History(problem()), 0)).calls
        assert calls == ()
        play(strategy, 3)


def test_candidates_are_asked_as_in_the_release_each_template_for_a_target_of_its_own():
    with ScriptedServer(in_context_learner) as server:
        strategy = LlamboStrategy(problem(), 0, planner=Planner(server.url), settings=FEW)
        play(strategy, 5)
        asked = [r for r in server.requests if r.get("temperature") == 0.8]
        scored = [r for r in server.requests if r.get("temperature") == 0.7 and r.get("top_p") == 0.95]
    assert len(asked) == 2
    assert {r["top_p"] for r in asked} == {0.95}
    assert scored
    assert asked[0]["messages"][-1]["content"] != asked[1]["messages"][-1]["content"]


def test_both_surrogates_have_names():
    with ScriptedServer(in_context_learner) as server:
        for name, mode in (("llambo", "discriminative"), ("llambo:generative", "generative")):
            made = strategy_for(problem(), seed=0, planner=Planner(server.url), strategy=name)
            assert isinstance(made, LlamboStrategy)
            assert made._settings.mode == mode
    with pytest.raises(tl.TrialogueError, match="needs a model") as refusal:
        tl.Study(problem(), strategy="llambo:generative")
    assert "embedded" not in str(refusal.value)  # which this strategy refuses


def test_it_needs_a_chat_endpoint():
    class Embedded(AbstractPlanner):
        name = "embedded"

        def propose(self, request):
            raise NotImplementedError

    with pytest.raises(tl.TrialogueError, match="chat endpoint"):
        LlamboStrategy(problem(), 0, planner=Embedded())


def test_expected_improvement_agrees_with_simulation():
    mean, sd, best = np.array([0.2, -1.0]), np.array([0.5, 1.5]), 0.3
    draws = np.random.default_rng(0).normal(mean, sd, (400_000, 2))
    np.testing.assert_allclose(
        expected_improvement(mean, sd, best), np.maximum(draws - best, 0).mean(0), rtol=0.02
    )
