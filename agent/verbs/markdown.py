"""How numbers, parameters and small tables are written in an answer. Markdown that is also readable as plain text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

BARS = "▁▂▃▄▅▆▇█"


def number(value: Any) -> str:
    """Return a value in few characters: four significant digits, words as they are."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Return a configuration on one line."""
    return ", ".join(f"{k}={number(v)}" for k, v in params.items())


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table with aligned columns."""
    cells = [[str(c) for c in head], *([_cell(c) for c in r] for r in rows)]
    widths = [max(len(r[i]) for r in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def row(values: Sequence[float], width: int = 60) -> str:
    """Return values as a row of bars, the newest ``width`` of them."""
    shown = values[-width:]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    bars = "".join(BARS[int((v - low) / span * (len(BARS) - 1))] for v in shown)
    return f"`{bars}` from {number(float(low))} to {number(float(high))}"


def _cell(value: Any) -> str:
    return str(value).replace("|", "∣").replace("\n", " ")
