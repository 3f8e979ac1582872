"""How studies stand: what is stored of each, its counters, its trials counted, its best one or its front.

One transaction for any number of studies. Costs one pass over an index-ordered table and, for each study, its best row:
no trial's text is read to count it, so a study of 100,000 trials is looked at as fast as a small one. The one read model
of lists and headlines; how it is shown is decided elsewhere (``as_json.py``, the command line).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ...evaluators.spaces.base import storable
from ..errors import StudyUnreadable
from ..ledger import schema
from ..ledger.ledger import Heads, Ledger, StoredStudy, heads_of, study_of
from ..ledger.records import TrialRecord
from ..ledger.schema import moment
from .best import best_row, front_numbers

_S, _T = schema.studies, schema.trials
_KIND = (_T.c.study_id, _T.c.state, _T.c.source, _T.c.verdict)
_COUNTS = sa.select(
    *_KIND,
    sa.func.count().label("n"),
    sa.func.count(_T.c.excluded).label("excluded"),
    sa.func.max(sa.func.coalesce(_T.c.ended_at, _T.c.started_at)).label("last_at"),
).group_by(*_KIND)


@dataclass(frozen=True)
class Counts:
    """Trials of one study: by state, by who proposed them, by verdict. ``excluded`` ones are in all of these.
    ``last_at``: when a trial last began or ended, in seconds since the epoch."""

    states: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)
    excluded: int = 0
    last_at: float | None = None


@dataclass(frozen=True)
class Overview:
    """A study at one moment. ``best``: the best feasible trial that counts, None for several objectives, whose
    ``front`` names the trials that no other beats in all of them."""

    stored: StoredStudy
    heads: Heads
    counts: Counts
    best: TrialRecord | None
    front: tuple[int, ...]

    @property
    def study_id(self) -> int:
        """The study's primary key."""
        return self.stored.study_id

    @property
    def name(self) -> str:
        """The study's name."""
        return self.stored.name

    @property
    def trials(self) -> int:
        """All trials, running ones included."""
        return sum(self.counts.states.values())

    @property
    def state(self) -> str:
        """``new`` without trials, ``running`` while one is, ``done`` at its budget of trials, else ``idle``."""
        if self.counts.states.get("running"):
            return "running"
        most = (self.stored.config.get("budget") or {}).get("trials")
        ended = self.counts.states.get("finished", 0) + self.counts.states.get("pruned", 0)
        if most is not None and max(self.heads.asked, ended - self.counts.verdicts.get("added", 0)) >= most:
            return "done"
        return "idle" if self.trials else "new"

    @property
    def updated_at(self) -> float:
        """When something last happened to its trials, or when it was made."""
        return self.counts.last_at or self.stored.created_at


@dataclass(frozen=True)
class Unreadable:
    """A study of which only its name is known, and ``reason``: why. It stands in lists; nothing else can be done with it
    but to delete it."""

    study_id: int
    name: str
    reason: str
    counts: Counts
    created_at: float

    @property
    def updated_at(self) -> float:
        """When something last happened to its trials, or when it was made; 0 where that is not known."""
        return self.counts.last_at or self.created_at


def overviews(
    ledger: Ledger,
    *,
    limit: int | None = None,
    before: int | None = None,
    contains: str = "",
    names: Sequence[str] | None = None,
) -> list[Overview | Unreadable]:
    """Return how studies stand, the newest study first; ``names``: only these; ``before``: only older than this id;
    ``contains``: words that must all be in the name or the note."""
    query = sa.select(_S).order_by(_S.c.study_id.desc()).limit(limit)
    if before is not None:
        query = query.where(_S.c.study_id < before)
    for word in contains.split():
        texts = (_S.c.name, sa.func.coalesce(_S.c.note, ""))
        query = query.where(sa.or_(*(text.icontains(word, autoescape=True) for text in texts)))
    if names is not None:
        query = query.where(_S.c.name.in_(names))
    with ledger.database.read() as connection:
        rows = connection.execute(query).all()
        counts = _counts(connection, [row.study_id for row in rows])
        return [_overview(connection, row, counts[row.study_id]) for row in rows]


def count_trials(ledger: Ledger, study_id: int) -> Counts:
    """Return the counts of one study's trials."""
    with ledger.database.read() as connection:
        return _counts(connection, [study_id])[study_id]


def _overview(
    connection: sa.Connection,
    row: Any,
    counts: Counts,  # Any: a SQLAlchemy row
) -> Overview | Unreadable:
    stored = study_of(row)
    if isinstance(stored, StudyUnreadable):
        created_at = moment(row.created_at) or 0.0
        return Unreadable(row.study_id, stored.name, stored.reason, counts, created_at)
    many = len(stored.problem.objectives) > 1
    return Overview(
        stored,
        heads_of(row),
        counts,
        None if many else best_row(connection, stored.study_id, stored.problem),
        tuple(front_numbers(connection, stored.study_id, stored.problem)) if many else (),
    )


def _counts(connection: sa.Connection, study_ids: Sequence[int]) -> dict[int, Counts]:
    groups: dict[int, list[Any]] = {study_id: [] for study_id in study_ids}
    for row in connection.execute(_COUNTS.where(_T.c.study_id.in_(study_ids))):
        groups[row.study_id].append(row)
    return {study_id: _counted(rows) for study_id, rows in groups.items()}


def _counted(rows: Sequence[Any]) -> Counts:
    states, sources, verdicts = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        states[storable(row.state)] += row.n
        sources[storable(row.source)] += row.n
        verdicts[storable(row.verdict)] += row.n
    times = [at for row in rows if (at := moment(row.last_at)) is not None]
    excluded = sum(row.excluded for row in rows)
    return Counts(dict(states), dict(sources), dict(verdicts), excluded, max(times, default=None))
