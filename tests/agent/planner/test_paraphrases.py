"""Several paraphrases in one round: the contract, union, reciprocal rank fusion, and what they may cost."""

import pytest
from contracts.planner import PlannerContract, problem, request

import trialogue as tl
from trialogue.agent.planner.paraphrases import fused, united
from trialogue.agent.planner.planner import Planner
from trialogue.evaluators.problems.history import FinishedTrial, History, Params, Proposal
from trialogue.prompts.render import instructions
from trialogue.serving.scripted.behaviours import answer, uniform
from trialogue.serving.scripted.server import ScriptedServer

SPACE = problem().space


class TestPlannerByFusion(PlannerContract):
    @pytest.fixture
    def planner(self):
        with ScriptedServer(uniform) as server:
            yield Planner(server.url, instructions="fusion")


class TestPlannerByEnsemble(PlannerContract):
    @pytest.fixture
    def planner(self):
        with ScriptedServer(uniform) as server:
            yield Planner(server.url, instructions="ensemble")


def point(x: float) -> Params:
    return {"x": x, "rate": 1e-3, "method": "plain"}


def proposals(*xs: float) -> list[Proposal]:
    return [Proposal(point(x), "planner:m") for x in xs]


def test_fusion_ranks_by_the_sum_of_reciprocal_ranks() -> None:
    lists = [
        proposals(0.0, 1.0, 2.0),
        proposals(2.0, 1.0),
        proposals(2.001, -1.0),
    ]  # 2.001 is 2.0 at our resolution
    # 2.0: 1/63 + 1/61 + 1/61; 1.0: 2/62; 0.0: 1/61; -1.0: 1/62
    assert [p.params["x"] for p in fused(lists, SPACE)] == [2.0, 1.0, 0.0, -1.0]


def test_the_union_takes_turns_and_drops_copies() -> None:
    lists = [proposals(0.0, 1.0), proposals(0.0, 2.0), proposals(-1.0)]
    assert [p.params["x"] for p in united(lists, SPACE)] == [0.0, -1.0, 1.0, 2.0]


def by_instruction(call):
    """Propose one point of its own per paraphrase, and one that all of them share."""
    said = [text.replace("{n}", str(call.wanted)) in call.text for text in instructions("candidates")]
    which = said.index(True)
    flat = [{**point(0.3 * which - 1), "depth": None}, {**point(2.5), "depth": None}]
    return answer(flat[: call.wanted])


def test_every_paraphrase_is_asked_and_what_all_say_comes_first() -> None:
    with ScriptedServer(by_instruction) as server:
        found = Planner(server.url, instructions="fusion").propose(request(n=4))
    assert len(found.calls) == len(instructions("candidates"))
    assert found.proposals[0].params["x"] == 2.5
    assert {p.variant for p in found.proposals} == {0, 1, 2}


def test_an_ensemble_asks_each_for_its_share_and_takes_all() -> None:
    with ScriptedServer(by_instruction) as server:
        found = Planner(server.url, instructions="ensemble").propose(request(n=4))
    assert {p.variant for p in found.proposals} == {0, 1, 2, 3}


def test_limits_hold_over_all_paraphrases() -> None:
    with ScriptedServer(uniform) as server:
        found = Planner(server.url, instructions="ensemble").propose(request(n=4, calls_left=2))
    assert len(found.calls) == 2
    refused = Planner("http://127.0.0.1:1/v1#m", instructions="ensemble").propose(request(n=4))
    assert len(refused.calls) == 1  # an address where nobody answers is not tried four times


def test_feedback_names_the_best_earlier_proposals_before_every_paraphrase() -> None:
    texts: list[str] = []

    def listening(call):
        texts.append(call.text)
        return by_instruction(call)

    values = {0.1: 3.0, 0.2: 1.0, 0.3: 2.0}
    planned = [
        FinishedTrial(i, point(x), tl.Measurement(v), "planner:m") for i, (x, v) in enumerate(values.items())
    ]
    own = FinishedTrial(3, point(0.4), tl.Measurement(0.5), "surrogate")
    history = History(problem()).extended(finished=[*planned, own])
    with ScriptedServer(listening) as server:
        planner = Planner(server.url, instructions="feedback")
        planner.propose(request(History(problem()), n=4))
        planner.propose(request(history, n=4))
    said = [text.partition("Earlier rounds of your proposals")[2].partition("Infer")[0] for text in texts]
    count = len(instructions("candidates"))
    assert said[:count] == [""] * count
    assert len(said) == 2 * count
    for text in said[count:]:
        places = [text.find(f'"x": {x}') for x in (0.2, 0.3, 0.1, 0.4)]
        assert -1 < places[0] < places[1] < places[2]
        assert places[3] == -1
