"""What a tuning is told, what it keeps between interruptions, and what it returns. Values only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evaluators.problem import Constraint, Objective
from ..evaluators.space import SearchSpace
from ..evaluators.vllm_attempt import Rung
from .records import TrialRecord
from .study import Study
from .tuning_verdict import Verdict


@dataclass(frozen=True)
class TuningPlan:
    """What to tune and how far. ``limits``: numbers, or (metric, factor of the default's). ``trials``: at most so many
    beside the default. ``pairs``: interleaved pairs of verification, up to ``most_pairs`` where the machine is noisy;
    ``verify_rung``: how their servers start."""

    model: str
    objective: Objective
    limits: tuple[Constraint | tuple[str, float], ...] = ()
    budget_s: float = 1800.0
    trials: int | None = None
    seed: int = 0
    planner: str | None = None
    strategy: str | None = None
    margin: float = 0.0
    repeats: int = 2
    default_every: int = 5
    pairs: int = 3
    most_pairs: int = 8
    verify_rung: Rung = "ordinary"
    candidates: int = 2
    smallest_gain: float = 1.0
    price_per_hour: float | None = None
    extra_objectives: tuple[Objective, ...] = ()


@dataclass
class TuningState:
    """What survives an interruption, in ``tuning.json``: the default's results (and those of the default that ran
    beside it), seconds used, the verification."""

    default: list[dict[str, float]] = field(default_factory=list)
    beside: list[dict[str, float]] = field(default_factory=list)
    used_s: float = 0.0
    start_s: float = 10.0
    verified: dict[str, Any] = field(default_factory=dict)  # Any: JSON

    @classmethod
    def read(cls, path: Path) -> "TuningState":
        """Return the stored state, an empty one when there is none."""
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        """Store the state; a crash leaves the old one or the new one."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(self.__dict__, indent=1))
        part.replace(path)


@dataclass(frozen=True)
class TuningOutcome:
    """The result: verdict, best trial (None: nothing feasible), commands, the metrics of both sides of each pair.
    ``agreement``: by metric, candidate over default while searching and as verified."""

    verdict: Verdict
    study: Study
    limits: tuple[Constraint, ...]
    best: TrialRecord | None
    command: str
    default_command: str
    default_runs: tuple[Mapping[str, float], ...]
    best_runs: tuple[Mapping[str, float], ...]
    noise: float
    seconds: float
    agreement: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def changes(space: SearchSpace, params: Mapping[str, Any]) -> str:  # Any: a choice of the space
    """Return, in words, in what a configuration differs from the default."""
    default = space.default()
    return ", ".join(f"{k}={v}" for k, v in params.items() if default.get(k) != v) or "default"
