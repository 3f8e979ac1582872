"""An open study costs few transactions, and what it keeps is what the ledger holds, whoever wrote it."""

from pathlib import Path

import pytest
from contracts.study import problem
from contracts.transactions import transactions

import trialogue as tl
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(problem(), storage=f"sqlite:///{tmp_path}/study.db", strategy="random")
    for value in (0.5, 0.25):
        study.tell(study.ask(), value)
    return study


def test_an_ask_is_two_transactions_and_a_tell_is_one(study: Study) -> None:
    with transactions() as asking:
        trial = study.ask()
    assert len(asking) == 2
    with transactions() as telling:
        study.tell(trial, 0.75)
    assert len(telling) == 1
    with transactions() as looking:
        assert study.best_trial.number == trial.number
    assert len(looking) == 1


def test_a_surrogate_s_ask_is_two_transactions(tmp_path: Path) -> None:
    study = Study(problem(), storage=f"sqlite:///{tmp_path}/study.db", strategy="surrogate")
    for _ in range(6):
        study.tell(study.ask(), 0.5)
    with transactions() as begun:
        assert study.ask().source == "surrogate"
    assert len(begun) == 2


def test_what_it_keeps_is_what_the_ledger_holds(study: Study) -> None:
    other = Study.load("svm", storage=study.ledger, reap=False)
    one, two, three, four = study.ask(4)
    study.tell(one, 0.5)
    other.tell(two.number, failed="no")  # in between: the first study has to read again
    study.tell(three, tl.Measurement(0.25, sem=0.5, metrics={"loss": 1}))
    other.exclude(0, "wrong data")
    study.enqueue({"kernel": "linear", "C": 2.0})
    study.exclude(one.number, "wrong too")
    study.add({"kernel": "linear", "C": 1.0}, 0.125)
    study.ask()
    fresh = Study.load("svm", storage=study.ledger, reap=False)
    assert study.trials == other.trials == fresh.trials
    for kept in (study, other):
        history, truth = kept.refresh(), fresh.refresh()
        assert [t.number for t in history.running] == [t.number for t in truth.running] == [four.number, 7]
        assert {t.number for t in history.finished} == {t.number for t in truth.finished} == {1, 4, 6}
        assert [t.number for t in history.failed] == [two.number]


def test_what_it_wrote_is_what_a_reader_finds(study: Study) -> None:
    told = study.tell(study.ask(), tl.Measurement(1, metrics={"loss": 2}))
    asked = study.ask().record
    reader = Study.load("svm", storage=Ledger(study.ledger.url), reap=False)
    assert reader.trial(told.number) == told
    assert reader.trial(asked.number) == asked
