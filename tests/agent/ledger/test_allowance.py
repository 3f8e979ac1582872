"""What a caller may use in a day, with a clock of the test's own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from contracts.study import problem

from trialogue.agent.errors import DailyBudgetSpent
from trialogue.agent.ledger.allowance import DAY_S, Allowance, DailyUse
from trialogue.agent.ledger.database import Database
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study


class Clock:
    now = 10.0 * DAY_S

    def __call__(self) -> float:
        return self.now


def used(database: Database, allowance: Allowance) -> DailyUse:
    with database.read() as connection:
        return allowance.used(connection)


def take(database: Database, allowance: Allowance, **what: int) -> None:
    with database.write() as connection:
        allowance.take(connection, **what)


def test_a_day_is_counted_and_starts_again() -> None:
    database, clock = Database(None), Clock()
    lab = Allowance("lab", asks=3, tokens=100, clock=clock)
    take(database, lab, asks=2)
    with pytest.raises(DailyBudgetSpent) as spent:
        take(database, lab, asks=2)
    assert spent.value.retry_after_s == DAY_S + 1
    take(database, lab, asks=1, tokens=150)
    assert used(database, lab) == DailyUse(3, 150)
    with pytest.raises(DailyBudgetSpent, match="tokens"), database.read() as connection:
        lab.check(connection)
    clock.now += DAY_S
    take(database, lab, asks=3)


def test_nothing_is_ever_given_back() -> None:
    with pytest.raises(ValueError, match="never"):
        take(Database(None), Allowance("lab", asks=5), asks=-1_000)


def test_two_studies_share_one_count_and_what_is_undone_is_not_counted(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/a.db")
    lab = Allowance("lab", asks=5)
    studies = [Study(problem(), name=n, storage=ledger, strategy="random") for n in ("a", "b")]
    assert len(studies[0].ask(3, allowance=lab)) == 3
    with pytest.raises(DailyBudgetSpent, match="has had 3"):
        studies[1].ask(3, allowance=lab)
    assert studies[1].trials == ()
    assert len(studies[1].ask(2, allowance=lab)) == 2
    assert used(ledger.database, lab) == DailyUse(5, 0)


def test_a_race_of_processes_worth_of_studies_takes_exactly_the_limit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    Study(problem(), storage=url, strategy="random")
    studies = [Study(None, name="svm", storage=url, strategy="random") for _ in range(8)]

    def ask(study: Study) -> int:
        try:
            return len(study.ask(1, allowance=Allowance("lab", asks=5)))
        except DailyBudgetSpent:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, studies)) == 5
    assert len(studies[0].trials) == 5


def test_what_is_given_out_in_two_parts_stops_at_the_limit(tmp_path: Path) -> None:
    study = Study(problem(), storage=Ledger(), strategy="random")
    study.enqueue(study.problem.space.default())
    lab = Allowance("lab", asks=2)
    assert len(study.ask(2, allowance=lab)) == 2  # one from the queue, one decided
    assert used(study.ledger.database, lab) == DailyUse(2, 0)
