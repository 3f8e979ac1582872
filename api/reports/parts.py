"""What the figures share: colours, escaping, axes, hover texts. Knows rows and nothing of how they are arranged.

Colours are Okabe and Ito's, which colour-blind readers tell apart.
"""

from collections.abc import Sequence
from typing import Any

from ...evaluators.spaces.parameters import Categorical
from .view import StudyView, TrialRow

Figure = dict[str, Any]

COLOURS = {
    "planner": "#D55E00",
    "surrogate": "#0072B2",
    "initial_design": "#7f8c99",
    "random": "#7f8c99",
    "default": "#222222",
    "user": "#E69F00",
    "transfer": "#CC79A7",
    "knowledge": "#56B4E9",
}
FATES = {"improved": "#009E73", "finished": "#9ecfbd", "infeasible": "#E69F00", "failed": "#c0392b"}
FATES |= {"pruned": "#b39ddb", "running": "#bbbbbb", "excluded": "#dddddd", "rejected": "#98a3ae"}
SCALE: list[tuple[float, str]] = [
    (0.0, "#440154"),
    (0.25, "#3b528b"),
    (0.5, "#21918c"),
    (0.75, "#5ec962"),
    (1.0, "#fde725"),
]
AXIS: Figure = {"gridcolor": "#e8ebef", "zeroline": False, "linecolor": "#c5ccd3", "automargin": True}
MOST_NAMED = 16
"""Parameters that a point of a figure names; the table of trials has all."""


def colour(source: str) -> str:
    """Return the colour of a source; ``planner:NAME`` counts as planner."""
    return COLOURS.get(source.split(":")[0], "#8a6d3b")


def plain(text: object, limit: int = 160) -> str:
    """Return text that plotly shows as it stands: its few HTML tags do not apply, and it ends after ``limit``."""
    words = str(text)
    words = words if len(words) <= limit else words[: limit - 1] + "…"
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def choices(parameter: Categorical) -> Sequence[object]:
    """Return the choices, labels where they are labelled."""
    return list(parameter.choices)


def word(value: object) -> str:
    """Return a choice in a figure."""
    return plain("none" if value is None else value, 30)


def hover(row: TrialRow) -> str:
    """Return the lines that a reader sees on a point."""
    lines = [f"<b>trial {row.number}</b> · {plain(row.source, 40)} {plain(row.verdict, 20)}"]
    shown = list(row.params.items())[:MOST_NAMED]
    lines += [f"{plain(n, 40)}: {plain(short(v), 60)}" for n, v in shown]
    lines += [f"and {len(row.params) - MOST_NAMED} more"] if len(row.params) > MOST_NAMED else []
    if row.values:
        lines.append("= " + ", ".join(short(v) for v in row.values))
    if row.mean is not None and row.sd is not None:
        lines.append(f"expected {short(row.mean)} ± {short(row.sd)}")
    lines += [plain(text) for text in (row.hypothesis, row.text) if text]
    return "<br>".join(lines)


def short(value: object) -> str:
    """Return a number with five digits."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def axis_title(view: StudyView, objective: int) -> str:
    """Return an objective's name with its unit."""
    aim = view.problem.objectives[objective]
    unit = f" ({aim.unit})" if aim.unit else ""
    return plain(f"{aim.name}{unit}", 50)


def faded(hex_colour: str) -> str:
    """Return a colour that lets others shine through."""
    red, green, blue = rgb(hex_colour)
    return f"rgba({red},{green},{blue},0.45)"


def rgb(hex_colour: str) -> list[int]:
    """Return red, green, blue of ``#rrggbb``."""
    return [int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)]


def base_layout(x: str | None, y: str | None) -> Figure:
    """Return the layout that all figures start from; ``x``, ``y``: titles of the axes."""
    return {
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#24303c"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 64, "r": 20, "t": 30, "b": 48},
        "height": 400,
        "hoverlabel": {"align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": AXIS | {"title": {"text": x or ""}},
        "yaxis": AXIS | {"title": {"text": y or ""}},
    }


def telling_range(view: StudyView, objective: int) -> list[float] | None:
    """Return where an axis of results should end so that a few far worse ones do not flatten the rest; None for all.

    The better four fifths are shown in full when all together span more than three times as much.
    """
    sign = float(view.problem.signs[objective])
    goodness = sorted((sign * r.values[objective] for r in view.rows if r.fate == "finished"), reverse=True)
    if len(goodness) < 8:
        return None
    best, usual, worst = goodness[0], goodness[int(0.8 * len(goodness))], goodness[-1]
    if best - usual == 0 or best - worst < 3 * (best - usual):
        return None
    pad = 0.12 * (best - usual)
    return sorted([sign * (best + pad), sign * (usual - 2 * pad)])
