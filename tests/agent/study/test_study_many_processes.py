"""Several processes on one study, and processes that are killed: nothing twice, nothing swapped, nothing lost."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from contracts.study import problem

from trialogue.agent.ledger.database import _log_ahead
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study

pytestmark = pytest.mark.slow

_WORKERS = """
import json, os, sys, traceback
from contracts.study import problem
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study

def work(url, path, n):
    study = Study(problem(), name="shared", storage=url, strategy="random")
    got = []
    for _ in range(n):
        trial = study.ask()
        got.append([trial.number, trial.params])
        study.tell(trial, trial.params["C"])
    open(path, "w").write(json.dumps(got))

url, folder, workers, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
gate, opened = os.pipe()
children = []
for i in range(workers):  # forked after the imports, so that all begin at the same moment
    child = os.fork()
    if child == 0:
        os.close(opened)
        os.read(gate, 1)
        try:
            work(url, f"{folder}/worker{i}.json", n)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(child)
os.close(opened)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""

_ENDLESS = """
import sys, time
from contracts.study import problem
from trialogue.agent.study.study import Study
study = Study(problem(), name="shared", storage=sys.argv[1], strategy="random")
while True:
    trial = study.ask()
    print("asked", trial.number, flush=True)
    time.sleep(0.002)
    study.tell(trial, 1.0)
    print("told", trial.number, flush=True)
"""


def _start(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )


def _run_workers(url: str, folder: Path, workers: int, n: int) -> list[tuple[int, dict[str, Any]]]:
    process = _start(_WORKERS, url, str(folder), str(workers), str(n))
    process.communicate(timeout=200)
    assert process.returncode == 0
    handed: list[tuple[int, dict[str, Any]]] = []
    for path in folder.glob("worker*.json"):
        handed += [(number, params) for number, params in json.loads(path.read_text())]
    return handed


def _four_times_forty(url: str, folder: Path) -> None:
    handed = _run_workers(url, folder, 4, 40)
    study = Study.load("shared", storage=url)
    assert sorted(number for number, _ in handed) == list(range(160))
    assert {t.number: dict(t.params) for t in study.trials} == dict(handed)
    assert {t.number: t.value for t in study.trials} == {number: params["C"] for number, params in handed}
    assert len({problem().space.key(params) for _, params in handed}) == 160
    assert {t.state for t in study.trials} == {"finished"}
    assert [e.number for e in study.events(limit=10_000)] == list(range(1, 322))


def test_four_processes_get_every_proposal_once(tmp_path: Path) -> None:
    _four_times_forty(f"sqlite:///{tmp_path}/study.db", tmp_path)


@pytest.mark.postgres
def test_four_processes_on_postgres_get_every_proposal_once(postgres_url: str, tmp_path: Path) -> None:
    ledger = Ledger(postgres_url)
    if ledger.has("shared"):
        ledger.delete("shared")
    _four_times_forty(postgres_url, tmp_path)


def test_eight_processes_create_the_same_database_at_once(tmp_path: Path) -> None:
    assert len(_run_workers(f"sqlite:///{tmp_path}/study.db", tmp_path, 8, 1)) == 8


def test_a_killed_process_loses_no_finished_trial(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    living = Study(problem(), name="shared", storage=url, strategy="random")
    mine = living.ask()
    told: set[int] = set()
    for delay in (0.02, 0.05, 0.11):
        process = _start(_ENDLESS, url)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        told |= {int(line.split()[1]) for line in lines if line.startswith("told")}
    assert told
    resumed = Study(problem(), name="shared", storage=url, strategy="random")
    states = {t.number: t.state for t in resumed.trials}
    assert {states[number] for number in told} == {"finished"}
    assert states.pop(mine.number) == "running"
    assert set(states.values()) <= {"finished", "failed"}
    lost = [t for t in resumed.trials if t.failure]
    assert len(lost) <= 3
    assert all(
        t.failure and t.failure.kind == "lost" and "ended without telling" in t.failure.reason for t in lost
    )
    assert sorted(t.number for t in resumed.trials) == list(range(len(resumed.trials)))
    resumed.tell(mine.number, 0.5)


def test_a_new_file_that_another_connection_locks_is_waited_for(tmp_path: Path) -> None:
    other, ours = (
        sqlite3.connect(tmp_path / "study.db", timeout=0, isolation_level=None, check_same_thread=False)
        for _ in range(2)
    )
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        ours.execute("PRAGMA journal_mode=WAL")
    timer = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    timer.start()
    _log_ahead(ours)
    timer.join()
    assert ours.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    ours.close()
    other.close()
