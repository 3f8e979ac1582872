"""What a verification compares: two configurations of a study, and the runs of both as pairs.

A verification is a study of its own in the same ledger; its strategy's name holds the pairing as text, so that whoever
opens it, a worker on another machine too, knows what to run. Pairs are made of the runs of both sides in the order in
which they began. Knows nothing of who runs them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from ...evaluators.problems.history import (
    FailedTrial,
    FinishedTrial,
    History,
    Params,
    PrunedTrial,
    RunningTrial,
)
from ...evaluators.problems.problem import Problem
from ...evaluators.statistics.paired import PairPlan, Scale, better_by
from ...serving.errors import InvalidInput

PREFIX = "pairs:"
"""What the text of a pairing begins with."""
_SAYS_NOTHING = ("lost", "infrastructure")
"""Kinds of failures that say nothing of the configuration: such a run is made again."""


@dataclass(frozen=True, slots=True)
class Side:
    """One configuration: as which trial it was found (None: the default, never run), and with what value."""

    params: Params
    number: int | None = None
    searched: float | None = None
    is_default: bool = False

    def __str__(self) -> str:
        """Return what it is called: "the default" or "trial 12"."""
        return "the default" if self.is_default else f"trial {self.number}"


@dataclass(frozen=True, slots=True)
class Pairing:
    """What is compared and how. ``least``: the smallest gain that counts, a ratio or a difference as ``scale`` says;
    ``until``: pairs after which it ends without a decision."""

    study: str
    candidate: Side
    baseline: Side
    objective: int
    scale: Scale
    plan: PairPlan
    least: float
    until: int

    def to_text(self) -> str:
        """Return the pairing as a strategy's name; inverse of ``from_text``."""
        return PREFIX + json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Pairing":
        """Return the pairing that ``to_text`` wrote; raises InvalidInput for another text."""
        from pydantic import TypeAdapter

        try:
            return TypeAdapter(cls).validate_json(text.removeprefix(PREFIX))
        except ValueError as error:
            raise InvalidInput(f"{text[:80]!r} is not a pairing that `study.verify` wrote: {error}") from None

    @property
    def name(self) -> str:
        """The name of the verification."""
        against = "" if self.baseline.is_default else f"-against-{self.baseline.number}"
        of = f"-{self.objective}" if self.objective else ""
        return f"{self.study}-verify-{self.candidate.number}{against}{of}"

    @property
    def shift(self) -> float:
        """The smallest gain that counts, as a log or a difference."""
        return math.log(self.least) if self.scale == "ratio" else self.least

    def extended(self, until: int) -> "Pairing":
        """Return the pairing that goes on to ``until`` pairs; what was planned before the first one stays."""
        return replace(self, until=until)


Run = float | None
"""The value of one run, infinitely bad for one that failed or broke a limit; None while it runs."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of both sides, in the order in which they began."""

    candidate: tuple[Run, ...]
    baseline: tuple[Run, ...]

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(candidate, baseline) of the pairs that are complete, up to the first that is not."""
        pairs: list[tuple[float, float]] = []
        for c, b in zip(self.candidate, self.baseline, strict=False):
            if c is None or b is None:
                break
            pairs.append((c, b))
        return pairs


def runs_of(history: History, pairing: Pairing) -> Runs:
    """Return what the trials of a verification are worth; what says nothing of its configuration is left out."""
    problem = history.problem
    keys = [problem.space.key(side.params) for side in (pairing.candidate, pairing.baseline)]
    trials = (*history.finished, *history.failed, *history.pruned, *history.running)
    sides: tuple[list[Run], list[Run]] = ([], [])
    for trial in sorted(trials, key=lambda t: t.number):
        key = problem.space.key(trial.params)
        if key in keys and not (isinstance(trial, FailedTrial) and trial.kind in _SAYS_NOTHING):
            sides[keys.index(key)].append(_value(trial, problem, pairing.objective))
    return Runs(tuple(sides[0]), tuple(sides[1]))


def better_by_pair(pairs: Sequence[tuple[float, float]], problem: Problem, pairing: Pairing) -> list[float]:
    """Return by how much the candidate was better in each pair, as a log of the ratio or a difference."""
    if problem.objectives[pairing.objective].direction == "maximize":
        return [better_by(c, b, pairing.scale) for c, b in pairs]
    if pairing.scale == "ratio":
        return [better_by(b, c, "ratio") for c, b in pairs]
    return [better_by(-c, -b, "difference") for c, b in pairs]


def _value(
    trial: FinishedTrial | FailedTrial | PrunedTrial | RunningTrial, problem: Problem, objective: int
) -> Run:
    if isinstance(trial, RunningTrial):
        return None
    if isinstance(trial, FinishedTrial) and problem.feasible(trial.measurement):
        return trial.measurement.values[objective]
    return math.inf if problem.objectives[objective].direction == "minimize" else -math.inf
