import pytest
from contracts.planner import problem
from contracts.strategy import StrategyContract, play

import trialogue as tl
from trialogue.agent.planner.planner import Planner
from trialogue.agent.strategies.by_name import strategy_for
from trialogue.agent.strategies.hybrid import TrialogueStrategy
from trialogue.agent.strategies.simple import RandomStrategy, SurrogateStrategy
from trialogue.serving.errors import InvalidInput
from trialogue.serving.scripted.behaviours import nearest_neighbour, uniform
from trialogue.serving.scripted.server import ScriptedServer


class TestRandomStrategy(StrategyContract):
    @pytest.fixture
    def make(self):
        return RandomStrategy


class TestSurrogateStrategy(StrategyContract):
    @pytest.fixture
    def make(self):
        return SurrogateStrategy


class TestTrialogueStrategy(StrategyContract):
    @pytest.fixture
    def make(self):
        with ScriptedServer(nearest_neighbour) as server:
            yield lambda problem, seed: TrialogueStrategy(problem, seed, planner=Planner(server.url))


def test_names_become_strategies():
    planner = Planner("http://127.0.0.1:9/v1#none")
    assert strategy_for(problem(), seed=0).name == "surrogate"
    assert strategy_for(problem(), seed=0, planner=planner).name == "trialogue"
    assert strategy_for(problem(), seed=0, planner=planner, strategy="surrogate").name == "surrogate"
    assert strategy_for(problem(), seed=0, strategy="random").name == "random"
    assert strategy_for(problem(), seed=0, planner=planner, strategy="llambo").name == "llambo"


@pytest.mark.parametrize(
    ("name", "says"),
    [("bayes", "must be one of"), ("trialogue", "needs a model"), ("llambo", "needs a model")],
)
def test_a_name_that_cannot_be_used_is_refused_with_the_cure(name, says):
    with pytest.raises(tl.TrialogueError, match=says):
        strategy_for(problem(), seed=0, strategy=name)


def test_the_surrogate_starts_with_the_default():
    assert play(SurrogateStrategy(problem(), 0), 1)[0].source == "default"


def test_a_model_that_knows_nothing_still_leads_to_a_good_end():
    with ScriptedServer(uniform) as server:
        decisions = play(TrialogueStrategy(problem(), 0, planner=Planner(server.url)), 20)
    assert {"kept", "replaced"} & {d.verdict for d in decisions}


@pytest.mark.parametrize("name", ["forest", "infinite-network", "portfolio"])
def test_another_model_of_the_objective_can_be_named(name):
    decisions = play(strategy_for(problem(), seed=0, strategy=f"surrogate:{name}"), 8)
    assert len({problem().space.key(d.params) for d in decisions}) == 8


def test_an_unknown_model_of_the_objective_is_refused():
    with pytest.raises(InvalidInput, match=r"one of gp, botorch, .*got 'oracle'"):
        strategy_for(problem(), seed=0, strategy="surrogate:oracle")
