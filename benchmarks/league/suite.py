"""A task of a suite: a benchmark case, the scale on which its suite scores a configuration, and how it groups.

Knows nothing of optimizers. Every suite makes its tasks: `moot.py`, `bbob.py`, `yahpo.py`, `tabular.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from problems.base import Case

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """One task.

    ``case`` is measured by a number to minimize, perhaps with noise; ``regret`` scores a configuration without it, on
    the suite's scale, 0 the best. ``trials`` counts the evaluations the suite gives at most, ``marks`` are where it
    reports. ``first`` returns the configuration to start from by seed, where the suite prescribes one; where ``listed``,
    only rows exist, and an optimizer that suggests each parameter on its own is moved to the nearest.
    """

    group: str
    case: Case
    regret: Callable[[Params], float]
    marks: tuple[int, ...]
    first: Callable[[int], Params] | None = None
    listed: bool = False

    @property
    def name(self) -> str:
        return self.case.name

    @property
    def trials(self) -> int:
        return self.marks[-1]
