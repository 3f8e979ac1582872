"""What happened to a study, numbered without gaps: the source of live views, of the audit and of resuming them.

Events are written in the transaction of what they tell (``agent/ledger/transaction.py``) and never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ...evaluators.spaces.base import shown
from . import schema
from .database import MAX_INTEGER, Database
from .schema import UNFIT, stored_json

EventKind = Literal[
    "created", "asked", "fallback", "told", "failed", "pruned", "recovered", "added", "enqueued", "excluded",
    "restored", "forked", "note", "remark", "message",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a study: ``number`` grows within the study, ``at`` in seconds since the epoch."""

    number: int
    at: float
    kind: str
    trial_number: int | None
    data: Mapping[str, Any]


def events_after(
    database: Database, study_id: int, number: int = 0, *, limit: int = 1000
) -> tuple[Event, ...]:
    """Return up to ``limit`` events whose number is above ``number``, oldest first."""
    table = schema.events
    query = (
        sa.select(table.c.number, table.c.at, table.c.kind, table.c.trial_number, table.c.data)
        .where(table.c.study_id == study_id, table.c.number > min(number, MAX_INTEGER))
        .order_by(table.c.number)
        .limit(min(limit, MAX_INTEGER))
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return tuple(Event(r.number, r.at, r.kind, r.trial_number, _data(r.data)) for r in rows)


def _data(text: Any) -> Mapping[str, Any]:
    """Return what an event tells, or why that cannot be read: whoever follows a study goes on."""
    try:
        return stored_json(text, strict=False)
    except UNFIT as error:
        return {"unreadable": shown(str(error))}
