"""How a trial stands in Optuna's tables, so that Optuna and its dashboard read our studies as their own.

Equivalent to ``create_new_trial(template_trial=<RUNNING or finished template>)`` followed by
``set_trial_state_values``, but in the transaction of the caller and many at a time (decision 0030; a test compares the
two). Knows nothing of claims or strategies.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ...evaluators.problems.history import Params
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ..ledger import schema
from ..ledger.records import Ending, Failure, Pruned, State

_STATES: Mapping[State, TrialState] = {
    "running": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
    "pruned": TrialState.PRUNED,
}


def state_of(ending: Ending | None) -> State:
    """Return the state of a trial that ended so."""
    match ending:
        case None:
            return "running"
        case Measurement():
            return "finished"
        case Failure():
            return "failed"
        case Pruned():
            return "pruned"


@dataclass(frozen=True, slots=True)
class OptunaTrial:
    """A trial as Optuna shall see it; times in seconds since the epoch."""

    number: int
    params: Params
    started_at: float | None
    ended_at: float | None = None
    ending: Ending | None = None
    user_attrs: Mapping[str, Any] = field(default_factory=dict)


class OptunaRows:
    """Writes the trials of one problem into Optuna's tables."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._distributions = problem.space.distributions()
        self._json = {name: distribution_to_json(d) for name, d in self._distributions.items()}

    def insert(self, connection: sa.Connection, study_id: int, trials: Sequence[OptunaTrial]) -> list[int]:
        """Write new trials, running or ended; return their trial ids, in order."""
        rows = [
            {
                **{"number": t.number, "study_id": study_id, "state": _STATES[state_of(t.ending)]},
                **{"datetime_start": _utc(t.started_at), "datetime_complete": _utc(t.ended_at)},
            }
            for t in trials
        ]
        statement = schema.optuna_trials.insert().returning(
            schema.optuna_trials.c.trial_id, sort_by_parameter_order=True
        )
        ids = list(connection.scalars(statement, rows))
        params = [
            self._param(i, name, v) for i, t in zip(ids, trials, strict=True) for name, v in t.params.items()
        ]
        _insert(connection, schema.optuna_params, params)
        attrs = [_attr(i, k, v) for i, t in zip(ids, trials, strict=True) for k, v in t.user_attrs.items()]
        _insert(connection, schema.optuna_user_attrs, attrs)
        self._insert_endings(
            connection, [(i, t.ending) for i, t in zip(ids, trials, strict=True) if t.ending]
        )
        return ids

    def end(
        self,
        connection: sa.Connection,
        trial_id: int,
        ending: Ending,
        ended_at: float,
        *,
        was: State = "running",
    ) -> bool:
        """Write how a trial ended that ``was`` running, or lost; return False when Optuna knows another state of it."""
        table = schema.optuna_trials
        changed = connection.execute(
            table.update()
            .where(table.c.trial_id == trial_id, table.c.state == _STATES[was])
            .values(state=_STATES[state_of(ending)], datetime_complete=_utc(ended_at))
        )
        if changed.rowcount == 0:
            return False
        self._insert_endings(connection, [(trial_id, ending)])
        return True

    def _param(self, trial_id: int, name: str, value: Any) -> dict[str, Any]:
        internal = self._distributions[name].to_internal_repr(value)
        return {
            **{"trial_id": trial_id, "param_name": name, "param_value": internal},
            "distribution_json": self._json[name],
        }

    def _insert_endings(self, connection: sa.Connection, endings: Sequence[tuple[int, Ending]]) -> None:
        values, system, user = [], [], []
        for trial_id, ending in endings:
            match ending:
                case Measurement():
                    values += [_value(trial_id, i, v) for i, v in enumerate(ending.values)]
                    excess = self._constraints(ending)
                    system += [_attr(trial_id, f"constraints:{n}", g) for n, g in excess.items()]
                    if excess and len(excess) == len(self.problem.constraints):
                        system.append(
                            _attr(trial_id, "constraints", list(excess.values()))
                        )  # the dashboard's form
                    user += [_attr(trial_id, f"metric:{n}", v) for n, v in ending.metrics.items()]
                    if ending.sem is not None:
                        user.append(_attr(trial_id, "sem", list(ending.sem)))
                case Failure():
                    user += [
                        _attr(trial_id, "failure", ending.reason),
                        _attr(trial_id, "failure_kind", ending.kind),
                    ]
                case Pruned():
                    if len(self.problem.objectives) == 1:
                        values.append(_value(trial_id, 0, ending.value))
        _insert(connection, schema.optuna_values, values)
        _insert(connection, schema.optuna_system_attrs, system)
        _insert(connection, schema.optuna_user_attrs, user)

    def _constraints(self, measurement: Measurement) -> dict[str, float]:
        """Return each constraint as Optuna wants it: satisfied iff <= 0. One that was not measured is left out."""
        result = {}
        for constraint in self.problem.constraints:
            value = measurement.constraints.get(constraint.name)
            if value is not None:
                upper = -math.inf if constraint.upper is None else value - constraint.upper
                lower = -math.inf if constraint.lower is None else constraint.lower - value
                result[constraint.name] = max(upper, lower)
        return result


def insert_study(connection: sa.Connection, name: str, problem: Problem, study_id: int | None = None) -> int:
    """Write a study with its directions and the names of its objectives; return its id."""
    given = {} if study_id is None else {"study_id": study_id}
    insert = schema.optuna_studies.insert().values(study_name=name, **given)
    study_id = connection.scalar(insert.returning(schema.optuna_studies.c.study_id))
    directions = [StudyDirection[o.direction.upper()] for o in problem.objectives]
    connection.execute(
        schema.optuna_directions.insert(),
        [{"study_id": study_id, "direction": d, "objective": i} for i, d in enumerate(directions)],
    )
    names = json.dumps([o.name for o in problem.objectives])
    connection.execute(
        schema.optuna_study_system_attrs.insert().values(
            study_id=study_id, key="study:metric_names", value_json=names
        )
    )
    made_by = {"made_by": "trialogue", "problem": problem.name, "description": problem.description}
    connection.execute(
        schema.optuna_study_user_attrs.insert(),
        [{"study_id": study_id, "key": k, "value_json": json.dumps(v)} for k, v in made_by.items()],
    )
    assert study_id is not None
    return study_id


def delete_study(connection: sa.Connection, study_id: int) -> None:
    """Delete a study and its trials from Optuna's tables."""
    ids = sa.select(schema.optuna_trials.c.trial_id).where(schema.optuna_trials.c.study_id == study_id)
    for table in schema.OPTUNA_BY_TRIAL:
        connection.execute(table.delete().where(table.c.trial_id.in_(ids)))
    for table in schema.OPTUNA_BY_STUDY:
        connection.execute(table.delete().where(table.c.study_id == study_id))


def report(connection: sa.Connection, trial_id: int, step: int, value: float) -> None:
    """Write or overwrite the intermediate value of a trial at ``step``."""
    table = schema.optuna_reports
    kind = (
        "NAN"
        if math.isnan(value)
        else "FINITE"
        if math.isfinite(value)
        else "INF_POS"
        if value > 0
        else "INF_NEG"
    )
    row = {"intermediate_value": value if kind == "FINITE" else None, "intermediate_value_type": kind}
    where = (table.c.trial_id == trial_id, table.c.step == step)
    if connection.execute(table.update().where(*where).values(row)).rowcount == 0:
        connection.execute(table.insert().values(trial_id=trial_id, step=step, **row))


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _attr(trial_id: int, key: str, value: Any) -> dict[str, Any]:
    return {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}


def _value(trial_id: int, objective: int, value: float) -> dict[str, Any]:
    return {"trial_id": trial_id, "objective": objective, "value": value, "value_type": "FINITE"}


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
