"""What is learnt from failures where some knobs ask for more, and what the strategy makes of it."""

import pytest

from trialogue.agent.contracts import Ask
from trialogue.agent.strategies.simple import SurrogateStrategy
from trialogue.agent.tuning.engine import CostAwareEngine
from trialogue.agent.tuning.odds import Harder, Odds
from trialogue.evaluators.errors import FailureKind
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, Params
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace

LEVELS = [1, 2, 4, 8, 16]
SPACE = SearchSpace([Categorical("gpu", ["a", "b", "c"]), Categorical("users", LEVELS, ordered=True)])
PROBLEM = Problem("p", SPACE, [Objective("tok", "maximize")])
LOAD = {"users": Harder.load()}


def history(
    problem: Problem, ran: list[Params], failed: list[Params], kind: FailureKind = "crash"
) -> History:
    return History(problem).extended(
        finished=[FinishedTrial(i, p, Measurement(float(i))) for i, p in enumerate(ran)],
        failed=[FailedTrial(100 + i, p, kind, "requests failed") for i, p in enumerate(failed)],
    )


def at(gpu: str, users: int) -> Params:
    return {"gpu": gpu, "users": users}


def test_less_than_what_ran_is_safe_and_more_than_what_failed_is_doomed() -> None:
    odds = Odds(history(PROBLEM, [at("a", 4)], [at("b", 8)]), LOAD)
    assert odds.runs(at("a", 2)) > 0.9
    assert odds.runs(at("b", 16)) < 0.1
    assert odds.runs(at("a", 4)) > odds.runs(at("a", 8)) > odds.runs(at("a", 16))
    assert odds.runs(at("b", 1)) > odds.runs(at("b", 4)) > odds.runs(at("b", 8))


def test_a_failure_on_one_ladder_warns_of_the_same_step_on_others() -> None:
    before = Odds(history(PROBLEM, [at("a", 4)], []), LOAD)
    after = Odds(history(PROBLEM, [at("a", 4), at("b", 4)], [at("a", 8), at("b", 8)]), LOAD)
    assert after.runs(at("c", 8)) < before.runs(at("c", 8))
    assert after.runs(at("c", 4)) > 0.7 > 0.6 > after.runs(at("c", 8))


def test_an_order_that_was_wrong_is_trusted_less_and_shares_count_instead() -> None:
    wrong = history(PROBLEM, [at("a", 4), at("b", 4)], [at("a", 1), at("b", 1), at("a", 2), at("b", 2)])
    odds = Odds(wrong.extended(finished=[FinishedTrial(9, at("c", 4), Measurement(1.0))]), LOAD)
    assert odds.runs(at("c", 1)) < 0.6
    assert odds.runs(at("c", 1)) < odds.runs(at("c", 4))


def test_several_knobs_dominate_together() -> None:
    space = SearchSpace(
        [
            Categorical("share", [0.8, 0.9, 0.95], ordered=True),
            Categorical("parallel", [1, 2, 4], ordered=True),
            Categorical("other", ["x", "y"]),
        ]
    )
    problem = Problem("p", space, [Objective("tok", "maximize")])
    harder = {"share": Harder(), "parallel": Harder(-1)}
    failed = {"share": 0.9, "parallel": 2, "other": "x"}
    odds = Odds(history(problem, [], [failed], "out_of_memory"), harder)
    assert odds.runs({"share": 0.95, "parallel": 1, "other": "x"}) < 0.1
    assert odds.runs({"share": 0.95, "parallel": 1, "other": "y"}) < odds.runs(
        {"share": 0.8, "parallel": 4, "other": "y"}
    )


def test_failures_of_the_infrastructure_are_not_counted() -> None:
    odds = Odds(history(PROBLEM, [at("a", 4)], [at("a", 1)], "infrastructure"), {"users": Harder()})
    assert not odds.known
    assert odds.runs(at("a", 1)) > 0.9
    assert Odds(history(PROBLEM, [at("a", 4)], []), {}).runs(at("a", 8)) == 1.0


def test_what_is_not_supported_is_blamed_on_a_value_that_never_ran() -> None:
    odds = Odds(history(PROBLEM, [at("a", 4), at("a", 8)], [at("b", 4)], "invalid"), {})
    assert odds.known
    assert odds.runs(at("b", 16)) == pytest.approx(0.1)
    assert odds.runs(at("c", 4)) == odds.runs(at("a", 8)) == 1.0
    two = Odds(history(PROBLEM, [at("a", 4)], [at("b", 8), at("b", 16)], "invalid"), {})
    assert two.runs(at("b", 4)) < two.runs(at("c", 8)) < 1.0  # b explains both failures, 8 one
    both_ran = Odds(history(PROBLEM, [at("a", 4), at("b", 8)], [at("b", 4)], "invalid"), {})
    assert both_ran.runs(at("b", 8)) == 1.0


@pytest.mark.parametrize("reason", ["No common users for 16", "error: --users 16", "Users (16) is too much"])
def test_a_message_that_names_knobs_tells_the_cause(reason: str) -> None:
    told = History(PROBLEM).extended(
        finished=[FinishedTrial(0, at("a", 4), Measurement(1.0))],
        failed=[FailedTrial(1, at("b", 16), "invalid", reason)],
    )
    odds = Odds(told, {})
    assert odds.runs(at("c", 16)) == pytest.approx(0.1)
    assert odds.runs(at("b", 8)) == 1.0
    both = told.extended(failed=[FailedTrial(2, at("c", 4), "invalid", "users 4 needs another gpu")])
    assert Odds(both, {}).runs(at("c", 4)) == pytest.approx(0.1)
    assert Odds(both, {}).runs(at("b", 4)) == Odds(both, {}).runs(at("c", 8)) == 1.0


def test_a_load_is_not_raised_before_anything_ran_there() -> None:
    strategy = SurrogateStrategy(PROBLEM, 0, engine=CostAwareEngine(PROBLEM, lambda p: 1.0, harder=LOAD))
    plan = strategy.plan(Ask(history(PROBLEM, [at("a", 4)], [at("a", 8)]), 2))
    assert plan.decisions[0].params["users"] in (1, 2, 4)
    assert plan.decisions[0].params["gpu"] != "a"


def test_a_large_space_is_searched_by_cost_and_odds_too() -> None:
    knobs = [Categorical(f"k{i}", [0, 1, 2, 3, 4], ordered=True) for i in range(6)]
    problem = Problem("p", SearchSpace(knobs), [Objective("tok", "maximize")])
    assert problem.space.size is not None
    assert problem.space.size > 3000
    base: dict[str, int] = {k.name: 2 for k in knobs}
    rows: list[Params] = [base, *({**base, f"k{i}": 3} for i in range(4))]
    failing: list[Params] = [{**base, "k5": 3, "k4": i} for i in (1, 2, 3)]
    engine = CostAwareEngine(problem, lambda p: 1.0 if p["k0"] == 2 else 50.0, harder={"k5": Harder()})
    strategy = SurrogateStrategy(problem, 0, engine=engine)
    told = history(problem, rows, failing, "out_of_memory")
    params = strategy.plan(Ask(told, len(told))).decisions[0].params
    assert params["k0"] == 2  # the others cost fifty times as much
    assert int(str(params["k5"])) <= 2
    assert problem.space.key(params) not in told.taken
