import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from contracts.ledger import LedgerContract
from contracts.study import problem

from trialogue.agent.contracts import Ask, Decision, Plan
from trialogue.agent.errors import LedgerUnavailable, StudyNotFound
from trialogue.agent.ledger import database
from trialogue.agent.ledger.ledger import Ledger, delete_study, export_rows
from trialogue.agent.study.study import Study
from trialogue.serving.errors import InvalidInput, TrialogueError


class TestLedgerInMemory(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return Ledger()


class TestLedgerOnSQLite(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Ledger:
        return Ledger(f"sqlite:///{tmp_path}/study.db")


@pytest.mark.postgres
@pytest.mark.slow
class TestLedgerOnPostgres(LedgerContract):
    @pytest.fixture
    def ledger(self, postgres_url: str) -> Ledger:
        ledger = Ledger(postgres_url)
        for name in ledger.names():
            ledger.delete(name)
        return ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


def _study(path: Path) -> Study:
    return Study(problem(), name="a", storage=f"sqlite:///{path}", strategy="random")


def test_a_locked_database_is_one_typed_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    study = _study(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match=r"locked.*another process"):
        study.ask()
    holder.execute("ROLLBACK")
    holder.close()
    assert study.ask().number == 0


def test_a_short_lock_is_waited_for(path: Path) -> None:
    study = _study(path)
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, holder.execute, ["ROLLBACK"]).start()
    assert study.ask().number == 0


def test_something_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("dear diary, " * 1000)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        Ledger(f"sqlite:///{path}")
    assert path.read_text().startswith("dear diary")


def test_a_missing_folder_and_an_unreachable_server_name_the_cure(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="folder must exist"):
        Ledger(f"sqlite:///{tmp_path}/nowhere/study.db")
    with pytest.raises(LedgerUnavailable, match=r"start the server") as caught:
        Ledger("postgresql://me:secret@127.0.0.1:1/studies")
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "setresuid"), reason="root may write everywhere")
def test_a_read_only_database_can_be_looked_at_and_not_written(path: Path) -> None:
    study = _study(path)
    study.tell(study.ask(), 0.5)
    study.ledger.database.close()
    uri = f"sqlite:///file:{path}?mode=ro&uri=true"
    looked = Study.load("a", storage=uri, reap=False)
    assert looked.best_trial.value == 0.5
    with pytest.raises(LedgerUnavailable, match="writable"):
        looked.ask()


def test_a_ledger_of_a_newer_version_is_refused(path: Path) -> None:
    _study(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO trialogue_schema VALUES (99, 0, 0)")
    connection.close()
    with pytest.raises(LedgerUnavailable, match="version 99"):
        Ledger(f"sqlite:///{path}")


def test_a_plain_optuna_database_takes_our_tables_beside_it(path: Path) -> None:
    url = f"sqlite:///{path}"
    theirs = optuna.create_study(study_name="theirs", storage=url)
    theirs.add_trial(optuna.create_trial(value=1.0))
    study = _study(path)
    assert study.ask().number == 0
    with pytest.raises(StudyNotFound, match="Optuna has one of its own"):
        Study.load("theirs", storage=url)
    assert Ledger(url).names() == ["a"]


def test_what_optuna_deletes_is_only_the_mirror(path: Path) -> None:
    study = _study(path)
    held = study.ask()
    study.tell(study.ask(), 0.5)
    optuna.delete_study(study_name="a", storage=f"sqlite:///{path}")
    assert Ledger(f"sqlite:///{path}").names() == ["a"]
    held.report(3, 0.25)
    study.tell(held, pruned=True)
    study.tell(study.ask(), 0.75)
    again = _study(path)
    assert [t.value for t in again.trials] == [0.25, 0.5, 0.75]
    assert optuna.get_all_study_names(f"sqlite:///{path}") == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM trial_intermediate_values").fetchone() == (0,)
    connection.close()
    study.ledger.delete("a")
    assert Ledger(f"sqlite:///{path}").names() == []


def test_export_and_backup_hold_every_trial(path: Path, tmp_path: Path) -> None:
    study = _study(path)
    study.add_many([({"kernel": "linear", "C": 1.0 + i}, float(i)) for i in range(5)])
    study.tell(study.ask(), failed="no")
    rows = list(export_rows("a", f"sqlite:///{path}"))
    assert [row["number"] for row in rows] == list(range(6))
    assert json.loads(json.dumps(rows))[5]["ending"] == {"kind": "crash", "reason": "no"}
    study.ledger.backup(tmp_path / "copy.db")
    assert Study.load("a", storage=f"sqlite:///{tmp_path}/copy.db").trials == study.trials
    with pytest.raises(InvalidInput, match="must not exist"):
        study.ledger.backup(tmp_path / "copy.db")
    delete_study("a", f"sqlite:///{path}")
    assert Ledger(f"sqlite:///{path}").names() == []


def test_a_forked_child_opens_its_own_connections(path: Path) -> None:
    code = f"""
import os, sys
from contracts.study import problem
from trialogue.agent.study.study import Study
study = Study(problem(), name="a", storage="sqlite:///{path}", strategy="random")
study.ask()
child = os.fork()
if child == 0:
    study.tell(study.ask(), 1.0)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert [t.state for t in study.trials] == ["running", "finished"], study.trials
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.slow
def test_ten_thousand_results_are_added_within_five_seconds(path: Path) -> None:
    study = _study(path)
    rows = [({"kernel": "linear", "C": 1.0 + i / 100}, float(i)) for i in range(10_000)]
    start = time.process_time()
    study.add_many(rows)
    assert time.process_time() - start < 5
    assert len(study.trials) == 10_000


@pytest.mark.slow
def test_asking_costs_the_same_after_ten_thousand_trials(path: Path) -> None:
    class Counting:
        name = "counting"

        def plan(self, ask: Ask) -> Plan:
            return Plan(
                (Decision({"kernel": "linear", "C": 500.0 + ask.index / 100}, "test", "next", "own"),)
            )

    study = Study(problem(), name="a", storage=f"sqlite:///{path}", strategy=Counting())

    def pairs(n: int) -> float:
        start = time.process_time()
        for _ in range(n):
            study.tell(study.ask(), 1.0)
        return (time.process_time() - start) / n

    pairs(5)
    few = pairs(40)
    study.add_many([({"kernel": "linear", "C": 1.0 + i / 100}, float(i)) for i in range(10_000)])
    pairs(5)
    many = pairs(40)
    assert many < 0.015
    assert many < 3 * few + 0.003


def test_files_of_a_ledger_are_no_more_readable_than_asked(path: Path) -> None:
    before = os.umask(0o077)
    try:
        _study(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.postgres
@pytest.mark.slow
def test_a_cut_connection_is_one_typed_error_and_then_forgotten(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    if ledger.has("cut"):
        ledger.delete("cut")
    study = Study(problem(), name="cut", storage=ledger, strategy="random")
    cut = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user"
    )

    class Cutting:
        name = "cutting"

        def plan(self, ask: Ask) -> Plan:
            with other.database.write() as connection:
                connection.execute(cut)
            return Plan((Decision({"kernel": "linear", "C": 1.0 + ask.index}, "test", "cut", "own"),))

    other = Ledger(postgres_url)
    cutting = Study(problem(), name="cut", storage=ledger, strategy=Cutting())
    assert cutting.ask().number == 0  # a dead connection of the pool is replaced before it is used
    with pytest.raises(LedgerUnavailable, match="start the server"):
        _cut_in_the_middle(ledger, other, cut)
    study.tell(0, 1.0)
    assert study.best_trial.number == 0


def _cut_in_the_middle(ledger: Ledger, other: Ledger, cut: sa.TextClause) -> None:
    with ledger.database.write() as connection:
        with other.database.write() as killer:
            killer.execute(cut)
        connection.execute(sa.text("SELECT 1"))


@pytest.mark.parametrize(
    "url", ["sqlite:///", "sqlite:///\udcff.db", "", "postgresql://h:x/y", "sqlite:///a\0b"], ids=ascii
)
def test_a_storage_that_names_no_database_is_refused_in_words(url: str) -> None:
    with pytest.raises(TrialogueError, match="`storage` must be a URL"):
        Ledger(url)
