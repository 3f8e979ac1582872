"""How a study stands: the best feasible trial, and the trials that no other beats in every objective."""

from collections.abc import Iterable

import numpy as np

from ..evaluators.measurement import Measurement
from ..evaluators.problem import Problem
from ..serving.errors import InvalidInput
from .errors import NoFeasibleTrial
from .records import TrialRecord


def best_of(problem: Problem, records: Iterable[TrialRecord]) -> TrialRecord:
    """Return the finished feasible trial with the best value, the earliest of equals; raises NoFeasibleTrial.

    Raises InvalidInput for more than one objective: there is a front then, not a best trial.
    """
    if len(problem.objectives) > 1:
        raise InvalidInput(
            f"a problem with {len(problem.objectives)} objectives has no single best trial; use `study.pareto_front`."
        )
    sign = float(problem.signs[0])
    best: TrialRecord | None = None
    best_value = -np.inf
    finished = 0
    for record in records:
        if record.excluded is not None or not isinstance(record.ending, Measurement):
            continue
        finished += 1
        value = sign * record.ending.value
        if (best is None or value > best_value) and problem.feasible(record.ending):
            best, best_value = record, value
    if best is None:
        raise NoFeasibleTrial(_nothing_yet(problem, finished))
    return best


def front_of(problem: Problem, records: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the feasible trials that no other dominates, by number; empty when none is feasible."""
    feasible = [
        r
        for r in records
        if r.excluded is None and isinstance(r.ending, Measurement) and problem.feasible(r.ending)
    ]
    if not feasible:
        return ()
    Y = problem.signs * np.array([r.values for r in feasible], float)  # (n, m), larger is better
    order = np.lexsort(-Y.T[::-1])
    kept: list[int] = []
    for i in order:
        if not kept or not np.any(np.all(Y[kept] >= Y[i], axis=1) & np.any(Y[kept] > Y[i], axis=1)):
            kept.append(int(i))
    return tuple(sorted((feasible[i] for i in kept), key=lambda r: r.number))


def _nothing_yet(problem: Problem, finished: int) -> str:
    if not finished:
        return "no trial has finished yet; ask, evaluate and tell one first."
    limits = ", ".join(c.name for c in problem.constraints)
    return f"none of {finished} finished trials satisfies ({limits}); go on, or relax a limit by a fork."
