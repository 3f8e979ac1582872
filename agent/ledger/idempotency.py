"""Receipts: what a request did, kept under the request's key in the transaction that did it.

A request that is sent again, because its answer never arrived, must not be done again: a trial would be given out to
nobody, a configuration queued twice. Whoever dies between the transaction and the answer leaves the receipt, and the
next one answers from it. Keys are the caller's business; equal keys mean the same request on the same study, so the
study's lock serialises them. Decision 0085.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from . import schema
from .database import Database
from .transaction import Change

_A = schema.api_answers


class AlreadyDone(Exception):
    """Another request with this key was done meanwhile; ``data`` is its receipt. Internal."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__("this request was done already")
        self.data = data


def receipt_of(database: Database, key: str | None) -> Mapping[str, Any] | None:
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
    earlier = _read(change.connection, key)
    if earlier is not None and not again:
        raise AlreadyDone(earlier)
    body = json.dumps(data)
    if earlier is not None:
        change.connection.execute(_A.update().where(_A.c.key == key).values(body=body))
    else:
        change.connection.execute(_A.insert().values(key=key, at=change.now, status=200, body=body))


@contextmanager
def once(change: AbstractContextManager[Change], key: str | None, **data: Any) -> Iterator[Change]:
    """Yield a change that leaves a receipt; undone at its end when there was one already."""
    try:
        with change as current:
            yield current
            leave(current, key, **data)
    except AlreadyDone:
        return


def keep(database: Database, key: str, answer: Any, at: float) -> Any:
    """Keep the answer to a request that may be done twice, as JSON; return it, or the one that was kept already."""
    try:
        with database.write() as connection:
            connection.execute(_A.insert().values(key=key, at=at, status=200, body=json.dumps(answer)))
    except IntegrityError:  # another server on this database was quicker with the same key
        return receipt_of(database, key)
    return answer


def sweep(database: Database, before: float) -> None:
    """Forget what is older than a moment, in seconds since the epoch."""
    with database.write() as connection:
        connection.execute(_A.delete().where(_A.c.at < before))


def forget(database: Database, key: str) -> None:
    """Forget a receipt: what it tells of is void."""
    with database.write() as connection:
        connection.execute(_A.delete().where(_A.c.key == key))


def _read(connection: sa.Connection, key: str) -> Mapping[str, Any] | None:
    body = connection.scalar(sa.select(_A.c.body).where(_A.c.key == key))
    return None if body is None else json.loads(body)
