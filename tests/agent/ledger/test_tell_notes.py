"""Notes stand in the rows of what they are about, and their earlier words in the study's log."""

from pathlib import Path

import pytest
from contracts.study import problem

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.ledger.tell import NOTE_CHARACTERS, checked_note
from trialogue.agent.study.study import Study
from trialogue.serving.errors import InvalidInput


@pytest.mark.parametrize(
    "text", ["", "zwei\nZeilen\tund \u00fc", "\U0001f469\u200d\U0001f52c", "x" * NOTE_CHARACTERS, "=1+1 <b>"]
)
def test_words_people_write_are_kept_as_they_are(text: str) -> None:
    assert checked_note(text) == text


@pytest.mark.parametrize(
    "text", ["a\0b", "half \ud800", "\x1b[2J", "\x85", "a\rb", "\u2066hidden", "x" * (NOTE_CHARACTERS + 1)]
)
def test_what_no_door_could_show_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(InvalidInput, match="a note must have"):
        checked_note(text)


def test_the_same_words_again_change_nothing(tmp_path: Path) -> None:
    study = Study(problem(), storage=f"sqlite:///{tmp_path}/a.db", strategy="random")
    number = study.ask().number
    for _ in range(3):
        study.note("once")
        study.note("once", trial_number=number)
    assert [e.trial_number for e in study.events() if e.kind == "note"] == [None, number]


def test_a_fork_takes_the_notes_of_its_trials_along() -> None:
    study = Study(problem(), strategy="random")
    study.tell(study.ask(), 1.0)
    study.note("odd", trial_number=0)
    assert study.fork("copy", problem=problem()).trial(0).note == "odd"


def test_a_remark_of_the_program_is_no_note(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/a.db")
    study = Study(problem(), storage=ledger, strategy="random")
    study.note("mine")
    study.remark("the budget is now {'trials': 3}")
    assert ledger.find(study.name).note == "mine"
    assert [e.kind for e in study.events()][-2:] == ["note", "remark"]
