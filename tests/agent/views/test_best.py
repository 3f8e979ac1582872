"""The best of a study, the same read from its records and by SQL."""

import trialogue as tl
from trialogue.agent.views.best import best_row, front_numbers

SPACE = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 9)])
TWO = [tl.Objective("loss"), tl.Objective("size")]


def test_a_trial_that_did_less_of_the_task_is_on_no_front():
    problem = tl.Problem("p", SPACE, TWO, fidelity=tl.Fidelity("epochs"))
    study = tl.Study(problem)
    study.add_many([({"x": 0.1, "epochs": e}, [float(e), float(e)]) for e in (1, 3, 9)])
    assert [t.number for t in study.pareto_front] == [2]
    with study.ledger.database.read() as connection:
        assert front_numbers(connection, study.stored.study_id, problem) == [2]


def test_where_no_whole_task_is_feasible_nothing_is_best():
    limit = [tl.Constraint("memory", upper=5)]
    problem = tl.Problem("p", SPACE, TWO[:1], limit, fidelity=tl.Fidelity("epochs"))
    study = tl.Study(problem)
    rows = [({"x": 0.1, "epochs": e}, tl.Measurement(1.0, metrics={"memory": float(e)})) for e in (1, 9)]
    study.add_many(rows)
    with study.ledger.database.read() as connection:
        assert best_row(connection, study.stored.study_id, problem) is None
