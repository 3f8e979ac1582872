"""What every referee must guarantee. Subclass, and give ``referee`` as a fixture."""

import numpy as np
import pytest
from contracts.planner import history, problem

from trialogue.agent.contracts import AbstractReferee
from trialogue.agent.strategies.simple import default_engine
from trialogue.evaluators.problems.history import Proposal


def judged(referee: AbstractReferee, n_finished: int = 6, *, n: int = 3, source: str = "planner:x"):
    """Return proposals and verdicts on them by the real engine."""
    given = history(n_finished)
    rng = np.random.default_rng(0)
    belief = default_engine(problem()).condition(given, rng)
    (suggestion,) = belief.suggest(1, rng)
    drawn = problem().space.sample(np.random.default_rng(5), n)
    proposals = tuple(Proposal(p, source) for p in drawn)
    return proposals, referee.judge(proposals, belief, suggestion, given), (belief, suggestion, given)


class RefereeContract:
    """A referee gives one verdict per proposal, with a reason, and is a pure function."""

    @pytest.fixture
    def referee(self) -> AbstractReferee:
        raise NotImplementedError

    @pytest.mark.parametrize("n_finished", [1, 2, 6, 12])
    def test_every_proposal_has_its_verdict_with_a_reason(self, referee, n_finished):
        proposals, verdicts, _ = judged(referee, n_finished)
        assert [v.proposal for v in verdicts] == list(proposals)
        assert all(v.reason for v in verdicts)

    def test_no_proposals_no_verdicts(self, referee):
        _, verdicts, _ = judged(referee, n=0)
        assert verdicts == ()

    def test_the_same_arguments_have_the_same_verdicts(self, referee):
        proposals, verdicts, (belief, suggestion, given) = judged(referee)
        again = referee.judge(proposals, belief, suggestion, given)
        assert [(v.kept, v.reason) for v in again] == [(v.kept, v.reason) for v in verdicts]
