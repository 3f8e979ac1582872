"""How a study stands: the best feasible trial, and the trials that no other beats in every objective."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import sqlalchemy as sa

from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...serving.errors import InvalidInput
from ..errors import NoFeasibleTrial
from ..ledger import schema
from ..ledger.records import TrialRecord, ending_from_json, record_from_row
from ..ledger.schema import UNFIT

_T = schema.trials
_COUNTING = (_T.c.state == "finished", _T.c.feasible == 1, _T.c.excluded.is_(None))


def best_of(problem: Problem, records: Iterable[TrialRecord]) -> TrialRecord:
    """Return the finished feasible trial with the best value, the earliest of equals; raises NoFeasibleTrial.

    Raises InvalidInput for more than one objective: there is a front then, not a best trial.
    """
    if len(problem.objectives) > 1:
        raise InvalidInput(
            f"a problem with {len(problem.objectives)} objectives has no single best trial; use `study.pareto_front`."
        )
    records = list(records)
    for record in ranked(problem, records):
        return record
    raise NoFeasibleTrial(_nothing_yet(problem, len(_comparable(problem, records))))


def ranked(problem: Problem, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the feasible finished trials that may be the best, by the first objective: the best first, of equals the
    earliest. Excluded trials are left out, and all below the largest fidelity that has finished."""
    sign = float(problem.signs[0])
    feasible = [
        (-sign * m.value, r.number, r)
        for r in _comparable(problem, records)
        if (m := r.measurement) and problem.feasible(m)
    ]
    return [record for _, _, record in sorted(feasible)]


def front_of(problem: Problem, records: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the feasible trials that no other dominates, by number; empty when none is feasible."""
    feasible = ranked(problem, records)
    if not feasible:
        return ()
    places = nondominated(problem.signs * np.array([r.values for r in feasible], float))
    return tuple(sorted((feasible[i] for i in places), key=lambda r: r.number))


def _comparable(problem: Problem, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finished records that count; of a problem with a fidelity, those of the largest that has finished."""
    finished = [r for r in records if r.measurement is not None and r.excluded is None]
    if problem.fidelity is None:
        return finished
    most = problem.fidelity.most(r.params for r in finished)
    return [r for r in finished if r.params[problem.fidelity.name] == most]


def nondominated(Y: np.ndarray) -> list[int]:
    """Return the rows of Y (n, m; larger is better) that no other row beats in every column; equal rows all stay."""
    places: list[int] = []
    for i in np.lexsort(-Y.T[::-1]):
        if not places or not np.any(np.all(Y[places] >= Y[i], axis=1) & np.any(Y[places] > Y[i], axis=1)):
            places.append(int(i))
    return places


def best_row(connection: sa.Connection, study_id: int, problem: Problem) -> TrialRecord | None:
    """Return the best feasible trial by the first objective, read by SQL: for lists, without loading the study."""
    if problem.fidelity is not None:
        return next(iter(ranked(problem, _finished(connection, study_id, problem))), None)
    better = _T.c.value.desc() if problem.objectives[0].direction == "maximize" else _T.c.value
    query = sa.select(_T).where(*_COUNTING, _T.c.study_id == study_id).order_by(better, _T.c.number)
    for some in (query.limit(1), query):  # all only where the first one cannot be read
        for row in connection.execute(some):
            if (record := record_from_row(row, problem)).excluded is None:
                return record
    return None


def front_numbers(connection: sa.Connection, study_id: int, problem: Problem) -> list[int]:
    """Return the numbers of the trials on the Pareto front, read by SQL."""
    if problem.fidelity is not None:
        return [r.number for r in front_of(problem, _finished(connection, study_id, problem))]
    query = sa.select(_T.c.number, _T.c.outcome).where(*_COUNTING, _T.c.study_id == study_id)
    values = {row.number: _values(problem, row.outcome) for row in connection.execute(query)}
    numbers = [number for number, numbers_of_trial in values.items() if numbers_of_trial is not None]
    if not numbers:
        return []
    places = nondominated(problem.signs * np.array([values[number] for number in numbers], float))
    return sorted(numbers[i] for i in places)


def _values(problem: Problem, outcome: Any) -> tuple[float, ...] | None:
    """Return the values of a finished trial's row; None where it cannot be read."""
    try:
        ending = ending_from_json("finished", outcome)
        return problem.check(ending).values if isinstance(ending, Measurement) else None
    except UNFIT:
        return None


def _finished(connection: sa.Connection, study_id: int, problem: Problem) -> list[TrialRecord]:
    query = sa.select(_T).where(_T.c.state == "finished", _T.c.study_id == study_id)
    return [record_from_row(row, problem) for row in connection.execute(query)]


def _nothing_yet(problem: Problem, finished: int) -> str:
    if not finished:
        return "no trial has finished yet; ask, evaluate and tell one first."
    limits = ", ".join(c.name for c in problem.constraints)
    return f"none of {finished} finished trials satisfies ({limits}); go on, or relax a limit by a fork."
