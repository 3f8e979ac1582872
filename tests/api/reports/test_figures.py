"""Figures are plain JSON, escape what came from outside, and survive studies of every shape."""

import json
from dataclasses import replace
from typing import Any

import pytest

import trialogue as tl
from trialogue.api.reports import figures
from trialogue.api.reports.view import StudyView, view_of

ALL = [figures.history, figures.slices, figures.parallel, figures.sources, figures.calibration]


def points(figure: dict[str, Any], name: str) -> dict[str, Any]:
    return next(trace for trace in figure["data"] if trace.get("name") == name)


@pytest.mark.parametrize("draw", ALL)
def test_a_figure_is_json_without_markup_from_outside(draw: Any, view: StudyView) -> None:
    text = json.dumps(draw(view), allow_nan=False)
    assert "<script" not in text
    assert "<img" not in text


@pytest.mark.parametrize("draw", ALL)
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_short_study_has_figures_too(draw: Any, rows: int, view: StudyView) -> None:
    json.dumps(draw(replace(view, rows=view.rows[:rows])), allow_nan=False)


def test_history_colours_by_source_and_draws_the_best_so_far(view: StudyView) -> None:
    figure = figures.history(view)
    assert {"default", "surrogate", "initial_design", "planner:tiny", "failed", "best so far"} == {
        trace["name"] for trace in figure["data"]
    }
    best = points(figure, "best so far")["y"]
    assert best == sorted(best)
    assert best[-1] == view.best().values[0]  # pyright: ignore[reportOptionalMemberAccess]


def test_an_infeasible_result_is_hollow_and_never_best(view: StudyView) -> None:
    hollow = [row for row in view.rows if row.fate == "finished" and not row.feasible]
    assert hollow
    symbols = [
        s for trace in figures.history(view)["data"] for s in trace.get("marker", {}).get("symbol", [])
    ]
    assert symbols.count("circle-open") == len(hollow)
    assert view.best() not in hollow


def test_every_trial_and_every_rejected_proposal_flows(view: StudyView) -> None:
    link = figures.sources(view)["data"][0]["link"]
    assert sum(link["value"]) == len(view.rows) + view.rejected


def test_a_slice_leaves_out_trials_in_which_the_parameter_is_inactive(view: StudyView) -> None:
    gamma = figures.slices(view)["data"][2]
    assert len(gamma["x"]) == sum("gamma" in row.params for row in view.counted)


def test_inactive_parameters_stand_at_off_in_the_parallel_plot(view: StudyView) -> None:
    assert "off" in {mark["text"] for mark in figures.parallel(view)["layout"]["annotations"]}


def test_the_front_is_what_nothing_beats(view_of_two_objectives: StudyView) -> None:
    front = view_of_two_objectives.front()
    assert front
    for row in front:
        for other in view_of_two_objectives.counted:
            assert not (other.values[0] > row.values[0] and other.values[1] < row.values[1])
    assert points(figures.front(view_of_two_objectives), "Pareto front")["x"] == sorted(
        r.values[0] for r in front
    )


def test_slices_of_a_long_study_draw_the_better_results_and_a_sample(
    view: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MOST_POINTS", 4 * 10)  # four parameters
    drawn = figures.thinned(view)
    assert len(drawn) <= 10 < len(view.counted)
    assert view.best() in drawn
    assert list(drawn) == sorted(drawn, key=lambda row: row.number)
    assert len(figures.slices(view)["data"][0]["x"]) == len(drawn)


def test_a_wide_figure_says_what_its_labels_need(view: StudyView) -> None:
    assert figures.parallel(view)["layout"]["meta"]["least_width"] >= 80 * len(view.problem.space.names)


def test_importances_are_largest_on_top() -> None:
    bar = figures.importances({"a": 0.2, "b": 0.7, "c": 0.1})["data"][0]
    assert bar["y"] == ["c", "a", "b"]


def test_a_trial_that_did_less_of_the_task_is_small_and_never_best() -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 9)])
    problem = tl.Problem("p", space, [tl.Objective("loss")], fidelity=tl.Fidelity("epochs"))
    study = tl.Study(problem)
    study.add_many([({"x": 0.1, "epochs": e}, v) for e, v in ((1, 0.1), (9, 3.0), (3, 0.2), (9, 2.0))])
    view = view_of("p", problem, study.trials)
    best = view.best()
    assert best is not None
    assert best.number == 3
    assert view.incumbents() == [(1, 3.0), (3, 2.0)]
    (marks,) = [t for t in figures.history(view)["data"] if t["name"] == "user"]
    assert marks["marker"]["size"] == [5, 9, 5, 9]
