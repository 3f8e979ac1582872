"""API keys on a database in memory, with a clock of the test's own."""

import pytest
import sqlalchemy as sa

from trialogue.agent.ledger import schema
from trialogue.agent.ledger.allowance import DAY_S, DailyUse
from trialogue.agent.ledger.database import Database
from trialogue.api.http.rights import Caller
from trialogue.api.service.keys import CACHE_S, KeyStore
from trialogue.serving.errors import InvalidInput


class Clock:
    now = 10.0 * DAY_S

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database() -> Database:
    return Database(None)


@pytest.fixture
def keys(database: Database, clock: Clock) -> KeyStore:
    return KeyStore(database, clock=clock)


def test_a_key_is_shown_once_and_kept_as_a_hash(keys: KeyStore, database: Database) -> None:
    secret = keys.add("lab", "read", studies=["b", "a"], requests_per_minute=5)
    assert keys.lookup(secret) == Caller("lab", "read", frozenset({"a", "b"}), 5)
    assert keys.lookup(secret + "x") is None
    with database.read() as connection:
        rows = str(connection.execute(sa.select(schema.api_keys)).all())
    assert secret not in rows
    assert secret.removeprefix("tlg_") not in rows


def test_a_name_is_taken_once(keys: KeyStore) -> None:
    keys.add("lab")
    with pytest.raises(InvalidInput, match="already"):
        keys.add("lab")


def test_an_unknown_scope_is_refused(keys: KeyStore) -> None:
    with pytest.raises(InvalidInput, match="scope"):
        keys.add("lab", "root")  # pyright: ignore[reportArgumentType]


def test_a_revoked_key_stops_working_elsewhere_within_seconds(
    keys: KeyStore, database: Database, clock: Clock
) -> None:
    secret = keys.add("lab")
    elsewhere = KeyStore(database, clock=clock)
    assert elsewhere.lookup(secret)
    keys.remove("lab")
    assert keys.lookup(secret) is None
    clock.now += CACHE_S
    assert elsewhere.lookup(secret) is None
    with pytest.raises(InvalidInput, match="no key"):
        keys.remove("lab")


def test_a_key_s_day_is_an_allowance_and_one_without_limits_has_none(
    keys: KeyStore, database: Database
) -> None:
    lab = Caller("lab", "write", asks_per_day=3)
    allowance = keys.allowance(lab)
    assert allowance is not None
    with database.write() as connection:
        allowance.take(connection, asks=2)
    assert keys.used_today(lab) == DailyUse(2, 0)
    assert keys.allowance(Caller("free", "write")) is None


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a\x00b", "a\nb", "x" * 101, "\ud800"])
def test_a_name_that_could_not_be_removed_is_refused(keys: KeyStore, name: str) -> None:
    with pytest.raises(InvalidInput, match="printable"):
        keys.add(name)
