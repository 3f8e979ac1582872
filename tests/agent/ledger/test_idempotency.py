"""A request that is sent again is not done again, wherever its process died."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from contracts.study import problem

from trialogue.agent.ledger.leases import remote_lease
from trialogue.agent.study.study import Study

GOOD = {"kernel": "linear", "C": 1.0}


def test_the_same_receipt_gives_the_same_trials() -> None:
    study = Study(problem(), strategy="random")
    study.enqueue(GOOD)
    first = [t.number for t in study.ask(3, receipt="r1")]
    assert first == [0, 1, 2]  # one from the queue, two that were planned: two transactions, one receipt
    assert [t.number for t in study.ask(3, receipt="r1")] == first
    assert [t.number for t in study.ask(3, receipt="r2")] == [3, 4, 5]
    assert len(study.trials) == 6


def test_what_was_lost_meanwhile_is_not_given_again() -> None:
    study = Study(problem(), strategy="random")
    lost = study.ask(1, receipt="r1", lease=remote_lease("w1", lasts_s=-1))[0]
    study.reap()
    assert study.ask(1, receipt="r1")[0].number == 1
    assert study.ask(1, receipt="r1")[0].number == 1
    assert study.trial(lost.number).state == "failed"


def test_asking_again_holds_the_trial_anew() -> None:
    study = Study(problem(), strategy="random")
    study.ask(1, receipt="r1", lease=remote_lease("w1", lasts_s=-1))
    study.ask(1, receipt="r1", lease=remote_lease("w1", lasts_s=60))
    assert study.reap() == []


def test_queueing_and_adding_are_done_once() -> None:
    study = Study(problem(), strategy="random")
    for _ in range(2):
        study.enqueue(GOOD, receipt="q")
        assert study.add_many([(GOOD, 1.0), (GOOD, 2.0)], receipt="a") == [0, 1]
    assert study.ledger.heads(study.stored.study_id).queued == 1
    assert len(study.trials) == 2


def test_threads_with_one_receipt_get_one_trial(tmp_path: Path) -> None:
    studies = [Study(problem(), storage=f"sqlite:///{tmp_path}/a.db", strategy="random") for _ in range(4)]
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda s=s: got.extend(t.number for t in s.ask(1, receipt="same")))
        for s in studies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [0, 0, 0, 0]
    assert len(studies[0].trials) == 1


DYING = """
import os, signal, sys
from contracts.study import problem
from trialogue.agent.study.study import Study
study = Study(problem(), storage=sys.argv[1], strategy="random")
study.ask(2, receipt="r1")
os.kill(os.getpid(), signal.SIGKILL)  # after the transaction, before any answer
"""


@pytest.mark.slow
def test_a_process_killed_between_the_transaction_and_its_answer_leaves_the_receipt(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    path = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", DYING, url], env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    study = Study.load(problem().name, storage=url, reap=False)
    assert [t.number for t in study.ask(2, receipt="r1")] == [0, 1]
    assert len(study.trials) == 2
