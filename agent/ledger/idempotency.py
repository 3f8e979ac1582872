"""Receipts: what a request did, kept under the request's key in the transaction that did it.

A request that is sent again, because its answer never arrived, must not be done again: a trial would be given out to
nobody, a configuration queued twice. Whoever dies between the transaction and the answer leaves the receipt, and the
next one answers from it. Keys are the caller's business; equal keys mean the same request on the same study, so the
study's lock serialises them. Decision 0085.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from . import schema
from .database import Database
from .transaction import Change, change

_A = schema.api_answers


class AlreadyDone(Exception):
    """Another request with this key was done meanwhile; ``data`` is its receipt. Internal."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__("this request was done already")
        self.data = data


def found(database: Database, key: str | None) -> Mapping[str, Any] | None:
    """Return the receipt of a request that was done, or None."""
    if key is None:
        return None
    with database.read() as connection:
        return _read(connection, key)


def leave(change: Change, key: str | None, *, again: bool = False, **data: Any) -> None:
    """Leave a receipt in the transaction of ``change``; raises AlreadyDone when there is one.

    ``again``: this request has left one before, of a part of what it does; it is replaced.
    """
    if key is None:
        return
    known = _read(change.connection, key)
    if known is not None and not again:
        raise AlreadyDone(known)
    body = json.dumps(data)
    if known is not None:
        change.connection.execute(_A.update().where(_A.c.key == key).values(body=body))
    else:
        change.connection.execute(_A.insert().values(key=key, at=change.now, status=200, body=body))


@contextmanager
def once(database: Database, study_id: int, key: str | None, **data: Any) -> Iterator[Change]:
    """Yield a change of the study that leaves a receipt; undone at its end when there was one already."""
    try:
        with change(database, study_id) as current:
            yield current
            leave(current, key, **data)
    except AlreadyDone:
        return


def forget(database: Database, key: str) -> None:
    """Forget a receipt: what it tells of is void."""
    with database.write() as connection:
        connection.execute(_A.delete().where(_A.c.key == key))


def _read(connection: sa.Connection, key: str) -> Mapping[str, Any] | None:
    body = connection.scalar(sa.select(_A.c.body).where(_A.c.key == key))
    return None if body is None else json.loads(body)
