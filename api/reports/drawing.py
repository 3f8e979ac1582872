"""Figures and reports of an open study, for the service: the pictures of `figures.py`, of long studies a sample.

A picture of 100,000 points is slower to send than to understand: beyond ``MOST`` trials the best, the newest
and an even sample of the rest are drawn, and the picture's summary says so.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import sqlalchemy as sa

from ...agent.ledger import schema
from ...agent.ledger.records import TrialRecord, record_from_row
from ...agent.study.study import Study
from ...agent.views.overview import count_trials
from ...evaluators.errors import EvaluationFailed
from ...serving.errors import InvalidInput
from . import figures
from .importance import FEWEST, importances
from .view import StudyView, certainty_in_words, view_of

MOST = 3_000
Figure = Literal["history", "parallel", "slices", "importances", "sources", "calibration", "pareto"]
NAMES: tuple[Figure, ...] = get_args(Figure)


class NothingToDraw(EvaluationFailed):
    """There are too few results for this picture yet."""


def draw(study: Study, name: str, objective: int = 0) -> dict[str, Any]:
    """Return one figure as plotly JSON with a ``summary`` in words. Raises InvalidInput, NothingToDraw."""
    if name not in NAMES:
        raise InvalidInput(f"`figure` must be one of {', '.join(NAMES)}, got {name[:60]!r}.")
    _check_objective(study, objective)
    view = _drawn(study)
    return {**_figure(view, name, objective), "summary": _summary(view, objective)}


def page_of(study: Study, *, made: str = "") -> str:
    """Return the study's report as one HTML page."""
    from . import page

    stored = study.ledger.find(study.name)
    certainty = certainty_in_words(study.ledger, stored)
    view = replace(_drawn(study), tokens=study.spent.tokens, certainty=certainty, note=stored.note)
    return page.render(view, importances(view), made=made)


def shares(study: Study, objective: int = 0) -> dict[str, float]:
    """Return how much each parameter matters. Raises InvalidInput, NothingToDraw with too few results."""
    _check_objective(study, objective)
    return _shares(_drawn(study), objective)


def _drawn(study: Study) -> StudyView:
    records, total = drawn_records(study)
    return replace(view_of(study.name, study.problem, records), left_out=total - len(records))


def _shares(view: StudyView, objective: int) -> dict[str, float]:
    by_name = importances(view, objective)
    if by_name is None:
        raise NothingToDraw(f"Importances need {FEWEST} results that differ; there are {len(view.counted)}.")
    return by_name


def drawn_records(study: Study) -> tuple[Sequence[TrialRecord], int]:
    """Return the trials to draw and how many there are: all, or of a long study the best third, the newest third and
    an even sample of the rest, read by SQL so that it need not be loaded."""
    ledger, study_id = study.ledger, study.stored.study_id
    total = sum(count_trials(ledger, study_id).states.values())
    if total <= MOST:
        return study.trials, total
    table, part = schema.trials, MOST // 3
    here = sa.select(table).where(table.c.study_id == study_id)
    counted = here.where(table.c.state == "finished", table.c.excluded.is_(None))
    better = table.c.value.desc() if study.problem.signs[0] > 0 else table.c.value
    queries = (
        counted.order_by(better).limit(part),
        here.order_by(table.c.number.desc()).limit(part),
        here.where(table.c.number % (total // part) == 0).limit(part),
    )
    with ledger.database.read() as connection:
        records = [
            record_from_row(row, study.problem) for query in queries for row in connection.execute(query)
        ]
    return sorted({r.number: r for r in records}.values(), key=lambda r: r.number), total


def _check_objective(study: Study, objective: int) -> None:
    last = len(study.problem.objectives) - 1
    if not 0 <= objective <= last:
        raise InvalidInput(f"`objective` must be in [0, {last}], got {objective!r}.")


def _figure(view: StudyView, name: str, objective: int) -> dict[str, Any]:
    if name == "importances":
        return figures.importances(_shares(view, objective))
    if not view.rows or (name != "sources" and name != "history" and not view.counted):
        raise NothingToDraw("There is no feasible result yet.")
    if name == "pareto":
        if len(view.problem.objectives) < 2:
            raise InvalidInput("A Pareto front needs two objectives; this study has one.")
        return figures.front(view)
    if name == "sources":
        return figures.sources(view)
    if name == "calibration":
        figure = figures.calibration(view)
        if not figure["data"]:
            raise NothingToDraw("The surrogate expected nothing of the results that there are.")
        return figure
    return getattr(figures, name)(view, objective)


def _summary(view: StudyView, objective: int) -> str:
    best, count = view.best(objective), len(view.rows)
    words = f"{count + view.left_out} trials" + (f" ({count} drawn)" if view.left_out else "")
    if best is None:
        return words + ", no feasible result yet."
    name = view.problem.objectives[objective].name
    return f"{words}; the best {name} is {best.values[objective]:.5g} in trial {best.number}."
