"""The screen of a running study: it fits, it says what is running and for how long, and no text moves the cursor."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from trialogue.api.reports.view import StudyView, TrialRow
from trialogue.api.terminal.screen import (
    Ends,
    Moment,
    best_line,
    expected,
    flat,
    line,
    progress,
    screen,
    shown,
    status,
    table,
)

NOON = 1_800_000_000.0


def rendered(renderable: object, width: int = 160) -> str:
    output = io.StringIO()
    Console(file=output, width=width).print(renderable)
    return output.getvalue()


def drawn(view: StudyView, *, width: int = 160, height: int = 40, ends: Ends | None = None) -> str:
    moment = Moment(NOON, 10.0)
    return rendered(screen(view, ends or Ends(30), moment, width=width, height=height), width)


def with_running(view: StudyView) -> StudyView:
    """One more trial has been running for 42 seconds."""
    row = TrialRow(24, "running", view.rows[0].params, source="surrogate", started_at=NOON - 42)
    return replace(view, rows=(*view.rows, row))


@pytest.mark.parametrize("width", [24, 36, 58, 80, 120, 200])
@pytest.mark.parametrize("height", [10, 24, 60])
def test_the_screen_fits_and_cuts_no_number(
    width: int, height: int, view_of_two_objectives: StudyView
) -> None:
    lines = drawn(view_of_two_objectives, width=width, height=height).splitlines()
    assert len(lines) <= height
    assert max(len(text) for text in lines) <= width
    rows = [text.split() for text in lines if text.split()[:1] == ["22"]]
    assert rows
    assert rows[0][1] == f"{view_of_two_objectives.rows[22].values[0]:.5g}"


def test_a_wide_screen_shows_source_verdict_and_expectation(view: StudyView) -> None:
    text = drawn(view)
    assert "planner:tiny (kept)" in text
    assert "(own)" not in text
    assert expected(view.rows[12]) in text


def test_what_runs_is_shown_last_with_its_time(view: StudyView) -> None:
    rows = [text for text in drawn(with_running(view)).splitlines() if "running" in text]
    assert len(rows) == 1
    assert "42 s" in rows[0]
    first = replace(view.rows[0], fate="running", values=(), started_at=NOON)
    assert shown(replace(view, rows=(first, *view.rows[1:20])), 3, history=True)[-1][0].number == 0


def test_many_running_trials_leave_no_room_to_what_ended(view: StudyView) -> None:
    running = tuple(TrialRow(24 + i, "running", {}, source="surrogate") for i in range(9))
    crowded = replace(view, rows=view.rows + running)
    assert {row.fate for row, _ in shown(crowded, 5, history=True)} == {"running"}
    assert len(drawn(crowded, height=12).splitlines()) <= 12


def test_between_trials_it_says_that_one_is_chosen(view: StudyView) -> None:
    assert "choosing what to run next" in drawn(replace(view, rows=view.rows[:4]))
    assert "choosing" not in drawn(with_running(view))


def test_the_time_left_is_that_of_the_limit_that_comes_first(view: StudyView) -> None:
    half = replace(view, rows=view.rows[:10])
    assert progress(half, Ends(trials=20), Moment(NOON, 30.0)) == (0.5, pytest.approx(30.0))
    resumed = Moment(NOON, 30.0, began_with=(0.25, 0.0))
    assert progress(half, Ends(trials=20), resumed) == (0.5, pytest.approx(60.0))
    assert progress(half, Ends(trials=20, seconds=40.0), Moment(NOON, 30.0)) == (0.75, pytest.approx(10.0))
    used_s = sum(row.seconds or 0.0 for row in half.rows)
    share, left_s = progress(half, Ends(evaluation_s=4 * used_s), Moment(NOON, 30.0))
    assert (share, left_s) == (pytest.approx(0.25), pytest.approx(90.0))


def test_where_nothing_has_ended_no_time_is_promised(view: StudyView) -> None:
    none = replace(view, rows=())
    assert progress(none, Ends(trials=20), Moment(NOON, 3.0)) == (0.0, None)
    assert "left" not in status(none, Ends(trials=20), Moment(NOON, 3.0), None)
    assert status(view, Ends(), Moment(NOON, 3.0), None) == "24 trials · 3 failed · 3.0 s · 1,234 tokens"


def test_markup_in_texts_is_shown_as_it_stands(view: StudyView) -> None:
    rows = (replace(view.rows[0], source="[red]evil[/red]", params={"kernel": "[bold]x"}),)
    text = drawn(replace(view, name="[blink]", rows=rows))
    assert "[red]evil[/red]" in text
    assert "[bold]x" in text
    assert "[blink]" in text


def test_no_text_moves_the_cursor_or_paints(view: StudyView) -> None:
    attack = "\x1b[2J\x1b[31mred\x1b]0;title\x07\r\nnext\x9b2J\u202e"
    rows = (replace(view.rows[5], text=attack, source=attack, params={"kernel": attack}),)
    for text in (drawn(replace(view, rows=rows)), line(view, rows[0], "failed"), flat(attack)):
        assert not set(text) & set("\x1b\x07\x9b\r\u202e")


def test_a_failed_trial_says_why(view: StudyView) -> None:
    rows = [(replace(view.rows[5], text="crash: out of memory"), "failed")]
    assert "crash: out of memory" in rendered(table(view, rows, now=NOON, width=160))


def test_the_best_line_says_when_there_is_none(view: StudyView, view_of_two_objectives: StudyView) -> None:
    assert "no feasible result" in str(best_line(replace(view, rows=())))
    assert "trial 16" in str(best_line(view))
    assert "not beaten in all objectives" in str(best_line(view_of_two_objectives))


def test_a_line_names_number_value_fate_source_and_reason(view: StudyView) -> None:
    assert line(view, view.rows[5], "failed").split()[:4] == ["trial", "5", "failed", "failed"]
    assert line(view, replace(view.rows[5], text="crash: too big"), "failed").endswith("crash: too big")
