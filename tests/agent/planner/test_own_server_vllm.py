import numpy as np
import pytest
from contracts.planner import problem, request, value
from contracts.strategy import play

import trialogue as tl
from trialogue.agent.planner.own_server import own_planner
from trialogue.agent.planner.specification import PlannerText
from trialogue.agent.strategies.hybrid import TrialogueStrategy
from trialogue.agent.strategies.llambo import LlamboSettings, LlamboStrategy
from trialogue.serving.endpoints.chat import ChatMessage, ChatRequest
from trialogue.serving.errors import EndpointUnreachable
from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.vllm.environment import VllmNotInstalled, find_vllm
from trialogue.surrogates.alternatives.llm_classes import GenerativeSurrogate
from trialogue.surrogates.alternatives.llm_scores import DiscriminativeSurrogate
from trialogue.surrogates.contracts import TrainingData

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def vllm():
    try:
        find_vllm()
    except VllmNotInstalled as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def planner(vllm):
    return own_planner(PlannerText(f"vllm:{tiny_model()}"))


def test_a_model_that_knows_nothing_obeys_the_schema_on_a_real_server(planner):
    """Its answers are noise, and may well be an empty list; but they are the JSON that was asked for."""
    answer = planner.propose(request())
    assert {c.outcome for c in answer.calls} <= {"ok", "invalid", "abstained"}, answer
    assert all(c.completion_tokens > 0 for c in answer.calls)
    assert not any("not JSON" in c.detail for c in answer.calls)
    for p in answer.proposals:
        assert problem().space.validate(p.params) == p.params


def test_a_study_goes_on_with_it(planner):
    decisions = play(TrialogueStrategy(problem(), 0, planner=planner), 8)
    assert len({problem().space.key(d.params) for d in decisions}) == 8


@pytest.mark.parametrize("kind", [DiscriminativeSurrogate, GenerativeSurrogate])
def test_the_surrogates_run_with_log_probabilities(planner, kind):
    space = problem().space
    X, active = space.encode(space.sample(np.random.default_rng(0), 6))
    data = TrainingData(space, X, active, X[:, 0], np.full(6, np.nan))
    surrogate = kind(planner.endpoint, samples=2, orders=1)
    mean, sd = surrogate.fit(data, np.random.default_rng(0)).predict(X[:2], active[:2])
    assert np.isfinite(mean).all()
    assert (sd > 0).all()
    assert surrogate.account.usage.completion_tokens > 0


def test_llambo_runs_to_the_end(planner):
    settings = LlamboSettings(initial=3, candidates=2, samples=2)
    assert len(play(LlamboStrategy(problem(), 0, planner=planner, settings=settings), 5)) == 5


def test_a_study_starts_one_server_and_ends_it(vllm):
    """Whatever becomes of its budget: it was once that each change started another, which lived as long as Python."""
    with tl.Study(problem(), planner=f"vllm:{tiny_model()}", budget=tl.Budget(trials=5)) as study:
        study.run(value)
        study.budget = tl.Budget(trials=8)
        fork = study.fork("b", problem=problem())
        study.run(value)
        endpoint = study.strategy._planner.endpoint
        assert endpoint is fork.strategy._planner.endpoint
        fork.close()
        endpoint.complete(ChatRequest((ChatMessage("user", "?"),), max_tokens=1), deadline_s=30)
    with pytest.raises(EndpointUnreachable):
        endpoint.complete(ChatRequest((ChatMessage("user", "?"),), max_tokens=1), deadline_s=5)
