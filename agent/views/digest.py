"""A study counted by SQL: how many trials stand where, who proposed them, what is best. For lists and headlines.

Costs one pass over an index-ordered table whatever the number of trials, and reads no trial's text. Exact as of one
moment. Knows nothing of surrogates; the values are the ledger's.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..ledger import schema
from ..ledger.ledger import Ledger

_T = schema.trials


@dataclass(frozen=True)
class Digest:
    """Counts of one study. ``states``, ``sources``, ``verdicts``: trials by each; ``excluded`` trials are in
    all of them."""

    states: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)
    excluded: int = 0
    last_at: float | None = None

    @property
    def trials(self) -> int:
        """All trials, running ones included."""
        return sum(self.states.values())


def digests(ledger: Ledger, study_ids: Sequence[int]) -> dict[int, Digest]:
    """Return the counts of these studies, by id; a study without trials has an empty one."""
    kind = (_T.c.study_id, _T.c.state, _T.c.source, _T.c.verdict)
    query = (
        sa.select(
            *kind,
            sa.func.count().label("n"),
            sa.func.count(_T.c.excluded).label("excluded"),
            sa.func.max(sa.func.coalesce(_T.c.ended_at, _T.c.started_at)).label("last_at"),
        )
        .where(_T.c.study_id.in_(study_ids))
        .group_by(*kind)
    )
    with ledger.database.read() as connection:
        rows = connection.execute(query).all()
    grouped: dict[int, list[Any]] = {study_id: [] for study_id in study_ids}
    for row in rows:
        grouped[row.study_id].append(row)
    return {study_id: _digest(found) for study_id, found in grouped.items()}


def _digest(rows: Sequence[Any]) -> Digest:  # Any: SQLAlchemy rows
    states: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for row in rows:
        states[row.state] += row.n
        sources[row.source] += row.n
        verdicts[row.verdict] += row.n
    times = [row.last_at for row in rows if row.last_at is not None]
    return Digest(
        dict(states), dict(sources), dict(verdicts), sum(r.excluded for r in rows), max(times, default=None)
    )
