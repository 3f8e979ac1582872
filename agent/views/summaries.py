"""One line per study of a database, by one query over the trials: for lists that must stay fast at 100,000 trials."""

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...evaluators.problems.problem import Problem
from ..ledger import schema
from ..ledger.database import Database
from .best import front_numbers

_S, _T, _O = schema.studies, schema.trials, schema.optuna_studies


@dataclass(frozen=True, slots=True)
class StudySummary:
    """One line of a list of studies. ``best``: the best value among feasible trials that count; None for several
    objectives, whose ``front`` says how many trials no other beats in all of them."""

    name: str
    direction: str
    objectives: tuple[str, ...]
    trials: int
    running: int
    failed: int
    best: float | None
    created_at: float
    last_at: float | None
    front: int | None = None


def _number_of(state: str) -> Any:
    return sa.func.sum(sa.case((_T.c.state == state, 1), else_=0)).label(state)


_GOOD = sa.case(((_T.c.feasible == 1) & _T.c.excluded.is_(None), _T.c.value), else_=None)
_COUNTS = (
    sa.select(
        _T.c.study_id,
        sa.func.count().label("trials"),
        _number_of("running"),
        _number_of("failed"),
        sa.func.min(_GOOD).label("lowest"),
        sa.func.max(_GOOD).label("highest"),
        sa.func.max(sa.func.coalesce(_T.c.ended_at, _T.c.started_at)).label("last_at"),
    )
    .group_by(_T.c.study_id)
    .subquery()
)
_LINES = sa.select(
    _S.c.study_id,
    _S.c.problem,
    _S.c.created_at,
    _O.c.study_name,
    *(_COUNTS.c[name] for name in ("trials", "running", "failed", "lowest", "highest", "last_at")),
).select_from(
    _S.join(_O, _O.c.study_id == _S.c.study_id).outerjoin(_COUNTS, _COUNTS.c.study_id == _S.c.study_id)
)


def summaries_of(database: Database) -> list[StudySummary]:
    """Return one line per study, newest activity first, without reading trials."""
    with database.read() as connection:
        rows = connection.execute(_LINES).all()
    return sorted(
        (_summary(database, row) for row in rows),
        key=lambda line: line.last_at or line.created_at,
        reverse=True,
    )


def _summary(database: Database, row: Any) -> StudySummary:  # Any: a SQLAlchemy row
    plain = json.loads(row.problem)
    objectives = plain["objectives"]
    many = len(objectives) > 1
    front = len(front_numbers(database, row.study_id, Problem.from_dict(plain))) if many else None
    direction = objectives[0].get("direction", "minimize")
    return StudySummary(
        name=row.study_name,
        direction=direction,
        objectives=tuple(o["name"] for o in objectives),
        trials=row.trials or 0,
        running=row.running or 0,
        failed=row.failed or 0,
        best=None if many else row.lowest if direction == "minimize" else row.highest,
        created_at=row.created_at,
        last_at=row.last_at,
        front=front,
    )
