"""One write transaction on one study: its lock, its counters and its events.

All writes to a study are serialised by the lock on its row, so revisions grow in the order of commits: a reader that
has seen revision r asks for what is newer and misses nothing. Each event takes one revision; a changed trial carries
the last one.
"""

import json
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...evaluators.spaces.base import shown, storable
from ..contracts import CallRecord
from ..errors import StudyNotFound, StudyUnreadable
from . import schema
from .database import Database
from .events import EventKind
from .mirror import IS_MIRRORED
from .records import TrialRecord

_T = schema.studies
_LOCKED = (
    sa.select(_T, IS_MIRRORED.label("mirrored"))
    .where(_T.c.study_id == sa.bindparam("study_id"))
    .with_for_update()  # SQLite has one writer anyway
)
_COUNTERS = ("revision", "asked", "next_number", "queued", "queue_end", "calls", "tokens", "price")
_STORE = (
    _T.update()
    .where(_T.c.study_id == sa.bindparam("b_study"))
    .values({c: sa.bindparam(c) for c in _COUNTERS})
)


def counters_of(row: Any) -> dict[str, Any]:  # Any: a SQLAlchemy row of `trialogue_studies`
    """Return the counters of a study. Raises StudyUnreadable for one that is no number to count with."""
    counters = {name: getattr(row, name) for name in _COUNTERS}
    for name, value in counters.items():
        kinds = (int, float) if name == "price" else int
        if not isinstance(value, kinds) or not 0 <= value < math.inf:
            raise StudyUnreadable.of(
                storable(row.name), f"`{name}` must be a finite number >= 0, got {shown(value)}", row.study_id
            )
    return counters


class Change:
    """The state of a write transaction: counters to read and raise, events to leave.

    ``first_revision``: that of the newest event before; ``records``: the trials that are written, as they stand then;
    ``mirrored``: whether Optuna's tables still have the study; whoever deleted it there deleted a mirror.
    """

    def __init__(self, connection: sa.Connection, study_id: int) -> None:
        self.connection = connection
        self.study_id = study_id
        self.now = time.time()
        row = connection.execute(_LOCKED, {"study_id": study_id}).one_or_none()
        if row is None:
            raise StudyNotFound(
                f"the study with id {study_id} is no longer in the ledger; it was deleted meanwhile."
            )
        self.name = storable(row.name)
        self.mirrored = bool(row.mirrored)
        self.counters: dict[str, Any] = counters_of(row)
        self.first_revision = self.revision
        self.records: list[TrialRecord] = []
        self._events: list[dict[str, Any]] = []

    @property
    def revision(self) -> int:
        """The revision of the newest event so far."""
        return self.counters["revision"]

    def event(self, kind: EventKind, trial_number: int | None = None, /, **data: Any) -> int:
        """Leave an event; return its number, which is the revision of what it tells."""
        self.counters["revision"] += 1
        self._events.append(
            {
                "study_id": self.study_id,
                "number": self.revision,
                "at": self.now,
                "kind": kind,
                "trial_number": trial_number,
                "data": json.dumps(data),
            }
        )
        return self.revision

    def charge(self, calls: Iterable[CallRecord]) -> None:
        """Record model calls and add them to what the study has spent."""
        rows = []
        for call in calls:
            self.counters["calls"] += 1
            self.counters["tokens"] += call.prompt_tokens + call.completion_tokens
            self.counters["price"] += call.price or 0.0
            rows.append(
                {"study_id": self.study_id, "number": self.counters["calls"], "at": self.now, **_plain(call)}
            )
        if rows:
            self.connection.execute(schema.calls.insert(), rows)

    def store(self) -> None:
        """Write the counters and events; the last act of the transaction."""
        if self._events:
            self.connection.execute(schema.events.insert(), self._events)
        self.connection.execute(_STORE, {"b_study": self.study_id, **self.counters})


def _plain(call: CallRecord) -> dict[str, Any]:
    return {k: storable(v) if isinstance(v, str) else v for k, v in asdict(call).items()}


@contextmanager
def change(database: Database, study_id: int) -> Iterator[Change]:
    """Yield a change of the study, committed as a whole or not at all."""
    with database.write() as connection:
        current = Change(connection, study_id)
        try:
            yield current
            current.store()
        except IntegrityError as error:
            raise StudyUnreadable.of(
                current.name, f"its counters are behind its rows ({error.orig})", study_id
            ) from error
