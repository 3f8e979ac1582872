"""What every engine must guarantee: subclass and give ``make``."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.errors import SpaceExhausted
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, RunningTrial
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.random_streams import stream
from trialogue.surrogates.contracts import Engine

MIXED = tl.SearchSpace(
    [
        tl.Categorical("kernel", ["linear", "rbf"]),
        tl.Float("C", 1e-3, 1e3, log=True),
        tl.Float("gamma", 1e-5, 1e1, log=True, when={"kernel": ["rbf"]}),
        tl.Int("k", 1, 9),
    ]
)


def value(params: Any) -> float:
    """A smooth objective over MIXED."""
    extra = (np.log10(params["gamma"]) + 2) ** 2 if params["kernel"] == "rbf" else 1.5
    return float((np.log10(params["C"]) - 1) ** 2 + extra + (params["k"] - 4) ** 2 / 10)


def finished(problem: Problem, n: int, f: Callable[[Any], float] = value, seed: int = 0) -> History:
    """Return a history of n random trials."""
    drawn = problem.space.sample(np.random.default_rng(seed), n)
    return History(problem).extended(
        finished=[
            FinishedTrial(i, p, Measurement([f(p)] * len(problem.objectives))) for i, p in enumerate(drawn)
        ]
    )


class EngineContract:
    """Behaviour that holds for every implementation."""

    def make(self, problem: Problem) -> Engine:
        raise NotImplementedError

    def next(self, history: History, *, n: int = 1, seed: int = 0, **options: Any) -> list[dict[str, Any]]:
        rng = stream(seed, len(history), "surrogate")
        return [
            dict(s.params)
            for s in self.make(history.problem).condition(history, rng).suggest(n, rng, **options)
        ]

    def test_the_default_configuration_comes_first(self) -> None:
        problem = Problem("p", MIXED)
        rng = np.random.default_rng(0)
        first = self.make(problem).condition(History(problem), rng).suggest(1, rng)[0]
        assert first.params == MIXED.default()
        assert first.origin == "default"

    def test_nothing_is_modelled_before_two_trials_differ(self) -> None:
        problem = Problem("p", MIXED)
        belief = self.make(problem).condition(finished(problem, 1), np.random.default_rng(0))
        assert not belief.modelled
        assert belief.assess([MIXED.default()]) == ()

    @pytest.mark.parametrize("n", [0, 1, 3, 12])
    def test_suggestions_are_valid_distinct_and_untried(self, n: int) -> None:
        history = finished(Problem("p", MIXED), n)
        running = [RunningTrial(100 + i, p) for i, p in enumerate(MIXED.sample(np.random.default_rng(4), 2))]
        history = history.extended(running=running)
        proposed = self.next(history, n=4)
        tried = {MIXED.key(t.params) for t in (*history.finished, *history.running)}
        found = [MIXED.key(MIXED.validate(p)) for p in proposed]
        assert len(set(found)) == 4
        assert not tried & set(found)

    def test_the_same_history_and_stream_give_the_same_suggestion(self) -> None:
        history = finished(Problem("p", MIXED), 8)
        assert self.next(history, seed=3) == self.next(history, seed=3)

    @pytest.mark.parametrize("n", [0, 2, 9])
    def test_fixed_values_are_kept(self, n: int) -> None:
        history = finished(Problem("p", MIXED), n)
        for fixed in ({"kernel": "linear"}, {"gamma": 0.01}, {"k": 7, "kernel": "rbf"}):
            for params in self.next(history, n=2, fixed=fixed):
                assert {k: params[k] for k in fixed} == pytest.approx(fixed)

    def test_relations_hold(self) -> None:
        space = tl.SearchSpace([tl.Float("low", 0, 1), tl.Float("high", 0, 1)], where=["low <= high"])
        for n in (0, 2, 8):
            history = finished(Problem("p", space), n, lambda p: p["low"] - p["high"])
            assert all(space.satisfies(p) for p in self.next(history, n=3))

    def test_a_finite_space_is_searched_completely_and_then_exhausted(self) -> None:
        space = tl.SearchSpace([tl.Int("a", 1, 3), tl.Categorical("b", ["x", "y"])])
        history = History(Problem("p", space))
        for i in range(6):
            params = self.next(history)[0]
            history = history.extended(finished=[FinishedTrial(i, params, Measurement(params["a"]))])
        assert len({space.key(t.params) for t in history.finished}) == 6
        with pytest.raises(SpaceExhausted):
            self.next(history)

    @pytest.mark.parametrize(
        "f", [lambda p: 1.0, lambda p: 10.0 ** (p["k"] * 2.5 - 12), lambda p: 1e300 * (p["k"] - 5)]
    )
    def test_constant_and_wild_objectives_are_survived(self, f: Callable[[Any], float]) -> None:
        history = finished(Problem("p", MIXED), 10, f)
        rng = np.random.default_rng(0)
        belief = self.make(history.problem).condition(history, rng)
        belief.suggest(1, rng)
        for assessment in belief.assess(MIXED.sample(rng, 3)):
            assert np.isfinite(assessment.log_acquisition)
            assert np.isfinite(assessment.prediction.mean[0])
            assert assessment.prediction.sd[0] > 0

    def test_only_failures_are_survived(self) -> None:
        drawn = MIXED.sample(np.random.default_rng(0), 5)
        failures = [FailedTrial(i, p, "out_of_memory", "CUDA out of memory") for i, p in enumerate(drawn)]
        assert len(self.next(History(Problem("p", MIXED)).extended(failed=failures), n=2)) == 2

    def test_one_parameter_and_all_categorical_spaces(self) -> None:
        for space in (
            tl.SearchSpace([tl.Float("x", 0, 1)]),
            tl.SearchSpace([tl.Categorical(n, ["a", "b", "c", "d"]) for n in "pqrs"]),
        ):
            history = finished(Problem("p", space), 5, lambda p: float(len(str(p))))
            assert space.validate(self.next(history)[0])

    @pytest.mark.slow
    def test_fifty_dimensions(self) -> None:
        space = tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(50)])
        history = finished(Problem("p", space), 30, lambda p: sum((v - 0.3) ** 2 for v in p.values()))
        assert space.validate(self.next(history)[0])

    def test_an_assessment_is_comparable_with_the_suggestion(self) -> None:
        history = finished(Problem("p", MIXED), 12)
        rng = np.random.default_rng(0)
        belief = self.make(history.problem).condition(history, rng)
        suggestion = belief.suggest(1, rng)[0]
        assert suggestion.assessment is not None
        own = belief.assess([suggestion.params])[0]
        assert own.log_acquisition == pytest.approx(suggestion.assessment.log_acquisition)
        others = belief.assess(MIXED.sample(np.random.default_rng(8), 50))
        assert max(o.log_acquisition for o in others) <= own.log_acquisition + 0.1

    def test_eight_threads_may_ask_at_once(self) -> None:
        history = finished(Problem("p", MIXED), 10)
        engine = self.make(history.problem)

        def ask(seed: int) -> dict[str, Any]:
            rng = np.random.default_rng(seed)
            return dict(engine.condition(history, rng).suggest(1, rng)[0].params)

        with ThreadPoolExecutor(8) as pool:
            assert all(MIXED.validate(p) for p in pool.map(ask, range(8)))
