"""Values that every room above shares: trials as they stand in the ledger, proposals, and a study's history.

A history is a value: extending one returns another, and the arrays that surrogates read are extended, not recomputed.
Notation: X (n, d) in the unit cube · active (n, d) bool · Y (n, m) objective values in their own unit and direction ·
C (n, c) constraint values in their own unit, NaN where not measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from ..errors import FailureKind
from .measurement import Measurement
from .problem import Problem

Value = bool | int | float | str | None
Params = Mapping[str, Value]
"""One configuration: active parameters only. Labelled choices stand as their label."""


@dataclass(frozen=True, slots=True)
class FinishedTrial:
    """A trial with a measurement."""

    number: int
    params: Params
    measurement: Measurement
    source: str = "user"


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """A trial without a measurement, and why."""

    number: int
    params: Params
    kind: FailureKind
    reason: str
    source: str = "user"


@dataclass(frozen=True, slots=True)
class PrunedTrial:
    """A trial that was stopped early: its last reported step and value."""

    number: int
    params: Params
    step: int
    value: float
    source: str = "user"


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial that somebody is evaluating now."""

    number: int
    params: Params
    source: str = "user"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration somebody proposes, and what they say of it. ``confidence`` in [0, 1], uncalibrated.

    ``variant``: which variant of its instruction a planner answered, where it has several.
    """

    params: Params
    source: str
    hypothesis: str = ""
    expected: str = ""
    confidence: float | None = None
    tokens: int = 0
    variant: int | None = None


@dataclass(frozen=True)
class Rows:
    """Encoded trials: X (n, d) and active (n, d). Inactive coordinates stand at 0.5."""

    X: np.ndarray
    active: np.ndarray

    def extended(self, problem: Problem, params: Sequence[Params]) -> "Rows":
        """Return these rows with ``params`` encoded below them."""
        if not params:
            return self
        X, active = problem.space.encode(params)
        return Rows(np.vstack([self.X, X]), np.vstack([self.active, active]))


@dataclass(frozen=True)
class History:
    """All trials of a study that count (excluded ones are left out), in the order in which they ended."""

    problem: Problem
    finished: tuple[FinishedTrial, ...] = ()
    failed: tuple[FailedTrial, ...] = ()
    pruned: tuple[PrunedTrial, ...] = ()
    running: tuple[RunningTrial, ...] = ()
    _rows: Mapping[str, Rows] = field(default_factory=dict, repr=False, compare=False)
    _ended_keys: frozenset[str] | None = field(default=None, repr=False, compare=False)

    def extended(
        self,
        *,
        finished: Sequence[FinishedTrial] = (),
        failed: Sequence[FailedTrial] = (),
        pruned: Sequence[PrunedTrial] = (),
        running: Sequence[RunningTrial] | None = None,
    ) -> "History":
        """Return the history with these trials added; ``running`` replaces the running ones (None keeps them)."""
        added = {"finished": finished, "failed": failed, "pruned": pruned}
        rows = {
            kind: self.rows(kind).extended(self.problem, [t.params for t in new])
            for kind, new in added.items()
        }
        trials = self.running if running is None else tuple(running)
        keys = self._ended_keys
        if keys is not None:
            keys = keys.union(self._keys_of(t for new in added.values() for t in new))
        return replace(
            self,
            finished=(*self.finished, *finished),
            failed=(*self.failed, *failed),
            pruned=(*self.pruned, *pruned),
            running=trials,
            _rows=rows,
            _ended_keys=keys,
        )

    @property
    def taken(self) -> set[str]:
        """Canonical keys of every configuration that was tried or is running. Extended with the history once asked for."""
        if self._ended_keys is None:
            ended = frozenset(self._keys_of((*self.finished, *self.failed, *self.pruned)))
            object.__setattr__(self, "_ended_keys", ended)  # a cache: the value stays the same
        assert self._ended_keys is not None
        return {*self._ended_keys, *self._keys_of(self.running)}

    def _keys_of(
        self, trials: Iterable[FinishedTrial | FailedTrial | PrunedTrial | RunningTrial]
    ) -> Iterable[str]:
        return (self.problem.space.key(t.params) for t in trials)

    def rows(self, kind: Literal["finished", "failed", "pruned", "running"] | str) -> Rows:
        """Return the encoded trials of one kind, in the order of the tuple of that name."""
        if kind not in self._rows:
            d = len(self.problem.space)
            empty = Rows(np.empty((0, d)), np.empty((0, d), bool))
            return empty.extended(self.problem, [t.params for t in getattr(self, kind)])
        return self._rows[kind]

    @cached_property
    def Y(self) -> np.ndarray:
        """Objective values of the finished trials, (n, m)."""
        m = len(self.problem.objectives)
        return np.array([t.measurement.values for t in self.finished], float).reshape(-1, m)

    @cached_property
    def Y_sem(self) -> np.ndarray:
        """Standard errors of the values, (n, m); NaN where unknown."""
        m = len(self.problem.objectives)
        unknown = (np.nan,) * m
        return np.array([t.measurement.sem or unknown for t in self.finished], float).reshape(-1, m)

    @cached_property
    def C(self) -> np.ndarray:
        """Outcome-constraint values of the finished trials, (n, c); NaN where not measured."""
        names = [c.name for c in self.problem.constraints]
        rows = [[t.measurement.constraints.get(n, np.nan) for n in names] for t in self.finished]
        return np.array(rows, float).reshape(len(rows), len(names))

    def __len__(self) -> int:
        return len(self.finished) + len(self.failed) + len(self.pruned) + len(self.running)
