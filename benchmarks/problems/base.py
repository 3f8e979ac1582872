"""What a benchmark case is. Objectives are minimized; infeasible or failed trials have no value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import trialogue as tl


@dataclass(frozen=True)
class Outcome:
    """One result: ``value`` (to minimize; None when the trial failed), constraint values, and why it failed."""

    value: float | None
    constraints: Mapping[str, float] | None = None
    failure: str = ""


@dataclass(frozen=True)
class Case:
    """A problem with an evaluation. ``unseen``: left out while the engine is tuned."""

    problem: tl.Problem
    family: str
    evaluate: Callable[[Mapping[str, Any]], Outcome]
    unseen: bool = False

    @property
    def name(self) -> str:
        return self.problem.name

    def feasible(self, outcome: Outcome) -> bool:
        """Return whether the trial succeeded and every constraint holds."""
        if outcome.value is None:
            return False
        measured = outcome.constraints or {}
        return all(c.holds(measured[c.name]) for c in self.problem.constraints)
