"""What a terminal is told at the end of a run."""

import trialogue as tl
from trialogue.api.reports.view import view_of
from trialogue.api.terminal.session import schedule


def test_the_schedule_of_the_best_follows_its_checkpoints() -> None:
    problem = tl.Problem("p", tl.SearchSpace([tl.Float("rate", 0, 1), tl.Int("k", 1, 9)]))
    study = tl.Study(problem)
    rates = {"pbt:0": 0.5, "pbt:1": 0.25, "pbt:1:0": 0.5, "pbt:0:2": 0.125}
    for value, (source, rate) in enumerate(rates.items()):
        study.add({"rate": rate, "k": 3}, -float(value), source=source)
    view = view_of("p", problem, study.trials)
    best = view.best()
    assert best is not None
    assert schedule(view, best) == [
        "schedule of the best over trials 0, 2, 3:",
        "  rate: 0.5 0.125",
        "  k: 3",
    ]


def test_a_best_that_continued_no_other_has_no_schedule() -> None:
    problem = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]))
    study = tl.Study(problem)
    study.add({"x": 0.5}, 1.0)
    view = view_of("p", problem, study.trials)
    best = view.best()
    assert best is not None
    assert schedule(view, best) == []
