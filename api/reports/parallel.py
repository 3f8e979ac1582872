"""All parameters at once: parallel coordinates as SVG lines, because plotly's own kind needs WebGL, which remote
desktops and printers lack.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...evaluators.spaces.parameters import Categorical, Int, Parameter
from .parts import SCALE, Figure, base_layout, choices, hover, plain, rgb, word
from .view import StudyView, TrialRow

AXIS_PX = 96
"""Width that an axis needs for its labels, in pixels."""
MOST_LINES = 200
"""Lines in the parallel plot: more hide each other, and each is a path of the page."""


def parallel(view: StudyView, objective: int = 0) -> Figure:
    """One line per trial through all its parameters, coloured by value; inactive parameters stand at "off".

    Lines are SVG, because plotly's own kind needs WebGL, which remote desktops and printers lack; of a long study the
    best and the latest ``MOST_LINES`` are drawn.
    """
    sign = view.problem.signs[objective]
    rows = sorted(view.counted, key=lambda row: sign * row.values[objective])[-MOST_LINES:]
    axes = [Axis.of(view.problem.space[name], rows) for name in view.problem.space.names]
    shades = _shades([sign * row.values[objective] for row in rows])
    data = [
        _polyline(row, axes, shade, best=row is rows[-1]) for row, shade in zip(rows, shades, strict=True)
    ]
    layout: Figure = base_layout(None, None) | {
        "showlegend": False,
        "margin": {"l": 40, "r": 40, "t": 20, "b": 70},
    }
    ticks = [(i, height, word) for i, axis in enumerate(axes) for height, word in axis.ticks]
    look = {"showarrow": False, "xanchor": "left", "xshift": 5, "font": {"size": 11}}
    layout["annotations"] = [{"x": i, "y": height, "text": word, **look} for i, height, word in ticks]
    layout["xaxis"] |= {
        "tickvals": list(range(len(axes))),
        "ticktext": [a.label for a in axes],
        "gridcolor": "#aab4be",
    }
    layout["xaxis"] |= {"range": [-0.1, len(axes) - 0.6]}
    layout["yaxis"] |= {"visible": False, "range": [-0.16, 1.06]}
    layout["meta"] = {"least_width": AXIS_PX * len(axes)}
    return {"data": data, "layout": layout}


@dataclass(frozen=True)
class Axis:
    """One parameter as an axis from 0 to 1. ``ticks``: (height, word); ``off``: height of an inactive parameter."""

    name: str
    label: str
    ticks: tuple[tuple[float, str], ...]
    height: Callable[[Any], float]
    off: float = -0.12

    @classmethod
    def of(cls, parameter: Parameter, rows: Sequence[TrialRow]) -> "Axis":
        """Return the axis of a parameter; it has a tick for "off" where a row needs it."""
        name = parameter.name
        off = ((cls.off, "off"),) if any(name not in row.params for row in rows) else ()
        if isinstance(parameter, Categorical):
            words = [word(choice) for choice in choices(parameter)]
            top = max(len(words) - 1, 1)
            ticks = tuple((i / top, word) for i, word in enumerate(words))
            return cls(name, plain(name, 24), off + ticks, lambda value: words.index(word(value)) / top)
        scaled: Callable[[float], float] = math.log10 if parameter.log else float
        low, high = scaled(parameter.low), scaled(parameter.high)
        steps = 4
        if isinstance(parameter, Int) and not parameter.log and high - low <= 8:
            steps = round(high - low)
        marks = [low + (high - low) * i / steps for i in range(steps + 1)]
        ticks = tuple(
            (i / steps, f"{10**mark if parameter.log else mark:.3g}") for i, mark in enumerate(marks)
        )
        return cls(name, plain(name, 24), off + ticks, lambda value: (scaled(value) - low) / (high - low))


def _polyline(row: TrialRow, axes: Sequence[Axis], shade: str, *, best: bool) -> Figure:
    heights = [axis.height(row.params[axis.name]) if axis.name in row.params else axis.off for axis in axes]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(range(len(axes))),
        "y": heights,
        "line": {"color": shade, "width": 4 if best else 1.3, "shape": "spline", "smoothing": 0.6},
        "marker": {"size": 7 if best else 4},
        "opacity": 1.0 if best else 0.75,
        "text": hover(row),
        "hovertemplate": "%{text}<extra></extra>",
    }


def _shades(values: Sequence[float]) -> list[str]:
    """Return a colour for each value, the largest the last of ``SCALE``; by rank, so that no outlier hides the rest."""
    ranks = {value: i for i, value in enumerate(sorted(set(values)))}
    last = max(len(ranks) - 1, 1)
    return [_between(ranks[value] / last) for value in values]


def _between(share: float) -> str:
    place = share * (len(SCALE) - 1)
    i = min(int(place), len(SCALE) - 2)
    ends = [rgb(SCALE[i + k][1]) for k in (0, 1)]
    mixed = [round(a + (b - a) * (place - i)) for a, b in zip(*ends, strict=True)]
    return f"rgb({mixed[0]},{mixed[1]},{mixed[2]})"
