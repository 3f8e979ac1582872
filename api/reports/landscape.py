"""The picture of a target's landscape: a grid of recorded evaluations over two parameters, as SVG.

Darker cells are better. A ring stands where the default is, a star on the best cell; a dashed frame holds what the source
found good; a stroke crosses cells that break a limit. Text takes the colour of what is around the picture. Knows no pages.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ...evaluators.problems.problem import Objective
from ...evaluators.spaces.parameters import Categorical, Parameter
from ...evaluators.targets.recorded import Landscape
from ...evaluators.targets.target import GalleryTarget
from .page import short

WORST, BEST = (222, 231, 239), (8, 61, 119)
"""Red, green and blue of the ends of the scale."""
LEFT, TOP, WIDTH, HEIGHT = 76, 44, 272, 190
"""Of the grid, in a picture of 360 by 290."""
FAR = 3.0
"""A value is drawn as the worst beyond this many times the gap between the best and the median."""


@dataclass(frozen=True, slots=True)
class Shades:
    """The best and the worst value that have colours of their own; ``cut``: whether there are worse ones."""

    best: float
    worst: float
    cut: bool

    def color(self, value: float) -> str:
        """Return the colour of a value."""
        gap = self.best - self.worst
        share = 1.0 if gap == 0 else min(max((value - self.worst) / gap, 0.0), 1.0)
        r, g, b = (round(w + share * (t - w)) for w, t in zip(WORST, BEST, strict=True))
        return f"#{r:02x}{g:02x}{b:02x}"


def scale_of(values: Sequence[float], sign: float) -> Shades:
    """Return the scale of some values; ``sign``: 1 where larger is better.

    >>> scale_of([1.0, 2.0, 3.0, 100.0], -1)
    Shades(best=1.0, worst=5.5, cut=True)
    """
    best, worst = (max(values), min(values)) if sign > 0 else (min(values), max(values))
    far = best + FAR * (statistics.median(values) - best)
    cut = far != best and abs(worst - best) > abs(far - best)
    return Shades(best, far if cut else worst, cut)


def picture(target: GalleryTarget, drawn: Landscape, objective: int = 0) -> str:
    """Return an SVG element of one objective; an empty text where all cells are the same."""
    aim, values = target.problem.objectives[objective], drawn.objectives[objective]
    numbers = [v for v in values if v is not None]
    if len(set(numbers)) < 2:
        return ""
    sign = float(target.problem.signs[objective])
    scale = scale_of(numbers, sign)
    width, height = WIDTH / len(drawn.x_values), HEIGHT / len(drawn.y_values)
    marks = [_cell(drawn, i, aim, v, "none" if v is None else scale.color(v)) for i, v in enumerate(values)]
    good = [i for i, v in enumerate(values) if v is not None and drawn.feasible[i]]
    if good:
        best = max(good, key=lambda i: sign * (values[i] or 0.0))
        marks.append(_star(*_middle(drawn, best, width, height)))
    marks += [_frame(target, drawn, width, height), _ring(target, drawn, width, height)]
    label = f"{aim.name} of {target.name} over {drawn.x} and {drawn.y}: best {short(scale.best)}"
    return (
        f'<svg class="landscape" viewBox="0 0 360 290" role="img" aria-label="{escape(label)}">'
        f"{_legend(aim, scale)}{''.join(marks)}{_axes(target, drawn, width, height)}</svg>"
    )


def _cell(drawn: Landscape, i: int, aim: Objective, value: float | None, fill: str) -> str:
    width, height = WIDTH / len(drawn.x_values), HEIGHT / len(drawn.y_values)
    row, column = divmod(i, len(drawn.x_values))
    x, y = LEFT + column * width, TOP + HEIGHT - (row + 1) * height
    where = f"{drawn.x} {short(drawn.x_values[column])}, {drawn.y} {short(drawn.y_values[row])}"
    result = "failed, or no such parameter" if value is None else f"{aim.name} {short(value)} {aim.unit}"
    rect = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width - 1:.1f}" height="{height - 1:.1f}" fill="{fill}"/>'
    broken = value is not None and not drawn.feasible[i]
    stroke = f'<path d="M{x + 2:.1f} {y + height - 3:.1f}L{x + width - 3:.1f} {y + 2:.1f}" class="broken"/>'
    limit = ", breaks a limit" if broken else ""
    return f"<g><title>{escape(f'{where}: {result}'.strip() + limit)}</title>{rect}{stroke if broken else ''}</g>"


def _middle(drawn: Landscape, i: int, width: float, height: float) -> tuple[float, float]:
    row, column = divmod(i, len(drawn.x_values))
    return LEFT + (column + 0.5) * width, TOP + HEIGHT - (row + 0.5) * height


def _star(x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y + 5:.1f}" class="star">★</text>'


def _ring(target: GalleryTarget, drawn: Landscape, width: float, height: float) -> str:
    """Return the ring in the cell that is nearest to the default."""
    default = {p.name: p.typical for p in target.problem.space}
    column = _nearest(target.problem.space[drawn.x], drawn.x_values, default[drawn.x])
    row = _nearest(target.problem.space[drawn.y], drawn.y_values, default[drawn.y])
    x, y = _middle(drawn, row * len(drawn.x_values) + column, width, height)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{min(width, height, 22) / 2 - 2:.1f}" class="ring"/>'


def _nearest(parameter: Parameter, values: Sequence[Any], wanted: Any) -> int:
    if isinstance(parameter, Categorical):
        return list(values).index(wanted)
    return min(range(len(values)), key=lambda i: abs(values[i] - wanted))


def _frame(target: GalleryTarget, drawn: Landscape, width: float, height: float) -> str:
    """Return the frame around what the source found good, as far as it says so of these two parameters."""
    if drawn.x not in target.region and drawn.y not in target.region:
        return ""
    spans = []
    for name, values in ((drawn.x, drawn.x_values), (drawn.y, drawn.y_values)):
        inside = [i for i, v in enumerate(values) if target.in_region({name: v})]
        if not inside or inside[-1] - inside[0] >= len(inside):
            return ""
        spans.append((inside[0], len(inside)))
    (left, wide), (low, high) = spans
    y = TOP + HEIGHT - (low + high) * height
    return (
        f'<rect x="{LEFT + left * width + 1:.1f}" y="{y + 1:.1f}" width="{wide * width - 3:.1f}" '
        f'height="{high * height - 3:.1f}" class="region"/>'
    )


def _legend(aim: Objective, scale: Shades) -> str:
    unit = f" {aim.unit}" if aim.unit not in ("", aim.name) else ""
    more = ("≥ " if aim.direction == "minimize" else "≤ ") if scale.cut else ""
    steps = 8
    bar = "".join(
        f'<rect x="{LEFT + i * 9}" y="22" width="9" height="8" '
        f'fill="{scale.color(scale.worst + (scale.best - scale.worst) * i / (steps - 1))}"/>'
        for i in range(steps)
    )
    return (
        f'<text x="{LEFT}" y="14" class="name">{escape(aim.name + unit)}</text>{bar}'
        f'<text x="{LEFT - 4}" y="30" text-anchor="end">{more}{short(scale.worst)}</text>'
        f'<text x="{LEFT + 9 * steps + 4}" y="30">{short(scale.best)}</text>'
    )


def _axes(target: GalleryTarget, drawn: Landscape, width: float, height: float) -> str:
    """Return at most five labels of each axis, and the parameters' names."""
    out, space = [], target.problem.space
    for i in _some(len(drawn.x_values)):
        label = escape(_label(drawn.x_values[i], 10))
        out.append(
            f'<text x="{LEFT + (i + 0.5) * width:.1f}" y="{TOP + HEIGHT + 14}" class="x">{label}</text>'
        )
    for i in _some(len(drawn.y_values)):
        y = TOP + HEIGHT - (i + 0.5) * height + 4
        label = escape(_label(drawn.y_values[i], 11))
        out.append(f'<text x="{LEFT - 6}" y="{y:.1f}" text-anchor="end">{label}</text>')
    names = [f"{n}, {space[n].unit}" if space[n].unit not in ("", n) else n for n in (drawn.x, drawn.y)]
    out.append(
        f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 34}" class="x name">{escape(names[0])}</text>'
    )
    across = f"translate(10 {TOP + HEIGHT / 2}) rotate(-90)"
    out.append(f'<text transform="{across}" class="x name">{escape(names[1])}</text>')
    return "".join(out)


def _some(n: int) -> list[int]:
    """Return at most five of n numbers, the first and the last among them.

    >>> _some(9), _some(3)
    ([0, 2, 4, 6, 8], [0, 1, 2])
    """
    return list(range(n)) if n <= 5 else sorted({round(i * (n - 1) / 4) for i in range(5)})


def _label(value: Any, most: int) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else short(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
