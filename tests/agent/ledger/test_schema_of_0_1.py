"""A database that version 0.1 wrote opens, is brought up to date, and its studies go on.

``tests/data/ledger_0_1.sql`` is such a database as text: a study with trials of every kind, one of which runs while its
worker is gone, a trial that plain Optuna began, a study of two objectives, and a fork.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.agent.views.overview import overviews

DUMP = Path(__file__).parents[2] / "data" / "ledger_0_1.sql"


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DUMP.read_text())
    return f"sqlite:///{path}"


def test_its_studies_are_there(url: str) -> None:
    ledger = Ledger(url)
    lines = {line.name: line for line in overviews(ledger)}
    assert {name: line.trials for name, line in lines.items()} == {"svm": 8, "two": 2, "svm-wide": 6}
    assert lines["svm"].best is not None
    assert lines["svm"].best.value == 0.7
    assert lines["two"].front == (0, 1)
    study = Study.load("svm", storage=ledger, reap=False)
    states = ["finished", "finished", "finished", "failed", "pruned", "finished", "running", "finished"]
    assert [t.state for t in study.trials] == states
    assert (study.trials[5].excluded, study.trials[4].value) == ("wrong data", 0.125)
    assert study.best_trial.number == 2
    assert Study.load("svm-wide", storage=ledger).lineage == {
        "parent": "svm",
        "copied": 6,
        "left_out": 0,
        "why_left_out": [],
    }


def test_they_go_on(url: str) -> None:
    study = Study.load("svm", storage=url, reap=False)
    assert study.tell(6, pruned=True).value == 0.375  # reported under 0.1
    queued = study.ask()
    assert (queued.number, queued.params) == (9, {"kernel": "linear", "C": 9.0})  # Optuna gave out 8
    assert study.tell(queued, failed="no").state == "failed"
    assert [e.kind for e in study.events()][-3:] == ["pruned", "asked", "failed"]


def test_it_is_brought_up_to_date_once(url: str) -> None:
    path = url.removeprefix("sqlite:///")
    Ledger(url).database.close()
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    Ledger(url).database.close()
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
