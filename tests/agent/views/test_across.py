"""Studies side by side: each history is the best so far, over what was spent until then."""

from pathlib import Path

import pytest
from contracts.study import limited, problem
from contracts.transactions import transactions

import trialogue as tl
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.agent.views.across import across


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/study.db")


def test_a_history_has_a_place_for_each_new_best_and_the_newest_trial(ledger: Ledger) -> None:
    study = Study(limited(), storage=ledger, strategy="random")
    for value, fit_s in ((0.5, 1.0), (0.25, 3.0), (0.75, 1.0), (0.375, 1.0)):
        study.tell(study.ask(), tl.Measurement(value, constraints={"fit_s": fit_s}, seconds=2.0, cost=0.5))
    study.tell(study.ask(), failed="no")
    added = study.add({"kernel": "linear", "C": 1.0}, tl.Measurement(0.0, constraints={"fit_s": 1.0}))
    study.exclude(added.number, "wrong data")
    ((line,), following) = across(ledger)
    assert following is None
    history = line["history"]
    assert history["trials"] == [0, 3, 5]  # trial 1 breaks the limit, 2 is worse, the last one does not count
    assert history["best"] == [0.5, 0.375, 0.375]
    assert history["seconds"][:2] == [2.0, 8.0]
    assert history["cost"] == [0.5, 2.0, 2.0]
    assert line["cost"] == 2.0
    assert line["seconds"] >= 8.0


def test_studies_without_results_or_costs_have_their_line(ledger: Ledger) -> None:
    Study(problem(), name="new", storage=ledger, strategy="random")
    plain = Study(problem(), name="plain", storage=ledger, strategy="random", budget=tl.Budget(trials=1))
    plain.tell(plain.ask(), 0.5)
    Study(problem(), name="busy", storage=ledger, strategy="random").ask()
    lines, _ = across(ledger)
    assert [(line["name"], line["state"], line["cost"]) for line in lines] == [
        ("busy", "running", None), ("plain", "done", None), ("new", "new", None),
    ]  # fmt: skip
    assert [line["history"]["best"] for line in lines] == [[], [0.5], []]


def test_a_page_of_studies_is_two_looks_and_words_choose_among_them(ledger: Ledger) -> None:
    for i in range(5):
        study = Study(problem(), name=f"s{i}", storage=ledger, strategy="random")
        study.tell(study.ask(), float(i))
        study.note("Old data, GPU 3" if i % 2 else "new data")
    with transactions() as begun:
        lines, following = across(ledger, limit=2)
    assert len(begun) == 2
    assert [line["name"] for line in lines] == ["s4", "s3"]
    assert [line["name"] for line in across(ledger, before=following)[0]] == ["s2", "s1", "s0"]
    assert [line["name"] for line in across(ledger, contains="gpu old")[0]] == ["s3", "s1"]
    assert [line["name"] for line in across(ledger, contains="s3 data")[0]] == ["s3"]
    assert [line["name"] for line in across(ledger, names=["s0", "none"])[0]] == ["s0"]


def test_the_best_so_far_is_of_the_whole_task(ledger: Ledger) -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 9)])
    halving = tl.Problem("halving", space, [tl.Objective("loss")], fidelity=tl.Fidelity("epochs"))
    study = Study(halving, storage=ledger)
    values = ((1, 0.1), (3, 0.2), (9, 3.0), (3, 0.3), (9, 2.0), (1, 0.05))
    study.add_many([({"x": 0.1, "epochs": e}, v) for e, v in values])
    ((line,), _) = across(ledger)
    assert line["history"]["trials"] == [2, 4, 5]
    assert line["history"]["best"] == [3.0, 2.0, 2.0]
