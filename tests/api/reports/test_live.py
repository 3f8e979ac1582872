"""The live view follows the ledger: lines where there is no terminal, a table where there is one."""

import io
from dataclasses import replace

from rich.console import Console

from trialogue.api.reports.live import LiveStudy, best_line, expected, line, table
from trialogue.api.reports.view import StudyView


def rendered(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue] - a StringIO


def test_without_a_terminal_each_ended_trial_is_one_line_once(view: StudyView) -> None:
    shown = [0]

    def read() -> StudyView:
        return replace(view, rows=view.rows[: shown[0]])

    console = Console(file=io.StringIO(), force_terminal=False)
    with LiveStudy(read, 24, console):
        shown[0] = 10
    lines = console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]
    assert [text.split()[1] for text in lines] == [str(i) for i in range(10)]
    assert "failed" in lines[5]


def test_the_table_shows_source_verdict_and_expectation(view: StudyView) -> None:
    text = rendered(table(view, last=30))
    assert "planner:tiny" in text
    assert "kept" in text
    assert expected(view.rows[12]) in text


def test_markup_in_texts_is_shown_as_it_stands(view: StudyView) -> None:
    rows = (replace(view.rows[0], source="[red]evil[/red]", params={"kernel": "[bold]x"}),)
    text = rendered(table(replace(view, name="[blink]", rows=rows), last=5))
    assert "[red]evil[/red]" in text
    assert "[bold]x" in text
    assert "[blink]" in text


def test_the_best_line_says_when_there_is_none(view: StudyView) -> None:
    assert "no feasible result" in str(best_line(replace(view, rows=())))
    assert "trial 16" in str(best_line(view))


def test_a_line_names_number_value_fate_and_source(view: StudyView) -> None:
    assert line(view, view.rows[5], "failed").split()[:4] == ["trial", "5", "failed", "failed"]
