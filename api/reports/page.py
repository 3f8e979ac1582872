"""A study as one HTML file: figures, tables and plotly.js inside, nothing loaded and nothing sent.

Every text is escaped (jinja's autoescape; JSON in the page cannot close its element). Knows a ``StudyView`` only.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ...evaluators.spaces.parameters import Categorical, Parameter
from . import figures
from .parts import FATES, Figure, telling_range
from .view import StudyView, TrialRow, read_view

SHARED = ("dom", "fit", "table", "trials")
"""Scripts in ``static/`` that the report has in itself, each after those it imports."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with what the reader should see in it."""

    name: str
    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Tile:
    """One number at the top of the page."""

    label: str
    value: str
    note: str = ""


def render(view: StudyView, importances: Mapping[str, float] | None = None, *, made: str = "") -> str:
    """Return the page. ``importances``: share of each parameter, None where unknown; ``made``: date in words."""
    charts = charts_of(view, importances)
    return _template().render(
        view=view,
        problem=view.problem,
        tiles=tiles_of(view),
        best=view.best(),
        default=default_row(view),
        charts=charts,
        study=_json(_table_of(view)),
        figures=_json({chart.name: chart.figure for chart in charts}),
        version=version("trialogue"),
        made=made,
        css=Markup("\n").join([_asset("static/table.css"), _asset("templates/report.css")]),
        script=_script(),
        plotly=Markup(files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")),
    )


def charts_of(view: StudyView, importances: Mapping[str, float] | None = None) -> list[Chart]:
    """Return the charts that have something to show, in the order in which they are read."""
    charts: list[Chart] = []
    for i, objective in enumerate(view.problem.objectives):
        caption = (
            "Each point is a trial, coloured by who proposed it; the line is the best so far. Crosses failed."
        )
        if view.problem.fidelity is not None:
            caption += f" Small points did less of the task; the best is of those with the most {view.problem.fidelity.name}."
        if telling_range(view, i):
            caption += " A few far worse results lie outside; a double click shows them."
        charts.append(Chart(f"history{i}", f"History of {objective.name}", caption, figures.history(view, i)))
    if len(view.problem.objectives) > 1:
        charts.append(Chart("front", "Trade-off", "No result beats the line in both.", figures.front(view)))
    caption = "From left to right: the source of each trial with the verdict on it, and what it led to."
    charts.append(
        Chart("sources", "Who proposed what, and what became of it", caption, figures.sources(view))
    )
    if not view.counted:
        return charts
    if importances:
        caption = (
            "How much of the difference between good and bad trials each parameter explains (PED-ANOVA)."
        )
        charts.append(Chart("importances", "Importance", caption, figures.importances(importances)))
    caption = "Each panel is one parameter; later trials are lighter."
    count, total = len(figures.thinned(view)), len(view.counted)
    if count < total:
        caption += f" {count} of {total} results are drawn, the better ones and a sample of the rest."
    charts.append(Chart("slices", "One parameter at a time", caption, figures.slices(view)))
    caption = "Each line is a trial, brighter ones are better; the thick one is the best."
    charts.append(Chart("parallel", "All parameters at once", caption, figures.parallel(view)))
    expected = figures.calibration(view)
    if expected["data"]:
        caption = (
            "What was expected before the trial ran, and what came out: points near the line were foreseen."
        )
        charts.append(Chart("calibration", "Was the surrogate right?", caption, expected))
    return charts


def tiles_of(view: StudyView) -> list[Tile]:
    """Return the numbers at the top of the page."""
    counts = {fate: sum(f == fate for _, f in figures.fates(view)) for fate in FATES}
    done = counts["improved"] + counts["finished"] + counts["infeasible"]
    proposals = sum(row.source.startswith("planner") for row in view.rows)
    without = ", ".join(f"{counts[f]} {f}" for f in ("failed", "pruned", "running", "excluded") if counts[f])
    tiles = [_best_tile(view), Tile("trials with a result", str(done), without)]
    tiles.append(Tile("new bests", str(counts["improved"]), "trials that improved on all before"))
    rejected = f"{view.rejected} more were rejected by the check" if view.rejected else "of all trials"
    tiles.append(Tile("proposed by a model", str(proposals), rejected))
    seconds = sum(row.seconds or 0.0 for row in view.rows)
    tiles.append(Tile("evaluation time", duration(seconds), f"{view.tokens} tokens" if view.tokens else ""))
    return tiles


def default_row(view: StudyView) -> TrialRow | None:
    """Return the trial that ran the default configuration, where one did."""
    key = view.problem.space.key(view.problem.space.default())
    return next((row for row in view.rows if view.problem.space.key(row.params) == key), None)


def duration(seconds: float) -> str:
    """Return a duration as people write it.

    >>> duration(0.25), duration(42), duration(3720)
    ('0.2 s', '42 s', '1 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def short(value: object) -> str:
    """Return a value for a table: five digits of a number, ``none`` for None.

    >>> short(0.00012345678), short(31), short(None), short(True)
    ('0.00012346', '31', 'none', 'true')
    """
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f"{value:.5g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _best_tile(view: StudyView) -> Tile:
    best, default = view.best(), default_row(view)
    objective = view.problem.objectives[0]
    if best is None:
        return Tile(f"best {objective.name}", "–", "no feasible result yet")
    note = f"trial {best.number}"
    if default is not None and default.values:
        note += f"; the default gives {short(default.values[0])}"
    return Tile(f"best {objective.name}", short(best.values[0]), note)


def _searched(parameter: Parameter) -> str:
    """Return what was searched, in words."""
    if isinstance(parameter, Categorical):
        return ", ".join(short(choice) for choice in parameter.choices)
    scale = ", log" if parameter.log else ""
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{short(parameter.low)} – {short(parameter.high)}{unit}{scale}"


def _json(values: object) -> Markup:
    """Return JSON that can stand in a script element: no character of it opens or closes an element."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _asset(name: str) -> Markup:
    return Markup(files(__package__ or "").joinpath(name).read_text("utf-8"))


def _script() -> Markup:
    """Return the modules that the service's page uses too, and the report's own, as one that imports nothing."""
    names = *(f"static/{name}.js" for name in SHARED), "templates/report.js"
    return Markup("\n").join(Markup(re.sub(r"(?m)^import .*$", "", _asset(name))) for name in names)


def _table_of(view: StudyView) -> dict[str, Any]:
    """Return what the table of trials is made from: the columns' sources, and the rows as ``trial_view`` shapes them."""
    plain = view.problem.to_dict()
    parameters = plain["space"]["parameters"].items()
    return {
        "objectives": plain["objectives"],
        "constraints": plain["constraints"],
        "parameters": [
            {"name": n, "unit": p.get("unit"), "description": p.get("description")} for n, p in parameters
        ],
        "trials": [_trial(row, fate) for row, fate in figures.fates(view)],
    }


def _trial(row: TrialRow, fate: str) -> dict[str, Any]:
    expected = None if row.mean is None else {"mean": [row.mean], "sd": [row.sd]}
    whole = {
        "number": row.number,
        "became": fate,
        "params": row.params,
        "values": row.values,
        "constraints": row.constraints,
        "note": row.note,
        "source": row.source,
        "verdict": row.verdict,
        "prediction": expected,
        "seconds": row.seconds,
        "cost": row.cost,
        "reason": row.reason,
        "hypothesis": row.hypothesis,
        "failure": {"reason": row.text} if row.text else None,
    }
    return {key: value for key, value in whole.items() if value not in (None, "", (), {})} | {
        "params": row.params
    }


def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    filters: dict[str, Callable[..., str]] = {"short": short, "searched": _searched}
    environment.filters.update(filters)
    return environment.from_string(_asset("templates/report.html.jinja"))


def write_report(study: str, storage: str, path: Path) -> None:
    """Write the page of a stored study to ``path``. Raises StudyNotFound, LedgerUnavailable, OSError."""
    from .importance import importances

    view = read_view(study, storage)
    page = render(view, importances(view), made=datetime.now().strftime("%Y-%m-%d %H:%M"))
    path.write_text(page, encoding="utf-8")


def file_name(study: str) -> str:
    """Return a study's name as a file's.

    >>> file_name("svm / digits")
    'svm-digits'
    """
    words = "".join(c if c.isalnum() or c in "._-" else " " for c in study).split()
    return "-".join(words).strip(".") or "study"
