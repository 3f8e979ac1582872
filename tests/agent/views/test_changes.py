"""Few changes: what is taken back, what stays, and where nothing is said."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.errors import NoFeasibleTrial
from trialogue.agent.verbs import read
from trialogue.agent.verbs.context import Desk
from trialogue.agent.views.changes import changed, few_changes, with_changes
from trialogue.api.reports.view import certainty_in_words
from trialogue.evaluators.problems.history import History
from trialogue.surrogates.contracts import Assessment, Prediction

SPACE = tl.SearchSpace([tl.Float(n, 0, 1, default=0.5) for n in "abcd"])
PROBLEM = tl.Problem("p", SPACE)


class Known:
    """A belief that knows the function."""

    modelled, notes = True, ()

    def __init__(self, function) -> None:
        self.function = function

    def condition(self, history, rng):
        return self

    def assess(self, params):
        return tuple(Assessment(0.0, 0.0, 1.0, Prediction((self.function(p),), (0.1,))) for p in params)

    def suggest(self, n, rng, *, fixed=None):
        raise NotImplementedError


def test_what_does_nothing_is_taken_back_and_the_dearest_comes_first() -> None:
    belief = Known(lambda p: -10 * p["b"] - 2 * p["c"] - 0.01 * p["a"] + 0.001 * p["d"])
    few = few_changes(History(PROBLEM), belief, {"a": 0.9, "b": 0.9, "c": 1.0, "d": 0.1})
    assert few is not None
    assert list(few.needed) == ["b", "c"]
    assert few.params == {"a": 0.5, "b": 0.9, "c": 1.0, "d": 0.5}
    assert few.kept >= 0.9 * few.gain
    assert str(few).startswith("2 of its 4 changes from the default carry all of the gain")


def test_changes_that_only_work_together_stay_together() -> None:
    belief = Known(lambda p: -1.0 if p["a"] > 0.8 and p["b"] > 0.8 else 0.0)
    few = few_changes(History(PROBLEM), belief, {"a": 0.9, "b": 0.9, "c": 1.0, "d": 0.1})
    assert few is not None
    assert set(few.needed) == {"a", "b"}


def test_nothing_is_said_where_nothing_is_gained() -> None:
    assert (
        few_changes(History(PROBLEM), Known(lambda p: 1.0), {"a": 0.9, "b": 0.5, "c": 0.5, "d": 0.5}) is None
    )
    assert few_changes(History(PROBLEM), Known(lambda p: p["a"]), SPACE.default()) is None


def test_a_parent_that_goes_back_takes_its_children_along() -> None:
    space = tl.SearchSpace(
        [
            tl.Categorical("kind", ["plain", "rich"], default="plain"),
            tl.Int("depth", 1, 9, default=1, when={"kind": "rich"}),
            tl.Float("x", 0, 1, default=0.5),
        ]
    )
    at = {"kind": "rich", "depth": 7, "x": 0.9}
    problem = tl.Problem("p", space)
    assert with_changes(problem, at, ["x", "depth"]) == {"kind": "plain", "x": 0.9}
    assert changed(at, space.default()) == ["kind", "depth", "x"]
    few = few_changes(History(problem), Known(lambda p: -p["x"] - p.get("depth", 0)), at)
    assert few is not None
    assert set(few.needed) == {"kind", "depth"}


def test_a_study_says_which_of_its_winner_s_changes_matter() -> None:
    study = tl.Study(PROBLEM, strategy="surrogate", seed=0)
    with pytest.raises(NoFeasibleTrial):
        study.changes()
    study.run(lambda p: (p["a"] - 0.9) ** 2 + 0.001 * np.sin(9 * p["d"]), n_trials=16)
    few = study.changes()
    assert few is not None
    assert list(few.needed) == ["a"]
    assert few.needed["a"] == pytest.approx(0.9, abs=0.1)
    assert str(few) in certainty_in_words(study.ledger, study.stored)


def test_compare_says_nothing_of_another_trial_than_it_shows() -> None:
    study = tl.Study(PROBLEM, protocol=tl.StudyProtocol(choose="robust"), seed=0)
    plateau = [({"a": 0.2 + 0.01 * i, "b": 0.5, "c": 0.5, "d": i / 20}, -1.0 - 0.001 * i) for i in range(20)]
    cliff = [({"a": 0.9, "b": 0.05 * i, "c": 0.5, "d": 0.5}, -2.0 if i == 18 else 1.0) for i in range(20)]
    study.add_many([*plateau, *cliff])
    assert study.best_trial.number != study.winner.number
    of_the_winner = study.changes()
    assert of_the_winner is not None
    assert str(of_the_winner) not in read.compare(Desk(study.ledger, study)).text
