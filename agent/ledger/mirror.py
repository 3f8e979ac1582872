"""The mirror: how a study stands in Optuna's tables, so that Optuna and its dashboard read our studies as their own.

It is written and never read: the ledger is the truth, and whatever is changed or deleted there by other means changes
nothing here (decision 0090). Equivalent to ``create_new_trial(template_trial=<RUNNING or finished template>)`` followed by
``set_trial_state_values``, but in the transaction of the caller and many at a time (decision 0030; a test compares the
two). Knows nothing of claims or strategies.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ..contracts import Decision
from . import schema
from .records import Ending, Failure, NewTrial, Pruned, State, state_of

REVISION = "v3.2.0.a"
"""Optuna's revision of its tables (in ``alembic_version``) that is declared here; Optuna creates and migrates them."""

TABLES = sa.MetaData()
_I, _NAME, _JSON, _REAL, _TIME = sa.Integer, sa.String(512), sa.Text, sa.Float(53), sa.DateTime
_FINITE = sa.Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")
_FINITE_OR_NAN = sa.Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype")


def _table(name: str, primary: str, /, **columns: Any) -> sa.Table:
    others = (sa.Column(column, kind) for column, kind in columns.items())
    return sa.Table(name, TABLES, sa.Column(primary, _I, primary_key=True), *others)


def _attributes(of: str) -> sa.Table:
    columns: dict[str, Any] = {f"{of.split('_')[0]}_id": _I, "key": _NAME, "value_json": _JSON}
    return _table(f"{of}_attributes", f"{of}_attribute_id", **columns)


_studies = _table("studies", "study_id", study_name=_NAME)
_directions = _table(
    "study_directions", "study_direction_id", direction=sa.Enum(StudyDirection), study_id=_I, objective=_I
)
_study_system, _study_user = _attributes("study_system"), _attributes("study_user")
_trials = _table(
    "trials", "trial_id", number=_I, study_id=_I, state=sa.Enum(TrialState), datetime_start=_TIME,
    datetime_complete=_TIME,
)  # fmt: skip
_params = _table(
    "trial_params", "param_id", trial_id=_I, param_name=_NAME, param_value=_REAL, distribution_json=_JSON
)
_values = _table("trial_values", "trial_value_id", trial_id=_I, objective=_I, value=_REAL, value_type=_FINITE)
_reports = _table(
    "trial_intermediate_values", "trial_intermediate_value_id", trial_id=_I, step=_I, intermediate_value=_REAL,
    intermediate_value_type=_FINITE_OR_NAN,
)  # fmt: skip
_system, _user = _attributes("trial_system"), _attributes("trial_user")
_heartbeats = _table("trial_heartbeats", "trial_heartbeat_id", trial_id=_I)

_STATES: Mapping[State, TrialState] = {
    "running": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
    "pruned": TrialState.PRUNED,
}


class Mirror:
    """Writes the trials of one problem into Optuna's tables."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._distributions = problem.space.distributions()
        self._json = {name: distribution_to_json(d) for name, d in self._distributions.items()}

    def insert(
        self, connection: sa.Connection, study_id: int, first: int, trials: Sequence[NewTrial]
    ) -> list[int]:
        """Write new trials, running or ended, with numbers from ``first``; return their ids there, in order."""
        rows = [
            {
                "number": number,
                "study_id": study_id,
                "state": _STATES[state_of(trial.ending)],
                "datetime_start": _utc(trial.started_at),
                "datetime_complete": _utc(trial.ended_at),
            }
            for number, trial in enumerate(trials, first)
        ]
        statement = _trials.insert().returning(_trials.c.trial_id, sort_by_parameter_order=True)
        ids = list(connection.scalars(statement, rows))
        pairs = list(zip(ids, trials, strict=True))
        params = [self._param(i, name, value) for i, t in pairs for name, value in t.params.items()]
        _insert(connection, _params, params)
        attrs = [_attr(i, key, value) for i, t in pairs for key, value in _user_attrs(t.decision).items()]
        _insert(connection, _user, attrs)
        self._insert_endings(connection, [(i, t.ending) for i, t in pairs if t.ending])
        return ids

    def end(
        self, connection: sa.Connection, trial_id: int, ending: Ending, ended_at: float, *, was: State
    ) -> None:
        """Write how a trial ended that ``was`` running, or lost. One that was changed there meanwhile is left as it is."""
        table = _trials
        changed = connection.execute(
            table.update()
            .where(table.c.trial_id == trial_id, table.c.state == _STATES[was])
            .values(state=_STATES[state_of(ending)], datetime_complete=_utc(ended_at))
        )
        if changed.rowcount:
            self._insert_endings(connection, [(trial_id, ending)])

    def _param(self, trial_id: int, name: str, value: Any) -> dict[str, Any]:
        internal = self._distributions[name].to_internal_repr(value)
        return {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": internal,
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
        _insert(connection, _values, values)
        _insert(connection, _system, system)
        _insert(connection, _user, user)

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


IS_MIRRORED = sa.exists().where(_studies.c.study_id == schema.studies.c.study_id)
"""Whether the mirror has the study that a query is about."""


def insert_study(connection: sa.Connection, name: str, problem: Problem, study_id: int | None = None) -> int:
    """Write a study with its directions and the names of its objectives; return its id."""
    own_id = {} if study_id is None else {"study_id": study_id}
    insert = _studies.insert().values(study_name=name, **own_id)
    study_id = connection.scalar(insert.returning(_studies.c.study_id))
    directions = [StudyDirection[o.direction.upper()] for o in problem.objectives]
    connection.execute(
        _directions.insert(),
        [{"study_id": study_id, "direction": d, "objective": i} for i, d in enumerate(directions)],
    )
    names = json.dumps([o.name for o in problem.objectives])
    connection.execute(
        _study_system.insert().values(study_id=study_id, key="study:metric_names", value_json=names)
    )
    made_by = {"made_by": "trialogue", "problem": problem.name, "description": problem.description}
    connection.execute(
        _study_user.insert(),
        [{"study_id": study_id, "key": k, "value_json": json.dumps(v)} for k, v in made_by.items()],
    )
    assert study_id is not None
    return study_id


def delete_study(connection: sa.Connection, study_id: int) -> None:
    """Delete a study and its trials from Optuna's tables."""
    ids = sa.select(_trials.c.trial_id).where(_trials.c.study_id == study_id)
    for table in (_params, _values, _reports, _system, _user, _heartbeats):
        connection.execute(table.delete().where(table.c.trial_id.in_(ids)))
    for table in (_trials, _directions, _study_system, _study_user, _studies):
        connection.execute(table.delete().where(table.c.study_id == study_id))


def report(connection: sa.Connection, trial_id: int, values: Mapping[int, float]) -> None:
    """Write or overwrite intermediate values by step; of a trial that was deleted there, nothing."""
    table = _reports
    connection.execute(table.delete().where(table.c.trial_id == trial_id, table.c.step.in_(list(values))))
    if connection.scalar(sa.select(_trials.c.trial_id).where(_trials.c.trial_id == trial_id)) is None:
        return
    rows = [
        {
            "trial_id": trial_id,
            "step": step,
            "intermediate_value": None,
            "intermediate_value_type": _kind(value),
        }
        | ({"intermediate_value": value} if math.isfinite(value) else {})
        for step, value in values.items()
    ]
    connection.execute(table.insert(), rows)


def has_plain_study(connection: sa.Connection, name: str) -> bool:
    """Return whether Optuna has a study of that name: what a name that we lack may be."""
    return connection.scalar(sa.select(_studies.c.study_id).where(_studies.c.study_name == name)) is not None


def newest_study_id(connection: sa.Connection) -> int:
    """Return the largest id of Optuna's studies, 0 without any."""
    return connection.scalar(sa.select(sa.func.max(_studies.c.study_id))) or 0


def _kind(value: float) -> str:
    if math.isnan(value):
        return "NAN"
    if math.isfinite(value):
        return "FINITE"
    return "INF_POS" if value > 0 else "INF_NEG"


def _user_attrs(decision: Decision) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "source": decision.source,
        "verdict": decision.verdict,
        "reason": decision.reason,
    }
    if decision.hypothesis:
        attrs["hypothesis"] = decision.hypothesis
    if decision.prediction is not None:
        attrs["predicted_mean"] = list(decision.prediction.mean)
        attrs["predicted_sd"] = list(decision.prediction.sd)
    if decision.tokens:
        attrs["tokens"] = decision.tokens
    if decision.notes:
        attrs["notes"] = list(decision.notes)
    return attrs


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _attr(trial_id: int, key: str, value: Any) -> dict[str, Any]:
    return {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}


def _value(trial_id: int, objective: int, value: float) -> dict[str, Any]:
    return {"trial_id": trial_id, "objective": objective, "value": value, "value_type": "FINITE"}


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
