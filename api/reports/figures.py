"""The pictures of a study: each function returns one plotly figure as plain JSON values (``{"data", "layout"}``).

Report, web page and chat draw the same ones. A figure is built from a ``StudyView`` as nested dicts, so plotly itself
is not imported; text from outside is escaped by ``plain``, because plotly reads ``<b>`` and ``<a href>`` in labels.
Colours are Okabe and Ito's, which colour-blind readers tell apart.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ...evaluators.spaces.parameters import Categorical, Int
from .parallel import parallel
from .parts import (
    AXIS,
    FATES,
    SCALE,
    Figure,
    axis_title,
    base_layout,
    choices,
    colour,
    faded,
    hover,
    plain,
    telling_range,
    word,
)
from .view import StudyView, TrialRow

__all__ = [
    "calibration",
    "fates",
    "front",
    "history",
    "importances",
    "parallel",
    "slices",
    "sources",
    "thinned",
]

MOST_POINTS = 12_000
"""Points in all slices together: each is a node of the page, and more hide each other."""


def history(view: StudyView, objective: int = 0) -> Figure:
    """Value of each trial by its number, coloured by who proposed it, and the best so far as a line."""
    data = [_points(view, source, objective) for source in view.sources()]
    data.append(_best_line(view, objective))
    data += _marks_without_value(view, objective)
    layout: Figure = base_layout("trial", axis_title(view, objective))
    layout["yaxis"] |= {"range": telling_range(view, objective)}
    return {"data": [trace for trace in data if trace["x"]], "layout": layout}


def slices(view: StudyView, objective: int = 0) -> Figure:
    """Value against each parameter, one panel per parameter; later trials are lighter."""
    names = list(view.problem.space.names)
    rows = thinned(view, objective)
    columns = min(3, len(names))
    layout: Figure = base_layout(None, None)
    layout["grid"] = {"rows": math.ceil(len(names) / columns), "columns": columns, "pattern": "independent"}
    layout["height"] = 260 * layout["grid"]["rows"]
    layout["showlegend"] = False
    data = []
    for i, name in enumerate(names, start=1):
        suffix = "" if i == 1 else str(i)
        data.append(_slice(view, rows, name, objective) | {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"})
        layout[f"xaxis{suffix}"] = _parameter_axis(view, name)
        title = axis_title(view, objective) if (i - 1) % columns == 0 else ""
        layout[f"yaxis{suffix}"] = {"title": {"text": title}, "range": telling_range(view, objective), **AXIS}
    return {"data": data, "layout": layout}


def importances(shares: Mapping[str, float]) -> Figure:
    """Share of the objective's variation that each parameter explains, largest on top."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    bar = {
        "type": "bar",
        "orientation": "h",
        "y": [plain(name, 40) for name, _ in ordered],
        "x": [share for _, share in ordered],
        "text": [f"{share:.0%}" for _, share in ordered],
        "textangle": 0,
        "marker": {"color": "#0072B2"},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    layout: Figure = base_layout("importance", None) | {"height": 120 + 34 * len(ordered)}
    layout["xaxis"] |= {"tickformat": ".0%", "range": [0, max([*shares.values(), 0.01]) * 1.15]}
    layout["yaxis"] |= {"automargin": True}
    return {"data": [bar], "layout": layout}


def sources(view: StudyView) -> Figure:
    """Who proposed what and what became of it: proposals flow from their source to the fate of the trial."""
    flows = Counter(
        (f"{row.source} · {row.verdict}" if row.verdict else row.source, fate) for row, fate in fates(view)
    )
    if view.rejected:
        flows[("planner · rejected by the check", "rejected")] = view.rejected
    left = list(dict.fromkeys(a for a, _ in flows))
    right = [fate for fate in FATES if any(b == fate for _, b in flows)]
    nodes = {
        "label": [plain(n, 60) for n in (*left, *right)],
        "color": [colour(n.split(" · ")[0]) for n in left] + [FATES[n] for n in right],
        "pad": 18,
        "thickness": 16,
    }
    links = {
        "source": [left.index(a) for a, _ in flows],
        "target": [len(left) + right.index(b) for _, b in flows],
        "value": list(flows.values()),
        "color": [faded(FATES[b]) for _, b in flows],
    }
    layout: Figure = base_layout(None, None) | {"height": 140 + 42 * max(len(left), len(right))}
    layout |= {"meta": {"least_width": 560}, "margin": {"l": 10, "r": 10, "t": 20, "b": 20}}
    return {"data": [{"type": "sankey", "node": nodes, "link": links}], "layout": layout}


def calibration(view: StudyView) -> Figure:
    """What the surrogate expected before each trial (mean and two standard deviations) against what was measured."""
    data = []
    for source in view.sources():
        rows = [r for r in view.counted if r.source == source and r.mean is not None and r.sd is not None]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain(source, 40),
                "x": [r.mean for r in rows],
                "y": [r.values[0] for r in rows],
                "error_x": {"array": [2 * (r.sd or 0.0) for r in rows], "thickness": 1, "width": 0},
                "marker": {"color": colour(source), "size": 8},
                "text": [hover(r) for r in rows],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    values = [v for trace in data for v in (*trace["x"], *trace["y"])]
    if values:
        ends = [min(values), max(values)]
        line = {"color": "#888888", "dash": "dot"}
        data.append(
            {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "line": line, "name": "as expected"}
        )
    layout: Figure = base_layout("expected (± 2 sd)", "measured")
    for axis in ("xaxis", "yaxis"):
        layout[axis] |= {"range": telling_range(view, 0)}
    return {"data": [trace for trace in data if trace["x"]], "layout": layout}


def front(view: StudyView, x: int = 0, y: int = 1) -> Figure:
    """All results in the plane of two objectives, and the Pareto front."""
    best = sorted(view.front(), key=lambda row: row.values[x])
    data = [_cloud(view, source, x, y) for source in view.sources()]
    line = {"shape": "hv", "color": "#009E73"}
    edge = {"type": "scatter", "mode": "lines", "name": "Pareto front", "line": line}
    data.append(edge | {"x": [r.values[x] for r in best], "y": [r.values[y] for r in best]})
    layout: Figure = base_layout(axis_title(view, x), axis_title(view, y))
    return {"data": [trace for trace in data if trace["x"]], "layout": layout}


def fates(view: StudyView) -> list[tuple[TrialRow, str]]:
    """Return what became of each trial; ``improved``: the best when it ended, or on the front of several objectives."""
    many = len(view.problem.objectives) > 1
    improved = {row.number for row in view.front()} if many else {number for number, _ in view.incumbents()}
    return [(row, _fate(row, improved)) for row in view.rows]


def _fate(row: TrialRow, improved: set[int]) -> str:
    if row.excluded:
        return "excluded"
    if row.fate != "finished":
        return row.fate
    if not row.feasible:
        return "infeasible"
    return "improved" if row.number in improved else "finished"


def _points(view: StudyView, source: str, objective: int) -> Figure:
    rows = [r for r in view.rows if r.source == source and r.fate == "finished" and not r.excluded]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(source, 40),
        "x": [r.number for r in rows],
        "y": [r.values[objective] for r in rows],
        "marker": {
            "color": colour(source),
            "size": [5 if view.is_partial(r) else 9 for r in rows] if view.problem.fidelity else 9,
            "symbol": ["circle" if r.feasible else "circle-open" for r in rows],
        },
        "text": [hover(r) for r in rows],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _best_line(view: StudyView, objective: int) -> Figure:
    steps = view.incumbents(objective)
    if steps and view.rows:
        steps.append((view.rows[-1].number, steps[-1][1]))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": [number for number, _ in steps],
        "y": [value for _, value in steps],
        "line": {"shape": "hv", "color": "#009E73", "width": 2},
        "hoverinfo": "skip",
    }


def _marks_without_value(view: StudyView, objective: int) -> list[Figure]:
    """Failed and pruned trials, on the worst edge of the picture."""
    sign = view.problem.signs[objective]
    values = telling_range(view, objective) or [
        r.values[objective] for r in view.rows if r.fate == "finished"
    ]
    worst = min(values, key=lambda v: sign * v, default=0.0)
    traces = []
    for fate, symbol in (("failed", "x"), ("pruned", "triangle-down")):
        rows = [r for r in view.rows if r.fate == fate]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": fate,
                "x": [r.number for r in rows],
                "y": [worst] * len(rows),
                "marker": {"symbol": symbol, "color": FATES[fate], "size": 9},
                "text": [hover(r) for r in rows],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return traces


def _cloud(view: StudyView, source: str, x: int, y: int) -> Figure:
    rows = [r for r in view.counted if r.source == source]
    marker = {"color": colour(source), "size": 8}
    points = {
        "x": [r.values[x] for r in rows],
        "y": [r.values[y] for r in rows],
        "text": [hover(r) for r in rows],
    }
    look = {"type": "scatter", "mode": "markers", "name": plain(source, 40), "marker": marker}
    return look | points | {"hovertemplate": "%{text}<extra></extra>"}


def thinned(view: StudyView, objective: int = 0) -> Sequence[TrialRow]:
    """Return the results that the slices draw, by number: all, or of many the better ones and an even sample of the
    rest."""
    rows, most = view.counted, MOST_POINTS // len(view.problem.space.names)
    if len(rows) <= most:
        return rows
    sign = view.problem.signs[objective]
    better = sorted(rows, key=lambda r: -sign * r.values[objective])
    best, rest = better[: most // 2], sorted(better[most // 2 :], key=lambda r: r.number)
    sample = rest[:: math.ceil(len(rest) / (most - most // 2))]
    return sorted([*best, *sample], key=lambda r: r.number)


def _slice(view: StudyView, drawn: Sequence[TrialRow], name: str, objective: int) -> Figure:
    rows = [r for r in drawn if name in r.params]
    x = [r.params[name] for r in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [word(v) for v in x] if isinstance(view.problem.space[name], Categorical) else x,
        "y": [r.values[objective] for r in rows],
        "marker": {"color": [r.number for r in rows], "colorscale": SCALE, "size": 8, "line": {"width": 0}},
        "text": [r.number for r in rows],
        "hovertemplate": "trial %{text}: %{x}<br>= %{y}<extra></extra>",
    }


def _parameter_axis(view: StudyView, name: str) -> Figure:
    parameter = view.problem.space[name]
    unit = f" ({parameter.unit})" if parameter.unit else ""
    axis: Figure = {"title": {"text": plain(name + unit, 40), "standoff": 6}, **AXIS}
    if isinstance(parameter, Categorical):
        return axis | {"type": "category", "categoryarray": [word(c) for c in choices(parameter)]}
    if parameter.log:
        decades = math.log10(parameter.high / parameter.low)
        ticks = {} if decades < 2 else {"dtick": math.ceil(decades / 5)}
        return axis | {"type": "log", "exponentformat": "power"} | ticks
    few = isinstance(parameter, Int) and parameter.high - parameter.low <= 12
    return axis | {"dtick": 1} if few else axis
