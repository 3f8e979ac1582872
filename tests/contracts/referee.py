"""What every referee must guarantee. Subclass, and give ``referee`` as a fixture."""

import numpy as np
import pytest
from contracts.planner import history, problem

from trialogue.agent.contracts import AbstractReferee, Case
from trialogue.agent.strategies.simple import default_engine
from trialogue.evaluators.problems.history import Proposal


def case(n_finished: int = 6, *, n: int = 3, source: str = "planner:x") -> Case:
    """Return proposals drawn uniformly, with the belief of the real engine."""
    given = history(n_finished)
    rng = np.random.default_rng(0)
    belief = default_engine(problem()).condition(given, rng)
    (suggestion,) = belief.suggest(1, rng)
    drawn = problem().space.sample(np.random.default_rng(5), n)
    return Case(tuple(Proposal(p, source) for p in drawn), belief, suggestion, given)


class RefereeContract:
    """A referee gives one verdict per proposal, with a reason, and is a pure function."""

    @pytest.fixture
    def referee(self) -> AbstractReferee:
        raise NotImplementedError

    @pytest.mark.parametrize("n_finished", [1, 2, 6, 12])
    def test_every_proposal_has_its_verdict_with_a_reason(self, referee, n_finished):
        given = case(n_finished)
        verdicts = referee.judge(given)
        assert [v.proposal for v in verdicts] == list(given.proposals)
        assert all(v.reason for v in verdicts)

    def test_no_proposals_no_verdicts(self, referee):
        assert referee.judge(case(n=0)) == ()

    def test_the_same_arguments_have_the_same_verdicts(self, referee):
        once, again = referee.judge(case()), referee.judge(case())
        assert [(v.kept, v.reason) for v in again] == [(v.kept, v.reason) for v in once]
