"""Lists of studies cost few transactions, whatever is in them, and say what the studies say."""

from pathlib import Path

import pytest
from contracts.study import limited, problem
from contracts.transactions import transactions

import trialogue as tl
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.agent.views.as_json import study_lines
from trialogue.agent.views.overview import count_trials, overviews


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/study.db")


def test_a_list_of_20_studies_is_one_transaction(ledger: Ledger) -> None:
    for i in range(22):
        study = Study(problem(), name=f"s{i}", storage=ledger, strategy="random")
        study.tell(study.ask(), float(i))
    with transactions() as begun:
        lines, following = study_lines(ledger, limit=20)
    assert len(begun) == 1
    assert [line["name"] for line in lines] == [f"s{i}" for i in range(21, 1, -1)]
    assert [line["best"]["values"] for line in lines] == [[float(i)] for i in range(21, 1, -1)]
    rest, end = study_lines(ledger, limit=20, before=following)
    assert ([line["name"] for line in rest], end) == (["s1", "s0"], None)


def test_the_best_of_a_list_keeps_the_limits(ledger: Ledger) -> None:
    study = Study(limited(), storage=ledger, strategy="random")
    for value, fit_s in ((0.5, 2.5), (0.75, 1.5), (0.875, 1.0), (0.75, 1.0)):
        study.tell(study.ask(), tl.Measurement(value, constraints={"fit_s": fit_s}))
    study.tell(study.ask(), failed="no")
    (line,) = overviews(ledger)
    assert line.best is not None
    assert line.best == study.best_trial
    assert line.counts.states == {"finished": 4, "failed": 1}
    study.exclude(line.best.number, "wrong data")
    assert overviews(ledger)[0].best == study.best_trial != line.best


def test_studies_are_chosen_by_name(ledger: Ledger) -> None:
    for name in ("trees", "trees-deep", "svm"):
        Study(problem(), name=name, storage=ledger)
    assert [one.name for one in overviews(ledger, contains="TREES")] == ["trees-deep", "trees"]
    assert [one.name for one in overviews(ledger, names=["svm", "none"])] == ["svm"]
    assert overviews(ledger, contains="_") == []
    assert count_trials(ledger, overviews(ledger)[0].stored.study_id).states == {}
