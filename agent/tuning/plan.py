"""What a tuning is told and what it returns. Values only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...evaluators.errors import InvalidSpecification
from ...evaluators.problems.problem import Constraint, Objective
from ...evaluators.servers.attempt import Rung
from ...evaluators.servers.metrics import (
    SEARCHED,
    Limit,
    Relative,
    check_measured,
    goodput_limits,
    merged_limits,
)
from ...evaluators.spaces.space import SearchSpace
from ...serving.errors import InvalidInput
from ..ledger.records import TrialRecord
from ..study.study import Study
from .verdict import TuningVerdict

CUT_OFF = "cut_off_s"
"""Metric of a trial whose load was stopped as too slow: its value is the most that it can be, its limits are unknown."""


@dataclass(frozen=True)
class TuningPlan:
    """What to tune and how far. ``limits``: numbers, or factors of the default's ((metric, factor) is an upper one);
    ``margin``: share by which the search keeps away from them. ``trials``: at most so many beside the default. ``pairs``:
    interleaved pairs of verification, up to ``most_pairs`` where the machine is noisy; ``verify_rung``: how their servers
    start. ``extra_objectives``: shown as a front; the first objective decides. Raises InvalidInput."""

    model: str
    objective: Objective
    limits: tuple[Limit | tuple[str, float], ...] = ()
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", merged_limits(self.limits))
        for name in ("pairs", "most_pairs", "repeats", "default_every", "candidates"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check("trials", self.trials, self.trials is None or self.trials >= 1, "at least 1")
        finite = math.isfinite(self.budget_s) and self.budget_s > 0
        _check("budget", self.budget_s, finite, "seconds above 0")
        _check("margin", self.margin, 0 <= self.margin < 1, "a share in [0, 1)")
        _check_metrics(self)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All objectives, the one that decides first."""
        return (self.objective, *self.extra_objectives)

    @property
    def relative(self) -> tuple[str, ...]:
        """Metrics with a limit relative to the default."""
        return tuple(c.name for c in self.limits if isinstance(c, Relative))

    @property
    def searches_load(self) -> bool:
        """Whether results are those of the highest load that meets the limits, not of the workload's own."""
        return self.objective.name in SEARCHED


def _check(name: str, value: object, right: bool, rule: str) -> None:
    if not right:
        raise InvalidInput(f"`--{name.replace('_', '-')}` must be {rule}, got {value!r}.")


def _check_metrics(plan: TuningPlan) -> None:
    """Raise InvalidSpecification for objectives and limits of which the plan alone says that they cannot be measured."""
    names = [o.name for o in plan.objectives]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise InvalidSpecification(f"`--objective` must name different metrics, got {twice!r} twice.")
    alone = next((n for n in names if n in SEARCHED), "")
    if alone and len(names) > 1:
        raise InvalidSpecification(
            f"`--objective {alone}` must be the only one, got {', '.join(names)}: its loads are its own."
        )
    limited = [c.name for c in plan.limits if isinstance(c, Constraint | Relative)]
    if alone == "max_concurrency" and not limited:
        raise InvalidSpecification(
            "`--objective max_concurrency` needs a limit, got none: any concurrency meets that; such as "
            "`--slo 'ttft_p99_ms<=200'`."
        )
    searched = next((n for n in limited if n in SEARCHED), "")
    if searched:
        raise InvalidSpecification(f"`--slo` cannot limit {searched!r}, which is only found as an objective.")
    by_name: dict[str, float] = {}
    if plan.price_per_hour:
        by_name["output_tok_per_money"] = 1.0
    if goodput_limits([c for c in plan.limits if isinstance(c, Constraint)]):
        by_name |= {"goodput_req_s": 1.0, "compliance": 1.0}
    for what, metrics in (("objective", names), ("limit on", limited)):
        for name in {"output_tok_per_money", "goodput_req_s", "compliance"} & set(metrics):
            check_measured(name, by_name, what=what)


@dataclass(frozen=True)
class TuningOutcome:
    """The result: verdict, best trial (None: nothing feasible), commands, the metrics of both sides of each pair.
    ``agreement``: by metric, candidate over default while searching and as verified."""

    verdict: TuningVerdict
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
