"""A connection to the ledger's database: opening, migrating, transactions, and every database error made one typed
error.

Knows nothing of studies. SQLite files run in WAL mode with a busy timeout; write transactions begin IMMEDIATE, so that
what a transaction read is still true when it writes. ``storage=None`` is a private SQLite database in memory: one
connection, one lock. Source of the hooks: SQLAlchemy's manual on pysqlite's transactions;
https://www.sqlite.org/wal.html.
"""

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import optuna
import sqlalchemy as sa
import tenacity
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ...evaluators.spaces.base import is_text
from ...serving.errors import InvalidInput
from ..errors import LedgerUnavailable
from . import schema
from .mirror import REVISION

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another: a write transaction takes milliseconds, so this is far beyond any honest
queue."""

_OPENINGS = 30
"""Attempts to create Optuna's tables while other processes do the same: Optuna creates them without a lock."""


class Database:
    """An opened database whose tables exist and are of the known versions. Safe to use from several threads."""

    def __init__(self, url: str | None = None) -> None:
        self.url = normal_url(url)
        self.in_memory = self.url == "sqlite://"
        self._gate = threading.RLock() if self.in_memory else None
        self._pid = os.getpid()
        with self._mapped_errors():
            self._engine_options = _engine_options(self.url)
            self._engine = sa.create_engine(self.url, **self._engine_options)
            _close_with(self, self._engine)
            if self._engine.dialect.name == "sqlite":
                _install_sqlite_hooks(self._engine, self.in_memory)
            self._open()

    def _open(self) -> None:
        for attempt in range(_OPENINGS):
            revision = self._optuna_revision()
            if revision is not None:
                break
            self._create_optuna_tables(last=attempt == _OPENINGS - 1)
        else:
            revision = self._optuna_revision()
        if revision != REVISION:
            raise LedgerUnavailable(
                f"the database has Optuna's schema {revision!r}, this version works on {REVISION!r}; "
                "run `optuna storage upgrade --storage URL` or install a matching version of trialogue."
            )
        self._migrate()

    def _optuna_revision(self) -> str | None:
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))

    def _create_optuna_tables(self, *, last: bool) -> None:
        try:
            storage = self.optuna_storage()
        except (LedgerUnavailable, IntegrityError) as error:
            if last or not any(
                sign in str(error) for sign in ("already exists", "duplicate", "UNIQUE", "locked")
            ):
                raise
            time.sleep(0.1 + 0.2 * random.random())  # another process is creating them at this moment
        else:
            if not self.in_memory:
                storage.engine.dispose()

    def _migrate(self) -> None:
        newest = len(schema.MIGRATIONS)
        with self.read() as connection:
            has_schema = sa.inspect(connection).has_table(schema.schema.name)
            version = (
                connection.scalar(sa.select(sa.func.max(schema.schema.c.version))) if has_schema else 0
            ) or 0
        if version == newest:
            return
        if version > newest:
            raise LedgerUnavailable(
                f"the ledger has schema version {version}, this version of trialogue knows {newest}; install a "
                "newer trialogue."
            )
        with self.write() as connection:
            if (
                connection.dialect.name == "postgresql"
            ):  # two processes may open a new database at the same moment
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(5781236)"))
            connection.execute(sa.text(schema.SCHEMA_TABLE))
            done = connection.scalar(sa.select(sa.func.max(schema.schema.c.version))) or 0
            for number in range(done + 1, newest + 1):
                for statement in schema.MIGRATIONS[number - 1]:
                    connection.execute(sa.text(statement))
                connection.execute(
                    schema.schema.insert().values(version=number, applied_at=time.time(), last_study_id=0)
                )

    def optuna_storage(self) -> optuna.storages.RDBStorage:
        """Return Optuna's own storage on this database, creating its tables when they are missing."""
        with self.serialised(), self._mapped_errors():
            level = optuna.logging.get_verbosity()
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            try:
                storage = optuna.storages.RDBStorage(self.url, engine_kwargs=dict(self._engine_options))
                if not self.in_memory:  # there the one connection is ours
                    _close_with(storage, storage.engine)
                return storage
            finally:
                optuna.logging.set_verbosity(level)

    @contextmanager
    def serialised(self) -> Iterator[None]:
        """Hold the one lock of a database in memory, whose connection all threads share; nothing elsewhere."""
        if self._gate is None:
            yield
            return
        with self._gate:
            yield

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection for reading one consistent state."""
        self._after_fork()
        with self.serialised(), self._mapped_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Yield a connection in a write transaction, committed at the end and rolled back on any error."""
        self._after_fork()
        with (
            self.serialised(),
            self._mapped_errors(),
            self._engine.connect() as connection,
            connection.execution_options(trialogue_write=True).begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close the pooled connections. The database may be used again; one in memory is gone."""
        self._engine.dispose()

    def _after_fork(self) -> None:
        if os.getpid() != self._pid:  # a forked child must not use its parent's sockets and file locks
            self._engine.dispose(close=False)
            self._pid = os.getpid()

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (
            SQLAlchemyError,
            sqlite3.Error,
            optuna.exceptions.StorageInternalError,
            OSError,
            ImportError,
        ) as error:
            raise LedgerUnavailable(_explained(self.url, error)) from error


def _close_with(owner: object, engine: sa.Engine) -> None:
    """Close the connections when their owner is forgotten; not at exit, where a child would close its parent's."""
    weakref.finalize(owner, engine.dispose).atexit = False


MAX_INTEGER = 2**31 - 1
"""The largest number that an INTEGER column of every database holds."""


def normal_url(url: str | None) -> str:
    """Return the SQLAlchemy URL for a storage as users write it; ``None`` is a private database in memory."""
    if url is None or url in ("sqlite://", "sqlite:///:memory:"):
        return "sqlite://"
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or not _is_ours(parsed):
        raise InvalidInput(
            "`storage` must be a URL such as sqlite:///study.db or postgresql://user@host/name, or None (in "
            f"memory), got {url!r}."
        )
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed.render_as_string(hide_password=False)


def _is_ours(url: sa.URL) -> bool:
    """Whether a URL names a database of a kind that we use, and, for SQLite, a file."""
    has_name = url.get_backend_name() == "postgresql" or bool(url.database)
    return url.get_backend_name() in ("sqlite", "postgresql") and has_name and is_text(url.database or "")


def _engine_options(url: str) -> dict:
    if url == "sqlite://":
        shared = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        return {"poolclass": StaticPool, "creator": lambda: shared}
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": BUSY_TIMEOUT_S}, "pool_size": 20, "max_overflow": 40}
    return {
        "pool_pre_ping": True,
        "pool_size": 10,
        "max_overflow": 30,
        "connect_args": {"connect_timeout": 10},
    }


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_locked),
    stop=tenacity.stop_after_delay(BUSY_TIMEOUT_S),
    wait=tenacity.wait_random(0.005, 0.05),
    reraise=True,
)
def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. SQLite does not wait where several processes switch a new file at once."""
    connection.execute("PRAGMA journal_mode=WAL")


def _install_sqlite_hooks(engine: sa.Engine, in_memory: bool) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.text_factory = partial(
            str, encoding="utf-8", errors="replace"
        )  # one bad byte spoils one text
        if not in_memory:
            _log_ahead(connection)
            connection.execute(
                "PRAGMA synchronous=FULL"
            )  # one fsync per commit: an acknowledged result survives power loss

    @event.listens_for(engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("trialogue_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


_CURES = (
    ("locked", "another process holds a long transaction on it; end that process or wait"),
    ("readonly", "make the file and its folder writable"),
    ("read-only", "make the file and its folder writable"),
    ("not a database", "the file is something else; give another path or move it away"),
    ("malformed", "the file is damaged; restore a backup (`trialogue export`, or sqlite3's .recover)"),
    ("unable to open", "the folder must exist and be writable"),
    ("disk is full", "free some disk space and repeat the command"),
    ("disk I/O", "check the disk and its free space"),
    ("No space left", "free some disk space and repeat the command"),
    (
        "psycopg",
        "start the server, check host, port, user and password, and install the extra `trialogue[pg]`",
    ),
)


def _explained(url: str, error: BaseException) -> str:
    shown = sa.make_url(url).render_as_string(hide_password=True)
    root: BaseException = error
    while isinstance(root.__cause__, BaseException):
        root = root.__cause__
    text = str(getattr(root, "orig", None) or root).strip().splitlines()
    cause = f"{type(root).__module__}.{type(root).__name__}: {text[0] if text else ''}"
    cure = next(
        (cure for sign, cure in _CURES if sign.lower() in cause.lower()), "check the URL and the server"
    )
    return f"the ledger {shown!r} cannot be used ({cause}); {cure}."
