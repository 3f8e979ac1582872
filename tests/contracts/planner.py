"""What every planner must guarantee. Subclass, and give ``planner`` as a fixture."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.contracts import AbstractPlanner, PlanRequest
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, RunningTrial


def problem() -> tl.Problem:
    space = tl.SearchSpace(
        [
            tl.Float("x", -2.0, 3.0),
            tl.Float("rate", 1e-5, 1e-1, log=True),
            tl.Categorical("method", ["plain", "fast"]),
            tl.Int("depth", 1, 8, when={"method": ["fast"]}),
        ]
    )
    return tl.Problem("contract", space, objectives=[tl.Objective("loss", "minimize")])


def value(params) -> float:
    return (params["x"] - 1) ** 2 + (np.log10(params["rate"]) + 3) ** 2 + (params["method"] == "plain") * 0.5


def history(n: int = 6, *, seed: int = 0) -> History:
    """Return a history of ``n`` random finished trials, one failed and one running."""
    p = problem()
    drawn = p.space.sample(np.random.default_rng(seed), n + 2)
    finished = [FinishedTrial(i, q, tl.Measurement(value(q))) for i, q in enumerate(drawn[:n])]
    return History(p).extended(
        finished=finished,
        failed=[FailedTrial(n, drawn[n], "crash", "boom")],
        running=[RunningTrial(n + 1, drawn[n + 1])],
    )


def request(given: History | None = None, *, n: int = 3, seed: int = 0, **kwargs) -> PlanRequest:
    return PlanRequest(
        history() if given is None else given,
        n,
        kwargs.pop("purpose", "candidates"),
        np.random.default_rng(seed),
        **kwargs,
    )


class PlannerContract:
    """A planner proposes valid, new and distinct configurations, and never raises for what a model does."""

    @pytest.fixture
    def planner(self) -> AbstractPlanner:
        raise NotImplementedError

    def keys(self, configurations: Sequence) -> set[str]:
        return {problem().space.key(c) for c in configurations}

    def test_it_has_a_name(self, planner):
        assert planner.name

    @pytest.mark.parametrize("purpose", ["warm_start", "candidates"])
    def test_proposals_are_valid_distinct_and_untried(self, planner, purpose):
        given = history()
        answer = planner.propose(request(given, purpose=purpose))
        proposed = [p.params for p in answer.proposals]
        for params in proposed:
            assert problem().space.validate(params) == params
        assert len(self.keys(proposed)) == len(proposed) <= 3
        tried = [t.params for t in (*given.finished, *given.failed, *given.running)]
        assert not self.keys(proposed) & self.keys(tried)
        assert all(p.source.startswith("planner:") for p in answer.proposals)

    def test_an_empty_history_is_no_trouble(self, planner):
        for p in planner.propose(request(History(problem()), purpose="warm_start")).proposals:
            problem().space.validate(p.params)

    def test_confidences_are_probabilities_or_unknown(self, planner):
        for p in planner.propose(request()).proposals:
            assert p.confidence is None or 0 <= p.confidence <= 1

    def test_the_same_request_has_the_same_answer(self, planner):
        first, second = (planner.propose(request(seed=7)) for _ in range(2))
        assert [p.params for p in first.proposals] == [p.params for p in second.proposals]

    def test_every_call_is_accounted_for(self, planner):
        for call in planner.propose(request()).calls:
            assert call.prompt_tokens >= 0
            assert call.completion_tokens >= 0
            assert call.latency_s >= 0

    def test_no_tokens_left_means_no_model_call(self, planner):
        answer = planner.propose(replace(request(), tokens_left=0))
        assert all(c.outcome == "over_budget" for c in answer.calls if c.purpose != "local")
