"""A study's planner: opened once, whatever happens to the budget, and ended by whoever opened it."""

from collections.abc import Callable

import pytest
from contracts.planner import problem, value

import trialogue as tl
from trialogue.agent.contracts import AbstractPlanner, Ask, Decision, Plan, PlanAnswer
from trialogue.agent.planner.by_name import SharedPlanner
from trialogue.agent.verbs.context import set_budget
from trialogue.evaluators.problems.history import Proposal
from trialogue.serving.scripted.behaviours import uniform
from trialogue.serving.scripted.server import ScriptedServer


class Opened(AbstractPlanner):
    """A planner that knows whether it was closed."""

    name = "opened"

    def __init__(self) -> None:
        self.closed = 0

    def propose(self, request) -> PlanAnswer:
        assert not self.closed
        drawn = request.history.problem.space.sample(request.rng, request.n)
        return PlanAnswer(tuple(Proposal(p, "planner:opened") for p in drawn))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def planners() -> list[Opened]:
    return []


@pytest.fixture
def open_planner(planners) -> Callable[[object], Opened]:
    def opened(spec: object) -> Opened:
        planners.append(Opened())
        return planners[-1]

    return opened


def test_another_budget_leaves_strategy_and_planner_as_they_are() -> None:
    with ScriptedServer(uniform) as server:
        study = tl.Study(problem(), planner=server.url, budget=tl.Budget(trials=30))
        before = study.strategy
        study.budget = tl.Budget(trials=40, tokens=1_000)
        set_budget(study, tl.Budget(trials=50))
        assert study.strategy is before


def test_limits_reach_the_strategy_with_each_ask() -> None:
    asks: list[Ask] = []

    class Noting:
        name = "noting"

        def plan(self, ask: Ask) -> Plan:
            asks.append(ask)
            params = ask.history.problem.space.sample(tl_rng(len(asks)), 1)[0]
            return Plan((Decision(params, "random", "drawn", "own"),))

    study = tl.Study(problem(), strategy=Noting(), budget=tl.Budget(trials=3))
    study.ask()
    study.budget = tl.Budget(tokens=7)
    study.ask()
    assert [a.limits for a in asks] == [tl.Budget(trials=3), tl.Budget(tokens=7)]


def test_a_smaller_token_budget_silences_a_planner_that_is_open_already() -> None:
    with ScriptedServer(uniform) as server:
        study = tl.Study(problem(), planner=server.url, seed=1)
        study.run(value, n_trials=6)
        used = study.spent.calls
        assert used
        study.budget = tl.Budget(tokens=study.spent.tokens)
        study.run(value, n_trials=6)
        assert study.spent.calls == used
        assert any("budget" in note for t in study.trials for note in t.notes)


def test_a_planner_is_opened_when_it_is_needed_and_closed_with_the_study(planners, open_planner) -> None:
    shared = SharedPlanner("vllm:some-model", opened=open_planner)
    with tl.Study(problem(), planner=shared) as study:
        assert not planners
        study.run(value, n_trials=5)
        assert [p.closed for p in planners] == [0]
    assert [p.closed for p in planners] == [1]
    study.close()
    assert [p.closed for p in planners] == [1]


def test_a_study_used_after_its_end_opens_its_planner_anew(planners, open_planner) -> None:
    study = tl.Study(problem(), planner=SharedPlanner("vllm:some-model", opened=open_planner))
    study.run(value, n_trials=5)
    study.close()
    study.run(value, n_trials=3)
    assert [p.closed for p in planners] == [1, 0]


def test_a_fork_shares_the_planner_and_the_last_of_both_ends_it(planners, open_planner) -> None:
    study = tl.Study(problem(), name="a", planner=SharedPlanner("vllm:some-model", opened=open_planner))
    study.run(value, n_trials=5)
    fork = study.fork("b", problem=problem())
    fork.run(value, n_trials=3)
    study.close()
    assert [p.closed for p in planners] == [0]
    fork.run(value, n_trials=3)
    fork.close()
    assert [p.closed for p in planners] == [1]


def test_a_planner_that_the_user_made_is_the_users_to_close(planners) -> None:
    planner = Opened()
    with tl.Study(problem(), planner=planner) as study:
        study.run(value, n_trials=5)
    assert planner.closed == 0


def test_a_strategy_without_a_model_opens_no_planner(planners, open_planner) -> None:
    shared = SharedPlanner("vllm:some-model", opened=open_planner)
    tl.Study(problem(), planner=shared, strategy="random").run(value, n_trials=2)
    tl.Study(problem(), planner=shared, strategy="surrogate").run(value, n_trials=2)
    assert not planners


def tl_rng(seed: int):
    import numpy as np

    return np.random.default_rng(seed)
