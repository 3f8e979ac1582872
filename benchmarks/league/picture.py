"""The league's runs as a picture: mean regret over evaluations, a panel per group, a line per optimizer, as SVG.

A task counts once, with the mean of the seeds that every optimizer has; a group is drawn where every task has one. The
vertical axis of a panel ends at 0 or the least value, whichever is lower. Knows nothing of how the runs came about.
"""

from collections.abc import Sequence

import numpy as np

from .own import Runs, seeds
from .suite import Task

WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 170, 44, 30, 26
COLOURS = ("#0b6e4f", "#c8553d", "#3d5a98", "#8a6d3b", "#777777", "#7b4b94", "#2a9d8f")
Curves = dict[str, np.ndarray]
"""Mean regret after each evaluation, by optimizer."""


def curves(runs: Runs, tasks: Sequence[Task], names: Sequence[str]) -> Curves:
    """Return the mean curves of the tasks that every optimizer has run; empty where there is none."""
    whole = [(t, s) for t in tasks if (s := seeds(runs, t, names, t.trials))]
    if not whole:
        return {}
    return {
        name: np.mean(
            [
                np.mean([runs[t.name, name, s]["regret"][: t.trials] for s in sorted(ran)], axis=0)
                for t, ran in whole
            ],
            axis=0,
        )
        for name in names
    }


def drawn(runs: Runs, tasks: Sequence[Task], names: Sequence[str]) -> str:
    """Return the picture."""
    groups = {g: [t for t in tasks if t.group == g] for g in dict.fromkeys(t.group for t in tasks)}
    panels = {g: c for g, members in groups.items() if (c := curves(runs, members, names))}
    columns = min(3, max(1, len(panels)))
    rows = -(-len(panels) // columns)
    width, height = columns * (WIDTH + LEFT) + GAP, rows * (HEIGHT + TOP + GAP) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for i, (group, by_name) in enumerate(panels.items()):
        x, y = LEFT + (i % columns) * (WIDTH + LEFT), TOP + (i // columns) * (HEIGHT + TOP + GAP)
        parts += [f'<g transform="translate({x} {y})">', *panel(group, by_name), "</g>"]
    x = LEFT
    for name, colour in zip(names, COLOURS, strict=False):
        parts.append(f'<path d="M{x} {height - 12}h18" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 23}" y="{height - 8}">{name}</text>')
        x += 45 + 6 * len(name)
    return "\n".join([*parts, "</svg>"]) + "\n"


def panel(group: str, by_name: Curves) -> list[str]:
    """Return the elements of one group's panel, its upper left corner at the origin."""
    trials = max(map(len, by_name.values()))
    high = max(float(c[min(4, len(c) - 1) :].max()) for c in by_name.values())
    low = min(0.0, *(float(c.min()) for c in by_name.values()))

    def place(t: int, value: float) -> tuple[float, float]:
        share = (min(value, high) - low) / max(high - low, 1e-12)
        return WIDTH * t / trials, HEIGHT * (1.0 - share)

    parts = [f'<text y="-8" font-weight="bold">{group}</text>']
    for value in np.linspace(low, high, 3):
        y = place(0, float(value))[1]
        parts.append(f'<path d="M0 {y:.1f}h{WIDTH}" stroke="#dddddd"/>')
        parts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    for t in (0, trials // 2, trials):
        parts.append(f'<text x="{place(t, high)[0]:.1f}" y="{HEIGHT + 15}" text-anchor="middle">{t}</text>')
    for (name, curve), colour in zip(by_name.items(), COLOURS, strict=False):
        points = " ".join(
            "{:.1f},{:.1f}".format(*place(t + 1, float(v))) for t, v in enumerate(curve) if v <= high or t > 4
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"><title>{name}</title></polyline>'
        )
    return parts
