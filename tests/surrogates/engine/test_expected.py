"""An engine that was told what to expect: it begins there, corrects a bias at once, and unlearns what is wrong."""

import numpy as np

from trialogue.agent.strategies.simple import default_engine
from trialogue.evaluators.problems.history import FinishedTrial, History, Params
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Constraint, Objective, Problem
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.surrogates.contracts import Assessment, Belief
from trialogue.surrogates.engine.expected import Expected, ExpectingEngine

SPACE = SearchSpace([Categorical(n, [1, 2, 4, 8, 16], ordered=True) for n in ("tp", "users")])
PROBLEM = Problem("p", SPACE, [Objective("tok", "maximize")], [Constraint("ms", upper=20.0)])
EVERYTHING = [{"tp": tp, "users": u} for tp in (1, 2, 4, 8, 16) for u in (1, 2, 4, 8, 16)]


def truth(params: Params) -> dict[str, float]:
    return {"tok": 100.0 * params["users"] / params["tp"] ** 0.5, "ms": 10.0 * params["users"] / params["tp"]}


def wrong(params: Params) -> dict[str, float]:
    return {name: 1000.0 / value for name, value in truth(params).items()}


def after(tried: list[Params], expected: Expected) -> Belief:
    trials = [
        FinishedTrial(i, p, Measurement(2.0 * truth(p)["tok"], constraints={"ms": truth(p)["ms"]}))
        for i, p in enumerate(tried)
    ]
    engine = ExpectingEngine(PROBLEM, expected, default_engine(PROBLEM))
    return engine.condition(History(PROBLEM).extended(finished=trials), np.random.default_rng(0))


def best(belief: Belief) -> tuple[Params, Assessment]:
    assessed = belief.assess(EVERYTHING)
    top = int(np.argmax([a.log_acquisition for a in assessed]))
    return EVERYTHING[top], assessed[top]


def test_the_search_begins_where_the_best_is_expected() -> None:
    params, assessment = best(after([], truth))
    assert truth(params)["ms"] <= 10.0  # further from the limit than an estimate is sure of
    assert truth(params)["tok"] >= 200.0
    assert assessment.prediction.p_feasible > 0.5


def test_a_bias_is_corrected_by_one_trial() -> None:
    belief = after([{"tp": 4, "users": 4}], truth)
    (there,) = belief.assess([{"tp": 8, "users": 8}])
    assert abs(there.prediction.mean[0] / (2.0 * truth({"tp": 8, "users": 8})["tok"]) - 1.0) < 0.1


def test_wrong_estimates_are_unlearnt() -> None:
    tried: list[Params] = [
        {"tp": 1, "users": 1},
        {"tp": 16, "users": 1},
        {"tp": 1, "users": 16},
        {"tp": 4, "users": 4},
    ]
    at = {"tp": 16, "users": 16}
    for n, most in ((1, np.inf), (4, 2.5)):
        (there,) = after(tried[:n], wrong).assess([at])
        error = abs(np.log(there.prediction.mean[0] / (2.0 * truth(at)["tok"])))
        assert error < most
    assert best(after(tried, wrong))[0]["users"] > 2


def test_what_nobody_estimates_is_still_modelled() -> None:
    belief = after([{"tp": 1, "users": u} for u in (1, 2, 4)], lambda p: None)
    low, high = belief.assess([{"tp": 1, "users": 1}, {"tp": 1, "users": 4}])
    assert high.prediction.mean[0] > 2 * low.prediction.mean[0]


def test_several_objectives_are_left_to_the_inner_engine() -> None:
    problem = Problem("p", SPACE, [Objective("tok", "maximize"), Objective("ms", "minimize")])
    belief = ExpectingEngine(problem, truth, default_engine(problem)).condition(
        History(problem), np.random.default_rng(0)
    )
    assert not belief.modelled


def test_nothing_need_be_limited() -> None:
    problem = Problem("p", SPACE, [Objective("tok", "maximize")])
    engine = ExpectingEngine(problem, truth, default_engine(problem))
    trials = [FinishedTrial(i, p, Measurement(truth(p)["tok"])) for i, p in enumerate(EVERYTHING[:2])]
    for history in (History(problem), History(problem).extended(finished=trials)):
        belief = engine.condition(history, np.random.default_rng(0))
        assert best(belief)[0] == {"tp": 1, "users": 16}
