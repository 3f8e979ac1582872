"""Studies side by side: how each came to its best so far, over its trials, their time and their cost.

Reads every trial of the studies asked for, once: for a page of studies, not for each request. With several objectives
the history is that of the first one. Knows no door and no drawing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.base import finite_number
from ..ledger import schema
from ..ledger.ledger import Ledger
from ..ledger.schema import UNFIT, stored_json
from .as_json import study_line
from .overview import Overview, overviews

_T = schema.trials
_ROWS = sa.select(
    _T.c.study_id,
    _T.c.number,
    _T.c.value,
    _T.c.outcome,
    _T.c.params,
    sa.and_(_T.c.state == "finished", _T.c.excluded.is_(None)).label("ended"),
    (_T.c.feasible == 1).label("feasible"),
    (_T.c.ended_at - _T.c.started_at).label("took"),
).order_by(_T.c.study_id, _T.c.number)


@dataclass(slots=True)
class _Course:
    """A study's course so far: sums over all trials, and the best. ``fidelity``: the parameter that says how much of the
    task a trial does; a trial that does more than all before begins anew."""

    sign: float
    fidelity: str | None = None
    level: float = 0.0
    seconds: float = 0.0
    cost: float | None = None
    number: int | None = None
    best: float | None = None

    def take(self, row: Any) -> bool:  # Any: a SQLAlchemy row
        """Take in the next trial; return whether it is the best so far."""
        outcome, value = _outcome(row.outcome), finite_number(row.value)
        self.number = row.number
        self.seconds += finite_number(outcome.get("seconds")) or max(finite_number(row.took) or 0.0, 0.0)
        cost = finite_number(outcome.get("cost"))
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost
        if not row.ended or value is None or value not in outcome.get("values", ()) or not self._whole(row):
            return False
        if not row.feasible:
            return False
        if self.best is not None and self.sign * value <= self.sign * self.best:
            return False
        self.best = value
        return True

    def _whole(self, row: Any) -> bool:  # Any: a SQLAlchemy row
        """Return whether a trial that ended did as much of the task as any before."""
        if self.fidelity is None:
            return True
        level = finite_number(_outcome(row.params).get(self.fidelity)) or 0.0
        if level > self.level:
            self.level, self.best = level, None
        return level == self.level


def _outcome(text: Any) -> dict[str, Any]:
    """Return what an ended trial's row tells; nothing where it tells nothing that can be read."""
    try:
        return stored_json(text) if text else {}
    except UNFIT:
        return {}


def across(
    ledger: Ledger,
    *,
    limit: int = 20,
    before: int | None = None,
    contains: str = "",
    names: Sequence[str] | None = None,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return studies side by side, newest first, and where the next page begins (None: this is the last).

    Each is its line in a list, with ``seconds`` and ``cost`` of all its trials (``cost`` null where none is told) and
    ``history``: lists of equal length, a place for each trial that became the best, and one for the newest trial.
    """
    page = overviews(ledger, limit=limit + 1, before=before, contains=contains, names=names)
    shown = page[:limit]
    courses = _courses(ledger, [one for one in shown if isinstance(one, Overview)])
    nothing = _told(_Course(1.0), [])
    lines = [study_line(one) | courses.get(one.study_id, nothing) for one in shown]
    return lines, (shown[-1].study_id if len(page) > limit else None)


def _courses(ledger: Ledger, studies: Sequence[Overview]) -> dict[int, dict[str, Any]]:
    courses = {one.stored.study_id: _course(one.stored.problem) for one in studies}
    points: dict[int, list[tuple[Any, ...]]] = {study_id: [] for study_id in courses}
    levels = dict.fromkeys(courses, 0.0)
    for row in _rows(ledger, list(courses)):
        course = courses[row.study_id]
        improved = course.take(row)
        if course.level > levels[row.study_id]:
            levels[row.study_id] = course.level
            points[row.study_id].clear()
        if improved:
            points[row.study_id].append((course.number, course.best, course.seconds, course.cost))
    return {study_id: _told(course, points[study_id]) for study_id, course in courses.items()}


def _course(problem: Problem) -> _Course:
    return _Course(float(problem.signs[0]), problem.fidelity.name if problem.fidelity else None)


def _rows(ledger: Ledger, study_ids: Sequence[int]) -> Iterator[Any]:
    with ledger.database.read() as connection:
        yield from connection.execution_options(yield_per=1_000).execute(
            _ROWS.where(_T.c.study_id.in_(study_ids))
        )


def _told(course: _Course, points: list[tuple[Any, ...]]) -> dict[str, Any]:
    if points and points[-1][0] != course.number:
        points.append((course.number, course.best, course.seconds, course.cost))
    columns = ("trials", "best", "seconds", "cost")
    history = {name: [point[i] for point in points] for i, name in enumerate(columns)}
    return {"seconds": course.seconds, "cost": course.cost, "history": history}
