"""Verbs that change a study, as a line of words says them."""

import pytest
from contracts.study import problem

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.agent.verbs.context import Desk
from trialogue.agent.verbs.read import STUDY_VERBS
from trialogue.agent.verbs.verb import parse
from trialogue.evaluators.errors import InvalidMeasurement

VERBS = {verb.name: verb for verb in STUDY_VERBS}


def say(desk: Desk, line: str) -> str:
    name, _, rest = line.partition(" ")
    return VERBS[name].function(desk, **parse(VERBS[name], rest)).text


def test_a_note_is_written_shown_and_taken_away_in_words() -> None:
    ledger = Ledger()
    desk = Desk(ledger, Study(problem(), storage=ledger, strategy="random"))
    desk.study.tell(desk.study.ask(), 0.5)
    assert say(desk, 'note don\'t use: "old" data') == "Noted."
    assert 'Note: don\'t use: "old" data' in say(desk, "show")
    say(desk, "note trial=0 the fan was off")
    assert "Note: the fan was off" in say(desk, "explain 0")
    assert say(desk, "note") == "The note is gone."
    assert "Note:" not in say(desk, "show")
    assert VERBS["note"].scope == "write"
    assert VERBS["note"].needs_approval


def test_a_limit_that_is_no_number_is_refused_and_not_left_out() -> None:
    ledger = Ledger()
    desk = Desk(ledger, Study(problem(), storage=ledger, strategy="random"))
    desk.study.ask()
    for value in ("fast", "null", "true"):
        with pytest.raises(InvalidMeasurement, match="finite numbers"):
            say(desk, f"tell 0 0.5 fit_s={value}")
    assert desk.study.trial(0).state == "running"
