import random

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.planner.planner import Planner
from trialogue.agent.planner.selftest import keep_result, kept_result, lines_of, result_path, run_selftest
from trialogue.agent.strategies.by_name import strategy_for
from trialogue.serving.scripted.behaviours import answer, any_point, garbage, nearest_neighbour, uniform
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer


def result_of(behaviour):
    with ScriptedServer(behaviour) as server:
        return run_selftest(Planner(server.url))


def test_a_model_that_reads_the_rows_uses_feedback():
    result = result_of(nearest_neighbour)
    assert result.obeys == 1
    assert result.uses_feedback
    assert result.follows > 0.75
    assert result.nameless > 0.65
    assert result.prior_trust == 0.5
    assert result.calls <= 12


def test_a_model_that_ignores_the_rows_is_found_out():
    result = result_of(uniform)
    assert not result.uses_feedback
    assert result.prior_trust < 0.5


def test_a_model_that_repeats_itself_is_found_out():
    def same(call):
        return answer([any_point(call, random.Random(i)) for i in range(call.wanted)])

    assert result_of(same).fresh < 0.1


@pytest.mark.parametrize(
    "behaviour", [garbage, lambda c: ScriptedReply(status=400)], ids=["garbage", "refuses"]
)
def test_a_broken_model_obeys_nothing_and_breaks_nothing(behaviour):
    result = result_of(behaviour)
    assert result.obeys == 0
    assert result.prior_trust == 0.3
    assert np.isnan(result.feedback)
    assert any(not well for _, well, _ in lines_of(result))


def test_a_kept_result_is_found_again_and_lowers_the_trust_a_study_starts_with(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIALOGUE_CACHE", str(tmp_path))
    problem = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]))
    with ScriptedServer({"../odd name": uniform}) as server:
        planner = Planner(server.url)
        assert kept_result(planner) is None
        result = run_selftest(planner)
        path = keep_result(planner, result)
        assert path.parent == tmp_path / "selftests"
        assert kept_result(planner) == result
        strategy = strategy_for(problem, seed=0, planner=Planner(server.url))
    assert strategy._rules.referee.prior == 0.4
    result_path(planner).write_text("{}")
    assert kept_result(planner) is None
