import json
from typing import Any

import pytest

import trialogue as tl
from trialogue.agent.contracts import Spent
from trialogue.agent.counterfactual.worth import Checkpoint, Counterfactual, incumbents
from trialogue.agent.ledger.records import Failure, TrialRecord

PROBLEM = tl.Problem(
    "p", tl.SearchSpace([tl.Float("x", 0, 1)]), [tl.Objective("loss")], [tl.Constraint("size", upper=1.0)]
)


def worth(best: Any, without: Any, *, maximize: bool = False, **changes: Any) -> Counterfactual:
    stated = {"proposed": (2,), "differs_from": 2, "spent": Spent(3, 900, 0.0), "trials": ()} | changes
    return Counterfactual("s", "loss", maximize, tuple(best), tuple(without), **stated)


def test_incumbents_are_the_best_feasible_so_far_by_number() -> None:
    def record(number: int, ending: Any, excluded: str | None = None) -> TrialRecord:
        return TrialRecord(
            number, {"x": 0.1}, "finished", "user", "own", "", ending=ending, excluded=excluded
        )

    measured = [
        tl.Measurement(v, constraints={"size": s})
        for v, s in ((5.0, 9.0), (4.0, 0.5), (6.0, 0.5), (1.0, 0.1))
    ]
    records = [
        record(3, measured[2]),
        record(0, measured[0]),
        record(1, measured[1]),
        record(2, Failure("crash", "x")),
        record(4, measured[3], "a bad machine"),
    ]
    assert incumbents(PROBLEM, records) == (None, 4.0, 4.0, 4.0, 4.0)


@pytest.mark.parametrize(("maximize", "gain", "said"), [(False, -1.0, "lost 1"), (True, 1.0, "gained 1")])
def test_a_gain_is_better_in_the_objective_s_direction(maximize: bool, gain: float, said: str) -> None:
    found = worth([1.0, 2.0, 4.0], [1.0, 3.0, 3.0], maximize=maximize)
    assert found.gain == gain
    assert f"4 with the planner, 3 without it; it {said}." in str(found)


def test_the_race_says_when_each_had_what_both_reached() -> None:
    text = str(worth([9.0, 9.0, 2.0, 1.0], [9.0, 8.0, 7.0, 3.0]))
    assert "3 was reached after 3 trials with the planner and after 4 without it." in text
    assert "1 of its proposals were run, the first as trial 2, for 3 calls and 900 tokens." in text


def test_nothing_feasible_is_said_and_is_no_gain() -> None:
    found = worth([None, None], [None, 2.0])
    assert found.gain is None
    assert "nothing feasible with the planner, 2 without it" in str(found)


def test_studies_that_differ_before_the_planner_s_first_trial_are_not_the_same_study() -> None:
    assert worth([1.0], [1.0], differs_from=None).exact
    assert worth([1.0], [1.0], differs_from=5).exact
    assert not worth([1.0], [1.0], differs_from=1).exact
    assert not worth([1.0], [1.0], proposed=()).exact


def test_checkpoints_end_with_the_end_and_a_shorter_study_stands_still() -> None:
    points = worth([float(-i) for i in range(12)], [0.0, -1.0, -2.0]).checkpoints
    assert points == (Checkpoint(5, -4.0, -2.0), Checkpoint(10, -9.0, -2.0), Checkpoint(12, -11.0, -2.0))


def test_as_data_it_is_plain_json() -> None:
    plain = json.loads(json.dumps(worth([1.0, None], [2.0, 0.5]).to_dict()))
    assert (plain["gain"], plain["exact"], plain["spent"]["tokens"]) == (None, True, 900)


def test_incumbents_did_the_whole_task() -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 9)])
    problem = tl.Problem("p", space, [tl.Objective("loss")], fidelity=tl.Fidelity("epochs"))
    study = tl.Study(problem)
    study.add_many([({"x": 0.1, "epochs": e}, v) for e, v in ((1, 0.1), (9, 3.0), (3, 0.2), (9, 2.0))])
    assert incumbents(problem, study.trials) == (None, 3.0, 3.0, 2.0)
