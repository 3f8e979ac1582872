"""Figures and reports of an open study, for the service: the pictures of `figures.py`, of long studies a sample.

A picture of 100,000 points is slower to send than to understand: beyond ``MOST`` trials the best, the newest
and an even sample of the rest are drawn, and the picture's summary says so.
"""

from collections.abc import Sequence
from typing import Any

from ..agent.records import TrialRecord
from ..agent.study import Study
from ..evaluators.errors import EvaluationFailed
from ..serving.errors import InvalidInput
from . import figures
from .importance import FEWEST, importances
from .study_view import StudyView, view_of

MOST = 3_000
NAMES = ("history", "parallel", "slices", "importances", "sources", "calibration", "pareto")


class NothingToDraw(EvaluationFailed):
    """There are too few results for this picture yet."""


def draw(study: Study, name: str, objective: int = 0) -> dict[str, Any]:
    """Return one figure as plotly JSON with a ``summary`` in words. Raises InvalidInput, NothingToDraw."""
    if name not in NAMES:
        raise InvalidInput(f"`figure` must be one of {', '.join(NAMES)}, got {name[:60]!r}.")
    _check_objective(study, objective)
    records = study.trials
    view = view_of(study.name, study.problem, sample(records, float(study.problem.signs[objective])))
    figure = _figure(view, name, objective)
    return {**figure, "summary": _summary(view, len(records), objective)}


def page_of(study: Study, *, made: str = "") -> str:
    """Return the study's report as one HTML page."""
    from . import report_page

    records = sample(study.trials, float(study.problem.signs[0]))
    view = view_of(study.name, study.problem, records, tokens=study.spent.tokens)
    return report_page.render(view, importances(view), made=made)


def shares(study: Study, objective: int = 0) -> dict[str, float]:
    """Return how much each parameter matters. Raises InvalidInput, NothingToDraw with too few results."""
    _check_objective(study, objective)
    view = view_of(study.name, study.problem, sample(study.trials, float(study.problem.signs[objective])))
    found = importances(view, objective)
    if found is None:
        raise NothingToDraw(f"Importances need {FEWEST} results that differ; there are {len(view.counted)}.")
    return found


def sample(records: Sequence[TrialRecord], sign: float) -> Sequence[TrialRecord]:
    """Return at most ``MOST`` records: the best third, the newest third, and an even sample of the rest."""
    if len(records) <= MOST:
        return records
    part = MOST // 3
    finished = [r for r in records if r.values and r.excluded is None]
    best = sorted(finished, key=lambda r: -sign * (r.values or (0.0,))[0])[:part]
    step = len(records) / part
    even = [records[int(i * step)] for i in range(part)]
    kept = {r.number: r for r in (*even, *best, *records[-part:])}
    return [kept[number] for number in sorted(kept)]


def _check_objective(study: Study, objective: int) -> None:
    last = len(study.problem.objectives) - 1
    if not 0 <= objective <= last:
        raise InvalidInput(f"`objective` must be in [0, {last}], got {objective!r}.")


def _figure(view: StudyView, name: str, objective: int) -> dict[str, Any]:
    if name == "importances":
        found = importances(view, objective)
        if found is None:
            raise NothingToDraw(
                f"Importances need {FEWEST} results that differ; there are {len(view.counted)}."
            )
        return figures.importances(found)
    if not view.rows or (name != "sources" and name != "history" and not view.counted):
        raise NothingToDraw("There is no feasible result yet.")
    if name == "pareto":
        if len(view.problem.objectives) < 2:
            raise InvalidInput("A Pareto front needs two objectives; this study has one.")
        return figures.front(view)
    if name in ("sources", "calibration"):
        return getattr(figures, name)(view)
    return getattr(figures, name)(view, objective)


def _summary(view: StudyView, total: int, objective: int) -> str:
    best = view.best(objective)
    words = f"{total} trials" + (f" ({len(view.rows)} drawn)" if total > len(view.rows) else "")
    if best is None:
        return words + ", no feasible result yet."
    name = view.problem.objectives[objective].name
    return f"{words}; the best {name} is {best.values[objective]:.5g} in trial {best.number}."
