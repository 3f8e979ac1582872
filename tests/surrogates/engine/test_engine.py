import numpy as np

import trialogue as tl
from tests.contracts.engine import MIXED, EngineContract, finished
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Constraint, Objective, Problem
from trialogue.surrogates.alternatives.gaussian import GaussianSurrogate, InfiniteNetworkSurrogate
from trialogue.surrogates.alternatives.portfolio import Portfolio
from trialogue.surrogates.engine.engine import GaussianEngine


class TestGaussianEngine(EngineContract):
    def make(self, problem: Problem) -> GaussianEngine:
        return GaussianEngine(problem)


UNIT = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)])


def belief_of(history: History) -> object:
    return GaussianEngine(history.problem).condition(history, np.random.default_rng(0))


def test_failures_lower_the_probability_where_they_happened() -> None:
    problem = Problem("p", UNIT)
    drawn = UNIT.sample(np.random.default_rng(0), 30)
    good = [FinishedTrial(i, p, Measurement(p["y"])) for i, p in enumerate(drawn) if p["x"] < 0.5]
    bad = [FailedTrial(100 + i, p, "out_of_memory", "OOM") for i, p in enumerate(drawn) if p["x"] >= 0.5]
    belief = GaussianEngine(problem).condition(
        History(problem).extended(finished=good, failed=bad), np.random.default_rng(0)
    )
    inside, outside = belief.assess([{"x": 0.15, "y": 0.5}, {"x": 0.9, "y": 0.5}])
    assert inside.prediction.p_feasible > 0.85
    assert outside.prediction.p_feasible < 0.2


def test_lost_and_infrastructure_failures_teach_nothing() -> None:
    problem = Problem("p", UNIT)
    history = finished(problem, 6, lambda p: p["x"])
    lost = [
        FailedTrial(50 + i, p, "lost", "the process died")
        for i, p in enumerate(UNIT.sample(np.random.default_rng(3), 4))
    ]
    belief = GaussianEngine(problem).condition(history.extended(failed=lost), np.random.default_rng(0))
    assert belief.assess([lost[0].params])[0].prediction.p_feasible == 1.0


def test_a_measured_constraint_is_modelled() -> None:
    problem = Problem("p", UNIT, constraints=[Constraint("load", upper=1.0)])
    drawn = UNIT.sample(np.random.default_rng(1), 15)
    trials = [
        FinishedTrial(i, p, Measurement(-p["x"], constraints={"load": 2 * p["x"]}))
        for i, p in enumerate(drawn)
    ]
    history = History(problem).extended(finished=trials)
    rng = np.random.default_rng(0)
    belief = GaussianEngine(problem).condition(history, rng)
    low, high = belief.assess([{"x": 0.2, "y": 0.5}, {"x": 0.8, "y": 0.5}])
    assert low.prediction.p_feasible > 0.95
    assert high.prediction.p_feasible < 0.05
    assert belief.suggest(1, rng)[0].params["x"] < 0.56


def test_maximising_is_minimising_the_negative() -> None:
    up, down = (
        Problem("p", UNIT, [Objective("o", "maximize")]),
        Problem("p", UNIT, [Objective("o", "minimize")]),
    )
    a = belief_of(finished(up, 8, lambda p: p["x"])).suggest(1, np.random.default_rng(1))[0]
    b = belief_of(finished(down, 8, lambda p: -p["x"])).suggest(1, np.random.default_rng(1))[0]
    assert a.params == b.params
    np.testing.assert_allclose(a.assessment.prediction.mean[0], -b.assessment.prediction.mean[0])


def test_several_objectives_are_searched_by_hypervolume() -> None:
    for m in (2, 3):
        problem = Problem("p", UNIT, [Objective(f"o{i}") for i in range(m)])
        drawn = UNIT.sample(np.random.default_rng(2), 10)
        values = [[p["x"], 1 - p["x"] + p["y"], p["y"]][:m] for p in drawn]
        trials = [
            FinishedTrial(i, p, Measurement(v)) for i, (p, v) in enumerate(zip(drawn, values, strict=True))
        ]
        rng = np.random.default_rng(0)
        suggestion = (
            GaussianEngine(problem)
            .condition(History(problem).extended(finished=trials), rng)
            .suggest(1, rng)[0]
        )
        assert len(suggestion.assessment.prediction.mean) == m
        assert suggestion.params["y"] < 0.3


def test_it_finds_the_optimum_of_a_smooth_function() -> None:
    problem = Problem("p", UNIT)
    engine, history = GaussianEngine(problem), History(problem)
    for i in range(22):
        rng = np.random.default_rng([7, i])
        p = engine.condition(history, rng).suggest(1, rng)[0].params
        y = (p["x"] - 0.72) ** 2 + 3 * (p["y"] - 0.21) ** 2
        history = history.extended(finished=[FinishedTrial(i, p, Measurement(y))])
    assert history.Y.min() < 1e-3


def test_every_branch_is_in_reach_of_the_initial_design() -> None:
    problem = Problem("p", MIXED)
    engine, history, kernels = GaussianEngine(problem), History(problem), set()
    for i in range(4):
        rng = np.random.default_rng([1, i])
        p = engine.condition(history, rng).suggest(1, rng)[0].params
        kernels.add(p["kernel"])
        history = history.extended(finished=[FinishedTrial(i, p, Measurement(float(i)))])
    assert kernels == {"linear", "rbf"}


def test_the_order_of_trials_hardly_matters() -> None:
    """Hyperparameter samples are drawn from the same stream; sums in another order differ in the last digits."""
    problem = Problem("p", UNIT)
    history = finished(problem, 9, lambda p: (p["x"] - 0.3) ** 2 + p["y"])
    turned = History(problem).extended(finished=history.finished[::-1])
    at = UNIT.sample(np.random.default_rng(2), 5)
    for a, b in zip(belief_of(history).assess(at), belief_of(turned).assess(at), strict=True):
        np.testing.assert_allclose(a.prediction.mean, b.prediction.mean, atol=1e-2)


def test_the_order_of_choices_does_not_matter() -> None:
    means = []
    for choices in (["a", "b", "c"], ["c", "a", "b"]):
        space = tl.SearchSpace([tl.Categorical("c", choices), tl.Float("x", 0, 1)])
        drawn = [{"c": "abc"[i % 3], "x": (i + 0.5) / 10} for i in range(10)]
        trials = [FinishedTrial(i, p, Measurement(p["x"] + "abc".index(p["c"]))) for i, p in enumerate(drawn)]
        belief = belief_of(History(Problem("p", space)).extended(finished=trials))
        means.append([a.prediction.mean[0] for a in belief.assess([{"c": c, "x": 0.42} for c in "abc"])])
    np.testing.assert_allclose(means[0], means[1], atol=1e-6)


def test_running_trials_are_not_proposed_again_nearby() -> None:
    problem = Problem("p", UNIT)
    history = finished(problem, 5, lambda p: float(np.sin(20 * p["x"]) + np.cos(17 * p["y"])))
    rng = np.random.default_rng(0)
    found = GaussianEngine(problem).condition(history, rng).suggest(4, rng)
    points = np.array([[s.params["x"], s.params["y"]] for s in found])
    apart = np.abs(points[:, None] - points[None]).max(axis=2) + np.eye(4)
    assert apart.min() > 0.01


def test_another_surrogate_may_stand_in_the_engine() -> None:
    portfolio = Portfolio([GaussianSurrogate(), InfiniteNetworkSurrogate()])
    history = finished(Problem("p", MIXED), 12)
    rng = np.random.default_rng(0)
    belief = GaussianEngine(history.problem, surrogate=portfolio).condition(history, rng)
    first, second = belief.suggest(2, rng)
    assert MIXED.key(first.params) != MIXED.key(second.params)
    assert np.isfinite(first.assessment.log_acquisition)
