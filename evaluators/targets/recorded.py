"""What was recorded of the gallery's targets: how their claims were checked, and landscapes to draw.

``recorded.json`` is written by ``benchmarks/landscapes.py``. Knows nothing of how it is drawn.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .target import Evidence

FILE = Path(__file__).with_name("recorded.json")


@dataclass(frozen=True, slots=True)
class Landscape:
    """A grid over two parameters, all others at their defaults but those that ``at`` names.

    ``objectives``: of each objective the values row by row, from the first value of ``y`` on, None where the evaluation
    failed or one of the two is no parameter there. ``feasible``: of each cell.
    """

    x: str
    y: str
    x_values: Sequence[Any]
    y_values: Sequence[Any]
    objectives: Sequence[Sequence[float | None]]
    feasible: Sequence[bool]
    fidelity: float
    seed: int
    at: Mapping[str, Any] = field(default_factory=dict)


def landscape_of(name: str) -> Landscape | None:
    """Return what was recorded of a target's landscape, None where nothing was."""
    record = _recorded().get(name, {}).get("landscape")
    return None if record is None else Landscape(**record)


def evidence_of(name: str) -> Evidence | None:
    """Return what the recorded check of a target's claim measured, None where there is none."""
    record = _recorded().get(name, {}).get("claim")
    return None if record is None else Evidence(**record)


@cache
def _recorded() -> dict[str, Any]:
    return json.loads(FILE.read_text())
