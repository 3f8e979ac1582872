"""Choices of the engine: refused when they make no sense, stored with the study, refused where there is no engine."""

import pytest

import trialogue as tl
from trialogue.serving.errors import InvalidInput

PROBLEM = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]))


@pytest.mark.parametrize("wrong", [{"design": "latin"}, {"design_trials": 0}, {"design_trials": True}])
def test_a_choice_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        tl.EngineOptions(**wrong)


def test_choices_are_stored_and_come_back(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    chosen = tl.EngineOptions(design="dpp", design_trials=4)
    tl.Study(PROBLEM, storage=url, engine=chosen)
    study = tl.Study.load("p", storage=url)
    assert study.stored.config["engine"] == {"design": "dpp", "design_trials": 4}
    study.run(lambda params: params["x"], n_trials=3)
    assert "determinantal" in study.trials[2].reason


def test_a_strategy_without_an_engine_takes_no_choices() -> None:
    with pytest.raises(InvalidInput, match="'random' has no engine"):
        tl.Study(PROBLEM, strategy="random", engine=tl.EngineOptions(design="dpp"))


def test_choices_that_could_do_nothing_in_a_problem_are_refused_when_the_study_is_made() -> None:
    two = tl.Problem("two", PROBLEM.space, [tl.Objective("loss"), tl.Objective("seconds")])
    with pytest.raises(InvalidInput, match="'variance' compares configurations by one objective, got 2"):
        tl.Study(two, strategy="surrogate", engine=tl.EngineOptions(replicates="variance"))
    listed = tl.SearchSpace([tl.Int("n", 1, 8)], allowed=[{"n": 1}, {"n": 5}])
    with pytest.raises(InvalidInput, match="lists its configurations"):
        tl.Study(tl.Problem("listed", listed), engine=tl.EngineOptions(design="ariel"))
