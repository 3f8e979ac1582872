import json
from dataclasses import replace

import pytest
from contracts.planner import PlannerContract, history, request

from trialogue.agent.planner.informed import InformedPlanner
from trialogue.agent.planner.planner import Planner
from trialogue.serving.scripted.behaviours import garbage, uniform
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer

KNOWS = {
    "regions": [{"parameter": "x", "low": 0.5, "high": 1.5, "confidence": 0.9}],
    "rules": [{"fails_if": "rate > 0.01", "why": "diverges"}],
}


def informed(call):
    if "regions" in (call.schema or {}).get("properties", {}):
        return ScriptedReply(json.dumps(KNOWS))
    return uniform(call)


class TestInformedPlanner(PlannerContract):
    @pytest.fixture
    def planner(self):
        with ScriptedServer(informed) as server:
            yield InformedPlanner(Planner(server.url))

    @pytest.mark.parametrize("purpose", ["warm_start", "candidates"])
    def test_proposals_are_valid_distinct_and_untried(self, planner, purpose):
        """As in the contract, with two more that are drawn and cost nothing."""
        answer = planner.propose(request(history(), purpose=purpose))
        keys = self.keys([p.params for p in answer.proposals])
        assert len(keys) == len(answer.proposals) <= 5


def test_knowledge_is_asked_for_once_and_used():
    with ScriptedServer(informed) as server:
        planner = InformedPlanner(Planner(server.url))
        first = planner.propose(request(history(0), seed=1))
        second = planner.propose(replace(request(history(0), seed=2), memory=first.memory))
        assert len(server.requests) == 3
    assert [c.purpose for c in first.calls] == ["elicitation", "candidates"]
    assert [c.purpose for c in second.calls] == ["candidates"]
    drawn = [p for p in first.proposals if "ranges" in p.hypothesis]
    assert drawn
    assert all(0.4 <= p.params["x"] <= 1.6 for p in drawn)
    assert all(p.params["rate"] <= 0.01 for p in (*first.proposals, *second.proposals))


def test_a_broken_model_is_not_replaced_by_its_own_words():
    with ScriptedServer(garbage) as server:
        assert InformedPlanner(Planner(server.url)).propose(request()).proposals == ()


def test_a_model_without_knowledge_is_not_asked_for_it_again_and_again():
    with ScriptedServer(garbage) as server:
        planner = InformedPlanner(Planner(server.url))
        first = planner.propose(request())
        second = planner.propose(replace(request(), memory=first.memory))
    assert next(c.purpose for c in first.calls) == "elicitation"
    assert "elicitation" not in [c.purpose for c in second.calls]
