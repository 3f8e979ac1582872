"""The ledger: the studies of one database, and everything that is read from it by SQL.

State lives here and nowhere else; Optuna's tables are a mirror of it, written in the same transactions. One ``Ledger``
may serve any number of studies and threads; give it as ``storage=`` to share its connections.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.base import shown, storable
from ...serving.errors import InvalidInput
from ..budget import Budget
from ..contracts import Spent
from ..engine_options import EngineOptions
from ..errors import StudyMismatch, StudyNotFound, StudyUnreadable
from ..protocol import StudyProtocol
from ..proxy import ProxyOptions
from . import mirror, schema
from .database import MAX_INTEGER, Database
from .records import TrialRecord, record_from_row
from .schema import UNFIT, moment, stored_json
from .transaction import change, counters_of

_S, _T = schema.studies, schema.trials


@dataclass(frozen=True)
class StoredStudy:
    """A study as it stands in the ledger. ``config``: budget, planner and strategy as data. ``lineage``: of a fork.
    ``note``: what people wrote beside it, when it was read."""

    study_id: int
    name: str
    problem: Problem
    seed: int
    config: Mapping[str, Any]
    lineage: Mapping[str, Any] | None
    created_at: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Heads:
    """The counters of a study: what has changed since they were last read, and what was spent."""

    revision: int
    asked: int
    queued: int
    spent: Spent


def check_study_name(name: str) -> None:
    """Raise InvalidInput for a name that some door could not say: in a URL, on a line, in a database."""
    text = isinstance(name, str) and 1 <= len(name) <= 400 and name.isprintable()
    if not text or not name.strip() or name in (".", ".."):
        raise InvalidInput(
            f"`name` of a study must have 1 to 400 printable characters and not be '.' or '..', got {shown(name, 500)}."
        )


class Ledger:
    """The studies of one database. Raises LedgerUnavailable for whatever is wrong with it."""

    def __init__(self, storage: str | None = None) -> None:
        self.database = Database(storage)

    @property
    def url(self) -> str:
        """The database's URL; ``sqlite://`` is memory."""
        return self.database.url

    def create(
        self,
        name: str,
        problem: Problem,
        *,
        seed: int,
        config: Mapping[str, Any] | None = None,
        lineage: Mapping[str, Any] | None = None,
    ) -> StoredStudy:
        """Create a study; raises StudyMismatch when the name is taken."""
        check_study_name(name)
        try:
            with self.database.write() as connection:
                study_id = mirror.insert_study(connection, name, problem, _fresh_id(connection))
                connection.execute(schema.schema.update().values(last_study_id=study_id))
                connection.execute(
                    _S.insert().values(
                        study_id=study_id,
                        problem=json.dumps(problem.to_dict()),
                        seed=seed,
                        config=json.dumps(dict(config or {})),
                        lineage=None if lineage is None else json.dumps(dict(lineage)),
                        created_at=time.time(),
                        name=name,
                        **_NOTHING_YET,
                    )
                )
        except IntegrityError:
            raise StudyMismatch(
                f"a study {name!r} is already in the ledger; load it, or choose another name."
            ) from None
        with change(self.database, study_id) as current:
            current.event("created", name=name, seed=seed)
        return self.find(name)

    def find(self, name: str) -> StoredStudy:
        """Return the study of that name; raises StudyNotFound, StudyUnreadable."""
        with self.database.read() as connection:
            row = connection.execute(sa.select(_S).where(_S.c.name == storable(name))).one_or_none()
            plain = row is None and mirror.has_plain_study(connection, storable(name))
            names = connection.scalars(sa.select(_S.c.name).limit(10)).all() if row is None else ()
        if row is None:
            cure = (
                "Optuna has one of its own: choose another name and add its trials (docs/ledger.md)"
                if plain
                else f"the ledger has {', '.join(map(repr, names)) or 'no studies'}"
            )
            raise StudyNotFound(f"no study {name!r} in the ledger; {cure}.")
        study = study_of(row)
        if isinstance(study, StudyUnreadable):
            raise study
        return study

    def verifications(self, name: str) -> list[StoredStudy]:
        """Return the studies that are named as verifications of the study of that name, oldest first; what cannot be read
        is left out."""
        mark = _S.c.config.contains('"strategy": "pairs:', autoescape=True)
        with self.database.read() as connection:
            rows = connection.execute(sa.select(_S).where(mark).order_by(_S.c.study_id)).all()
        mine = [row for row in rows if isinstance(row.name, str) and row.name.startswith(f"{name}-verify-")]
        return [study for row in mine if isinstance(study := study_of(row), StoredStudy)]

    def names(self) -> Sequence[str]:
        """Return the names of all studies, oldest first."""
        with self.database.read() as connection:
            return connection.scalars(sa.select(_S.c.name).order_by(_S.c.study_id)).all()

    def has(self, name: str) -> bool:
        """Return whether a study has that name."""
        with self.database.read() as connection:
            return connection.scalar(sa.select(_S.c.study_id).where(_S.c.name == storable(name))) is not None

    def configure(self, study_id: int, *, problem: Problem, config: Mapping[str, Any]) -> None:
        """Store the words of the problem (description, context) and the configuration anew."""
        with self.database.write() as connection:
            connection.execute(
                _S.update()
                .where(_S.c.study_id == study_id)
                .values(problem=json.dumps(problem.to_dict()), config=json.dumps(dict(config)))
            )

    def heads(self, study_id: int) -> Heads:
        """Return the counters of a study, by its primary key; raises StudyNotFound when it was deleted."""
        with self.database.read() as connection:
            return _heads(connection, study_id)

    def look(self, stored: StoredStudy, revision: int) -> tuple[Heads, list[TrialRecord]]:
        """Return the counters of a study, and the trials that changed after ``revision`` in the order of their last
        change; raises StudyNotFound."""
        with self.database.read() as connection:
            heads = _heads(connection, stored.study_id)
            if heads.revision <= revision:
                return heads, []
            rows = connection.execute(_CHANGED, {"study_id": stored.study_id, "revision": revision}).all()
        return heads, [record_from_row(row, stored.problem) for row in rows]

    def page(
        self,
        stored: StoredStudy,
        *,
        state: str | None = None,
        source: str | None = None,
        order: Literal["number", "-number", "value", "-value"] = "-number",
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[list[TrialRecord], int]:
        """Return one page of trials and how many there are in all."""
        query = sa.select(_T).where(_T.c.study_id == stored.study_id)
        if state is not None:
            query = query.where(_T.c.state == state)
        if source is not None:
            query = query.where(_T.c.source == source)
        orders = {
            "number": (_T.c.number,),
            "-number": (_T.c.number.desc(),),
            "value": (_T.c.value.is_(None), _T.c.value, _T.c.number),
            "-value": (_T.c.value.is_(None), _T.c.value.desc(), _T.c.number),
        }
        if order not in orders:
            raise InvalidInput(f"`order` must be one of {', '.join(orders)}, got {order!r}.")
        with self.database.read() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(query.subquery()))
            rows = connection.execute(
                query.order_by(*orders[order]).limit(min(limit, MAX_INTEGER)).offset(min(offset, MAX_INTEGER))
            ).all()
        return [record_from_row(row, stored.problem) for row in rows], total or 0

    def records(self, stored: StoredStudy, *, batch: int = 1000) -> Iterator[TrialRecord]:
        """Yield all trials by number, a batch of rows at a time: for export."""
        last = -1
        while True:
            query = (
                sa.select(_T)
                .where(_T.c.study_id == stored.study_id, _T.c.number > last)
                .order_by(_T.c.number)
                .limit(batch)
            )
            with self.database.read() as connection:
                rows = connection.execute(query).all()
            yield from (record_from_row(row, stored.problem) for row in rows)
            if len(rows) < batch:
                return
            last = rows[-1].number

    def calls(self, study_id: int) -> list[Mapping[str, Any]]:
        """Return the model calls of a study, oldest first."""
        table = schema.calls
        query = sa.select(table).where(table.c.study_id == study_id).order_by(table.c.number)
        with self.database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def delete(self, name: str) -> None:
        """Delete a study with everything that belongs to it; raises StudyNotFound."""
        try:
            study_id = self.find(name).study_id
        except StudyUnreadable as error:
            study_id = error.study_id
        with self.database.write() as connection:
            for table in schema.OWN_BY_STUDY:
                connection.execute(table.delete().where(table.c.study_id == study_id))
            mirror.delete_study(connection, study_id)

    def backup(self, path: str | Path) -> None:
        """Copy an SQLite ledger to ``path`` while others work on it. PostgreSQL has ``pg_dump``."""
        url = sa.make_url(self.url)
        if url.get_backend_name() != "sqlite" or not url.database:
            raise InvalidInput(
                f"only SQLite files are copied here, this ledger is {url!r}; use pg_dump for PostgreSQL."
            )
        if Path(path).exists():
            raise InvalidInput(f"`path` must not exist yet, got {str(path)!r}; choose another name.")
        with closing(sqlite3.connect(url.database)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)


_NOTHING_YET = dict.fromkeys(
    ("revision", "asked", "next_number", "queued", "queue_end", "calls", "tokens", "price"), 0
)
_HEADS = sa.select(_S).where(_S.c.study_id == sa.bindparam("study_id"))
_CHANGED = (
    sa.select(_T)
    .where(_T.c.study_id == sa.bindparam("study_id"), _T.c.revision > sa.bindparam("revision"))
    .order_by(_T.c.revision)
)


def delete_study(name: str, storage: str) -> None:
    """Delete a study of a database; raises StudyNotFound."""
    Ledger(storage).delete(name)


def export_rows(name: str, storage: str) -> Iterator[dict[str, Any]]:
    """Yield every trial of a study as JSON-ready data, by number; raises StudyNotFound."""
    ledger = Ledger(storage)
    return (record.to_dict() for record in ledger.records(ledger.find(name)))


def _fresh_id(connection: sa.Connection) -> int | None:
    """Return an id that no study ever had, so that whoever still holds a deleted study does not write into another one.

    PostgreSQL's sequence never gives an id twice; SQLite does, after the newest row was deleted.
    """
    if connection.dialect.name != "sqlite":
        return None
    return 1 + max(
        mirror.newest_study_id(connection),
        connection.scalar(sa.select(sa.func.max(schema.schema.c.last_study_id))) or 0,
    )


def _heads(connection: sa.Connection, study_id: int) -> Heads:
    row = connection.execute(_HEADS, {"study_id": study_id}).one_or_none()
    if row is None:
        raise StudyNotFound(
            f"the study with id {study_id} is no longer in the ledger; it was deleted meanwhile."
        )
    return heads_of(row)


def heads_of(row: Any) -> Heads:  # Any: a SQLAlchemy row of `trialogue_studies`
    """Return the counters of a study from its row. Raises StudyUnreadable."""
    counters_of(row)
    return Heads(row.revision, row.asked, row.queued, Spent(row.calls, row.tokens, row.price))


def study_of(row: Any) -> StoredStudy | StudyUnreadable:  # Any: as above
    """Return a study's entry from its row, or why there is none: the one way to read it."""
    try:
        counters_of(row)
        return _checked(
            StoredStudy(
                row.study_id,
                row.name,
                _column("problem", lambda: Problem.from_dict(stored_json(row.problem))),
                row.seed,
                _column("config", lambda: _config(row.config)),
                None if row.lineage is None else _column("lineage", lambda: stored_json(row.lineage)),
                row.created_at,
                row.note or "",
            )
        )
    except StudyUnreadable as error:
        return error
    except UNFIT as error:
        return StudyUnreadable.of(storable(row.name), str(error)[:300].rstrip("."), row.study_id)


def _column(name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except UNFIT as error:
        raise ValueError(f"`{name}`: {type(error).__name__}: {error}") from None


def _config(text: Any) -> Mapping[str, Any]:
    """Return a configuration whose parts can be opened. Raises one of ``UNFIT``."""
    config = stored_json(text)
    Budget(**config.get("budget") or {})
    for part in (EngineOptions, StudyProtocol, ProxyOptions):
        part.stored(config)
    for name in ("planner", "strategy"):
        if not isinstance(config.get(name), str | None):
            raise TypeError(f"`{name}` must be text, got {shown(config[name])}")
    return config


def _checked(stored: StoredStudy) -> StoredStudy:
    if moment(stored.created_at) is None:
        raise TypeError(f"`created_at` must be seconds since the epoch, got {shown(stored.created_at)}")
    for column, kind in (("name", str), ("seed", int), ("note", str)):
        if not isinstance(getattr(stored, column), kind):
            raise TypeError(
                f"`{column}` must be of kind {kind.__name__}, got {shown(getattr(stored, column))}"
            )
    return stored
