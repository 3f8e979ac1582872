"""The shipped checkpoint on a real vLLM: the same probabilities, and a planner that proposes through it."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.contracts import PlanRequest
from trialogue.agent.planner.embedded import EmbeddedPlanner, numbers_of
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.prompts.meanings import meanings_of
from trialogue.serving.embedded.model import SHIPPED, EmbeddedModel
from trialogue.serving.embedded.served import ServedModel
from trialogue.serving.servers.server import RunningServer, ServerSpec
from trialogue.surrogates.alternatives.embedded import EmbeddedLM

pytestmark = [pytest.mark.vllm, pytest.mark.slow]
# float32: on some CPUs with AMX vLLM 0.32's attention in bfloat16 ends this model's server with an illegal instruction
FLAGS = {"enforce_eager": True, "max_model_len": 1024, "max_logprobs": 200, "dtype": "float32"}


def history() -> History:
    space = tl.SearchSpace([tl.Float("C", 1e-3, 1e3, log=True), tl.Float("gamma", 1e-5, 10, log=True)])
    problem = tl.Problem("svm", space)
    rows = space.sample(np.random.default_rng(0), 12)
    values = [abs(np.log10(p["C"]) - 1) + abs(np.log10(p["gamma"]) + 2) for p in rows]
    told = [
        FinishedTrial(i, p, tl.Measurement(v), "user")
        for i, (p, v) in enumerate(zip(rows, values, strict=True))
    ]
    return History(problem).extended(finished=told)


def test_vllm_answers_what_the_model_in_this_process_answers(warm_host, tmp_path) -> None:
    told = history()
    numbers, meanings = told.rows("finished"), meanings_of(told.problem)
    assert meanings is not None
    spec = ServerSpec(str(SHIPPED), FLAGS, served_name="embedded")
    with RunningServer.start(warm_host, spec, log=tmp_path / "server.log", deadline_s=180.0) as server:
        served = ServedModel(server.base_url)
        with served._client:
            planner = EmbeddedPlanner(served, abstains=False)
            answer = planner.propose(PlanRequest(told, 3, "candidates", np.random.default_rng(1)))
            scores = [
                EmbeddedLM(model)
                .condition(told.problem.space, numbers_of(told), np.random.default_rng(2), meanings=meanings)
                .scores(numbers.X[:4], numbers.active[:4])
                for model in (EmbeddedModel(), served)
            ]
    assert answer.proposals
    assert {c.outcome for c in answer.calls} == {"ok"}
    assert 0.5 * np.abs(scores[0] - scores[1]).sum(1).max() < 0.1
