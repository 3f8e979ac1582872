"""The trial that a study recommends: the best measured, or what stays good around it."""

import pytest

import trialogue as tl
from trialogue.serving.errors import InvalidInput

PROBLEM = tl.Problem(
    "cliff", tl.SearchSpace([tl.Float("x", 0, 1, default=0.5)]), [tl.Objective("y", "maximize")]
)


def height(x):
    """A plateau up to 0.5, and a narrow higher peak at 0.8."""
    return 1.0 - 0.1 * abs(x - 0.25) if x <= 0.5 else (1.2 if abs(x - 0.8) < 0.021 else -1.0)


def study(choose, **options):
    made = tl.Study(PROBLEM, protocol=tl.StudyProtocol(choose=choose, **options))
    made.add_many([({"x": i / 25}, tl.Measurement(height(i / 25), 0.01)) for i in range(26)])
    return made


@pytest.mark.parametrize("choose", ["robust", "robust:0.1"])
def test_the_robust_winner_is_not_the_luckiest_peak(choose):
    made = study(choose)
    assert made.best_trial.params["x"] == 0.8
    assert made.winner.params["x"] < 0.5
    assert made.winner == made.winner


def test_the_robust_winner_did_the_whole_task():
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 9)])
    problem = tl.Problem("p", space, [tl.Objective("seconds")], fidelity=tl.Fidelity("epochs"))
    made = tl.Study(problem, protocol=tl.StudyProtocol(choose="robust"))
    made.add_many([({"x": i / 9, "epochs": e}, e + (i / 9 - 0.3) ** 2) for i in range(10) for e in (1, 9)])
    assert made.winner.params["epochs"] == 9


def test_without_a_word_the_winner_is_the_best():
    made = study("best")
    assert made.winner == made.best_trial


def test_what_is_no_choice_is_refused():
    for text in ("robust:2", "robust:x", "best:0.1", "median"):
        with pytest.raises(InvalidInput, match="`choose` must be best, robust"):
            tl.StudyProtocol(choose=text)


def test_too_few_trials_to_model_leave_the_best():
    made = tl.Study(PROBLEM, protocol=tl.StudyProtocol(choose="robust"))
    made.add({"x": 0.5}, 1.0)
    assert made.winner.number == 0


def test_the_robust_winner_is_what_is_tested_and_verified():
    made = study("robust", seeds={"test": [1]})
    assert made.test(lambda params, run: height(params["x"])).trial == made.winner.number
    assert made.verify(lambda params: height(params["x"])).pairing.candidate.number == made.winner.number
