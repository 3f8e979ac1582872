"""What every strategy must guarantee. Subclass, and give ``make`` as a fixture: (problem, seed) to a new strategy."""

from collections.abc import Callable

import numpy as np
import pytest
from contracts.planner import problem, value

import trialogue as tl
from trialogue.agent.contracts import AbstractStrategy, Ask, Decision
from trialogue.evaluators.errors import SpaceExhausted
from trialogue.evaluators.problems.history import FinishedTrial, History, RunningTrial

Make = Callable[[tl.Problem, int], AbstractStrategy]


def play(
    strategy: AbstractStrategy, trials: int, *, given: tl.Problem | None = None, measure=value
) -> list[Decision]:
    """Run a study in memory and return its decisions."""
    history, decisions = History(given or problem()), []
    for i in range(trials):
        (decision,) = strategy.plan(Ask(history, i)).decisions
        decisions.append(decision)
        trial = FinishedTrial(i, decision.params, tl.Measurement(measure(decision.params)), decision.source)
        history = history.extended(finished=[trial])
    return decisions


class StrategyContract:
    """A strategy decides on new valid configurations, repeatably."""

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    def test_it_has_a_name(self, make):
        assert make(problem(), 0).name

    def test_decisions_are_valid_new_and_explained(self, make):
        decisions = play(make(problem(), 0), 10)
        keys = [problem().space.key(d.params) for d in decisions]
        assert len(set(keys)) == 10
        assert all(d.reason and d.source for d in decisions)
        assert {d.verdict for d in decisions} <= {"own", "kept", "replaced", "unchecked", "fallback"}

    def test_the_same_seed_makes_the_same_trials_and_another_seed_others(self, make):
        first, again, other = (play(make(problem(), seed), 8) for seed in (1, 1, 2))
        assert [d.params for d in first] == [d.params for d in again]
        assert [d.params for d in first] != [d.params for d in other]

    def test_several_at_once_differ_from_each_other_and_from_running_ones(self, make):
        history = History(problem())
        running = problem().space.default()
        history = history.extended(running=[RunningTrial(0, running)])
        plan = make(problem(), 0).plan(Ask(history, 1, 4))
        keys = {problem().space.key(d.params) for d in plan.decisions}
        assert len(plan.decisions) == len(keys) == 4
        assert problem().space.key(running) not in keys

    def test_fixed_parameters_are_kept(self, make):
        plan = make(problem(), 0).plan(Ask(History(problem()), 0, 2, {"method": "fast", "x": 0.5}))
        assert all((d.params["method"], d.params["x"]) == ("fast", 0.5) for d in plan.decisions)

    def test_a_finite_space_is_gone_through_once_and_then_said_to_be_exhausted(self, make):
        small = tl.Problem(
            "small", tl.SearchSpace([tl.Categorical("a", [1, 2, 3]), tl.Categorical("b", [True, False])])
        )
        measure = lambda p: float(p["a"] + p["b"])  # noqa: E731
        strategy = make(small, 0)
        decisions = play(strategy, 6, given=small, measure=measure)
        assert len({small.space.key(d.params) for d in decisions}) == 6
        trials = [
            FinishedTrial(i, d.params, tl.Measurement(measure(d.params))) for i, d in enumerate(decisions)
        ]
        with pytest.raises(SpaceExhausted):
            strategy.plan(Ask(History(small).extended(finished=trials), 6))

    @pytest.mark.parametrize("scale", [1e-9, -1e9])
    def test_objectives_of_any_scale_are_fine(self, make, scale):
        decisions = play(make(problem(), 0), 6, measure=lambda p: scale * value(p))
        assert all(np.isfinite(list(problem().space.to_unit(d.params))).all() for d in decisions)
