"""Counting the transactions that a piece of work begins, on any database."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import event


@contextmanager
def transactions() -> Iterator[list[str]]:
    """Yield a list that takes an entry for each transaction that begins."""
    begun: list[str] = []

    def begin(_: sa.Connection) -> None:
        begun.append("begin")

    event.listen(sa.Engine, "begin", begin)
    try:
        yield begun
    finally:
        event.remove(sa.Engine, "begin", begin)
