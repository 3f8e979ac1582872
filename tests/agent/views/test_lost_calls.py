"""What a person is told of a model that does not answer."""

import trialogue as tl
from trialogue.agent.views.lost_calls import lost_calls
from trialogue.serving.scripted.behaviours import uniform
from trialogue.serving.scripted.server import ScriptedServer

PROBLEM = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]))


def lost(planner: str) -> list[str]:
    study = tl.Study(PROBLEM, planner=planner)
    study.run(lambda params: float(params["x"] or 0), n_trials=6)
    assert len(study.trials) == 6
    return lost_calls(study.ledger, study.stored)


def test_a_model_that_does_not_exist_is_said_with_what_its_server_answered() -> None:
    with ScriptedServer(uniform) as server:
        (line,) = lost(f"{server.url}#nobody")
        assert lost(f"{server.url}#scripted") == []
    assert line.endswith("answered 404: the model 'nobody' does not exist")
    count, _, total = line.partition(" of ")
    assert count.split()[-1] == total.split()[0] != "0"  # each of them


def test_a_study_without_a_model_has_nothing_to_say_of_calls() -> None:
    study = tl.Study(PROBLEM)
    assert lost_calls(study.ledger, study.stored) == []
