"""While only some parameters are searched, the others stand as in the winner."""

import pytest

import trialogue as tl
from trialogue.serving.errors import InvalidInput

SPACE = tl.SearchSpace(
    [
        tl.Float("x", 0, 1, default=0.9),
        tl.Float("y", 0, 1, default=0.9),
        tl.Categorical("kind", ["a", "b"], default="a"),
        tl.Int("depth", 1, 9, default=2, when={"kind": ["b"]}),
    ]
)
PROBLEM = tl.Problem("gradual", SPACE)


def loss(params):
    return (params["x"] - 0.2) ** 2 + (params["y"] - 0.3) ** 2 + (params["kind"] == "a") * 0.1


def stage(only, storage):
    return tl.Study(PROBLEM, storage=storage, protocol=tl.StudyProtocol(only=only))


def test_groups_are_searched_one_after_the_other_with_the_winners_kept(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    first = stage(["x"], url)
    first.run(loss, 6)
    assert {(t.params["y"], t.params["kind"]) for t in first.trials} == {(0.9, "a")}
    x = first.winner.params["x"]
    second = stage(["y"], url)
    second.run(loss, 6)
    assert {t.params["x"] for t in second.trials[6:]} == {x}
    assert second.best_trial.value < first.trials[0].value
    whole = stage([], url)
    whole.run(loss, 2)
    assert len({t.params["x"] for t in whole.trials}) > 3


def test_what_depends_on_a_searched_choice_is_searched_with_it():
    study = tl.Study(PROBLEM, protocol=tl.StudyProtocol(only=["kind"]), seed=1)
    study.run(loss, 8)
    assert {t.params["x"] for t in study.trials} == {0.9}
    assert len({t.params.get("depth") for t in study.trials if t.params["kind"] == "b"}) > 1


def test_queued_configurations_pass():
    study = tl.Study(PROBLEM, protocol=tl.StudyProtocol(only=["x"]))
    study.enqueue({"x": 0.1, "y": 0.1, "kind": "a"})
    assert study.ask().params["y"] == 0.1


def test_while_nothing_is_feasible_the_others_stand_at_their_defaults():
    problem = tl.Problem("limited", SPACE, constraints=[tl.Constraint("memory", upper=1)])
    study = tl.Study(problem, protocol=tl.StudyProtocol(only=["x"]))
    study.add({"x": 0.1, "y": 0.1, "kind": "a"}, tl.Measurement(1.0, metrics={"memory": 2.0}))
    assert study.ask().params["y"] == 0.9


@pytest.mark.parametrize("said", [{"only": ["x"]}, {"choose": "robust"}])
def test_several_objectives_have_no_winner_to_choose_or_to_stand_at(said):
    problem = tl.Problem("two", SPACE, [tl.Objective("loss"), tl.Objective("size")])
    with pytest.raises(InvalidInput, match="needs a winner, and of 2 objectives there is a front"):
        tl.Study(problem, protocol=tl.StudyProtocol(**said))


def test_only_names_parameters():
    with pytest.raises(InvalidInput, match="`only` must name parameters, got 'z'"):
        tl.Study(PROBLEM, protocol=tl.StudyProtocol(only=["z"]))
