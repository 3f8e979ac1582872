"""llama.cpp's Python server with a pretrained model: a planner's dialogue, a study, the doctor, through its own dialect."""

from dataclasses import replace

import numpy as np
import pytest
from contracts.planner import problem, request, value

import trialogue as tl
from trialogue.agent.planner.own_server import own_planner
from trialogue.agent.planner.specification import PlannerText
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.serving.endpoints.chat import ChatMessage, ChatRequest
from trialogue.serving.errors import EndpointUnreachable
from trialogue.serving.llama_cpp.environment import LlamaNotInstalled
from trialogue.serving.llama_cpp.python_server import find_llama_python

pytestmark = [pytest.mark.llama, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def planner(smollm2):
    try:
        find_llama_python()
    except LlamaNotInstalled as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIALOGUE_TIMEOUT_S", "300")  # a busy machine is no failure
        made = own_planner(PlannerText(f"llama:{smollm2}"))
    yield made
    made.close()
    with pytest.raises(EndpointUnreachable):
        made.endpoint.complete(ChatRequest((ChatMessage("user", "?"),), max_tokens=1), deadline_s=5)


def test_a_pretrained_model_obeys_the_schema_by_llama_cpp_s_grammar(planner):
    answer = planner.propose(replace(request(), deadline_s=300.0))
    assert {c.outcome for c in answer.calls} <= {"ok", "invalid", "abstained"}, answer
    assert not any("not JSON" in c.detail for c in answer.calls)
    assert planner.endpoint.abilities.refused == {"json_schema"}
    for p in answer.proposals:
        assert problem().space.validate(p.params) == p.params


def test_a_small_model_s_drafts_lie_in_the_space_although_the_grammar_has_no_bounds(planner):
    space = tl.SearchSpace(
        [tl.Float("rate_0", 1e-5, 1e-1, log=True), tl.Float("x0", -2.0, 3.0), tl.Float("x1", -2.0, 3.0)]
    )
    drawn = space.sample(np.random.default_rng(1), 8)
    given = History(tl.Problem("bowl", space, objectives=[tl.Objective("loss", "minimize")])).extended(
        finished=[FinishedTrial(i, p, tl.Measurement((p["x0"] - 1) ** 2)) for i, p in enumerate(drawn)]
    )
    answer = planner.propose(replace(request(given, n=4, seed=3), deadline_s=300.0))
    again = planner.propose(replace(request(given, n=4, seed=4, memory=answer.memory), deadline_s=300.0))
    assert len(answer.proposals) + len(again.proposals) >= 3, (answer, again)
    assert again.calls[-1].outcome == "ok"


def test_a_study_goes_on_with_it(planner):
    with tl.Study(problem(), planner=planner, budget=tl.Budget(trials=5)) as study:
        study.run(value)
        assert len(study.trials) == 5
        assert study.spent.tokens > 0


def test_the_doctor_proves_what_it_can_do(planner, smollm2, cli):
    done = cli("doctor", "--planner", f"llama:{smollm2}", cwd=".", timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("✓ llama.cpp ", "✓ structured output", "✓ log-probabilities", "✓ tool calls"):
        assert line in done.stdout
