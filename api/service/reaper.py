"""Leases of workers behind the service: renewing them, and failing what a silent worker left.

A trial whose lease has expired is failed as lost with its reason and put back into the queue. A worker that comes back
late may still tell its result: the ledger then marks the trial as recovered.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import fields as dataclass_fields

import sqlalchemy as sa

from ...agent.errors import StudyNotFound, StudyUnreadable
from ...agent.ledger import schema
from ...agent.ledger.leases import Lease, renewal, why_dead
from ...agent.ledger.ledger import Ledger
from ...agent.study.study import Study
from .open_studies import Shelf

_L, _S = schema.leases, schema.studies


def renew(study: Study, numbers: Collection[int], worker: str, lease_s: float) -> set[int]:
    """Let leases live ``lease_s`` from now; return those of the running trials that this worker still holds."""
    mine = sa.and_(_L.c.worker == worker, _L.c.pid.is_(None))  # a process's own lease is its own business
    condition = sa.and_(_L.c.study_id == study.stored.study_id, _L.c.number.in_(numbers), mine)
    with study.ledger.database.write() as connection:
        numbers_held = set(connection.scalars(sa.select(_L.c.number).where(condition)))
        connection.execute(_L.update().where(condition).values(renewal(lease_s)))
    return numbers_held


def studies_with_dead_leases(ledger: Ledger, now: float) -> list[str]:
    """Return the names of studies in which somebody who held a trial is gone."""
    fields = [_L.c[f.name] for f in dataclass_fields(Lease)]
    query = sa.select(_S.c.name, *fields).join(_S, _S.c.study_id == _L.c.study_id)
    with ledger.database.read() as connection:
        rows = connection.execute(query).all()
    leases = [(row.name, Lease(*tuple(row)[1:])) for row in rows]
    return sorted({name for name, lease in leases if why_dead(lease, now) is not None})


def reap(ledger: Ledger, shelf: Shelf, *, clock: Callable[[], float] = time.time) -> int:
    """Fail and queue again what silent workers left, in all studies; return how many trials that were."""
    lost = 0
    for name in studies_with_dead_leases(ledger, clock()):
        try:
            lost += len(shelf.study(name).reap(requeue=True))
        except (StudyNotFound, StudyUnreadable):  # deleted at this moment, or spoiled by hand
            shelf.forget(name)
    return lost
