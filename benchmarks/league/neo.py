"""NEO's published raw runs on MOOT: the best configuration of each of 20 runs, scored on our own copy of the tables.

Each file holds dictionaries of cells, one a run, then seconds. Two of the optimizers (LITE, EZR) wrote the first
columns of the row instead of its parameters; a row is looked up by whichever columns are there. Source: NEO, FSE 2026,
github.com/KKGanguly/NEO.
"""

import ast
import re
from pathlib import Path

from .moot import Table

BUDGETS = (6, 12, 18, 24, 50, 100, 200)
OPTIMIZERS = {
    "LITE": "Active_Learning", "EZR": "EZR", "k-means++": "KMPlusPlus", "SMAC": "SMAC", "TPE (NEO)": "TPE", "DEHB": "DEHB",
}  # fmt: skip
PUBLISHED = {
    "LITE": (0.471, 0.312, 0.262, 0.231, 0.167, 0.128, 0.099),
    "EZR": (0.485, 0.353, 0.293, 0.264, 0.182, 0.131, 0.101),
    "k-means++": (0.441, 0.346, 0.296, 0.263, 0.204, 0.160, 0.122),
    "SMAC": (0.504, 0.387, 0.327, 0.301, 0.210, 0.155, 0.139),
    "TPE (NEO)": (0.543, 0.373, 0.370, 0.335, 0.226, 0.191, 0.185),
    "DEHB": (0.581, 0.566, 0.520, 0.465, 0.408, 0.397, 0.323),
}
"""Means over 111 tables, at ``BUDGETS``."""
_DICTIONARY = re.compile(r"\{[^{}]*\}")


def scores(data: Path, table: Table, optimizer: str, budget: int) -> list[float | None] | None:
    """Return the regret of each published run, None for one whose row is not in the table; None without a file."""
    folder = OPTIMIZERS[optimizer]
    path = data / "results" / f"results_{folder}" / folder / f"{table.name}_{budget}.csv"
    if not path.exists():
        return None
    return [table.score(ast.literal_eval(_named(text))) for text in _DICTIONARY.findall(path.read_text())]


def _named(text: str) -> str:
    """Return a dictionary's text with ``nan``, which is no literal, as a string."""
    return re.sub(r"(?<=: )nan\b", "'nan'", text)


def by_optimizer(data: Path, table: Table, budget: int) -> dict[str, list[float]]:
    """Return the regrets of the optimizers all of whose runs on a table are found in it."""
    out: dict[str, list[float]] = {}
    for optimizer in OPTIMIZERS:
        values = scores(data, table, optimizer, budget)
        if values and all(v is not None for v in values):
            out[optimizer] = [v for v in values if v is not None]
    return out
