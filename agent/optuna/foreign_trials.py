"""Trials that plain Optuna made or ended in a study of ours: taken into the ledger when they have ended.

Whoever opens the database with Optuna alone (a worker behind Optuna's gRPC proxy, the dashboard, a script) writes into
Optuna's tables only. Its trials keep their numbers; they become trials of ours, as added results, once they have
ended, because only then their parameters are complete. A trial of ours that was told through Optuna is ended here too.
What does not fit the study's space is left out, and an event says why. Such trials have no claim and no lease: nobody
notices here when a plain Optuna worker dies, and two of them may try the same configuration. Decision 0035.
"""

import json
import logging
import math
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import json_to_distribution
from optuna.trial import TrialState

from ...evaluators.errors import InvalidMeasurement, InvalidParameters
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ..contracts import Decision
from ..errors import LedgerUnavailable
from ..ledger import schema
from ..ledger.claims import NewTrial, adopt_trial
from ..ledger.database import Database, storable
from ..ledger.ledger import StoredStudy
from ..ledger.records import Ending, Failure, Pruned, record_from_row
from ..ledger.tell import close_trial
from ..ledger.transaction import Change, change

_log = logging.getLogger(__name__)
_O, _F, _T = schema.optuna_trials, schema.foreign, schema.trials
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_NEW = (
    sa.select(_O.c.trial_id)
    .where(_O.c.study_id == sa.bindparam("study_id"), _O.c.trial_id > sa.bindparam("last_trial_id"))
    .order_by(_O.c.trial_id)
)
_THEIRS = (
    sa.select(_O)
    .join(_F, sa.and_(_F.c.study_id == _O.c.study_id, _F.c.trial_id == _O.c.trial_id))
    .where(_F.c.study_id == sa.bindparam("study_id"), _O.c.state.in_(_ENDED))
    .order_by(_O.c.trial_id)
)
_OURS = (
    sa.select(_T, _O.c.state.label("optuna_state"), _O.c.datetime_complete)
    .join(_O, _O.c.trial_id == _T.c.trial_id)
    .where(_T.c.study_id == sa.bindparam("study_id"), _T.c.state == "running", _O.c.state.in_(_ENDED))
)


def adopt(database: Database, stored: StoredStudy) -> int:
    """Take in what plain Optuna made or ended since the last time; return how many trials that changed."""
    with change(database, stored.study_id) as current:
        new = list(
            current.connection.scalars(
                _NEW, {"study_id": current.study_id, "last_trial_id": current.counters["last_trial_id"]}
            )
        )
        if new:  # numbers that Optuna has given out already
            current.counters["next_number"] += len(new)
            current.counters["last_trial_id"] = new[-1]
            rows = [{"study_id": current.study_id, "trial_id": trial_id} for trial_id in new]
            current.connection.execute(_F.insert(), rows)
        theirs = current.connection.execute(_THEIRS, {"study_id": current.study_id}).all()
        for row in theirs:
            _take_in(current, stored.problem, row)
        ours = current.connection.execute(_OURS, {"study_id": current.study_id}).all()
        for row in ours:
            _end(current, stored.problem, row)
    return len(theirs) + len(ours)


def adopt_if_writable(database: Database, stored: StoredStudy) -> None:
    """Take in what there is, unless the database can only be read: then it stays where it is."""
    try:
        adopt(database, stored)
    except LedgerUnavailable as error:
        _log.warning("trials of plain Optuna are not taken in: %s", error)


def _take_in(current: Change, problem: Problem, row: Any) -> None:
    user = _attrs(current, schema.optuna_user_attrs, row.trial_id)
    try:
        params = problem.space.validate(_params(current, row.trial_id))
        ending = _ending(current, problem, row.trial_id, row.state, user)
    except (InvalidParameters, InvalidMeasurement) as error:
        current.event(
            "note", row.number, text=f"trial {row.number}, made by plain Optuna, was left out: {error}"
        )
    else:
        source = storable(str(user.get("source", "optuna")))[:200]
        reason = storable(str(user.get("reason", "made by plain Optuna")))
        trial = NewTrial(
            params, Decision(params, source, reason, "added"), ending, _seconds(row.datetime_start),
            _seconds(row.datetime_complete),
        )  # fmt: skip
        adopt_trial(current, problem, row.number, row.trial_id, trial)
    current.connection.execute(
        _F.delete().where(_F.c.study_id == current.study_id, _F.c.trial_id == row.trial_id)
    )


def _end(current: Change, problem: Problem, row: Any) -> None:
    """End a trial of ours that was told through Optuna; one whose result cannot be read is failed with the reason."""
    user = _attrs(current, schema.optuna_user_attrs, row.trial_id)
    try:
        ending = _ending(current, problem, row.trial_id, row.optuna_state, user)
    except InvalidMeasurement as error:
        ending = Failure("invalid", f"told through Optuna: {error}")
    close_trial(current, problem, record_from_row(row).number, ending)


def _params(current: Change, trial_id: int) -> dict[str, Any]:
    table = schema.optuna_params
    rows = current.connection.execute(sa.select(table).where(table.c.trial_id == trial_id))
    return {
        row.param_name: json_to_distribution(row.distribution_json).to_external_repr(row.param_value)
        for row in rows
    }


def _ending(
    current: Change, problem: Problem, trial_id: int, state: TrialState, user: dict[str, Any]
) -> Ending:
    """Return how a trial ended for Optuna. Raises InvalidMeasurement."""
    if state == TrialState.FAIL:
        return Failure(
            "crash", storable(str(user.get("failure") or user.get("fail_reason") or "failed in Optuna"))
        )
    if state == TrialState.PRUNED:
        return _pruned(current, trial_id)
    table = schema.optuna_values
    query = sa.select(table).where(table.c.trial_id == trial_id).order_by(table.c.objective)
    values = [
        row.value if row.value_type == "FINITE" else math.inf for row in current.connection.execute(query)
    ]
    return problem.check(Measurement(values, constraints=_constraints(current, problem, trial_id, user)))


def _pruned(current: Change, trial_id: int) -> Ending:
    table = schema.optuna_reports
    last = current.connection.execute(
        sa.select(table.c.step, table.c.intermediate_value)
        .where(table.c.trial_id == trial_id, table.c.intermediate_value.is_not(None))
        .order_by(table.c.step.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return Failure("invalid", "pruned in Optuna without a finite reported value")
    return Pruned(last.step, last.intermediate_value)


def _constraints(current: Change, problem: Problem, trial_id: int, user: dict[str, Any]) -> dict[str, float]:
    """Return measured constraints: user attributes of their names, else Optuna's differences to a single limit."""
    system = _attrs(current, schema.optuna_system_attrs, trial_id) if problem.constraints else {}
    found = {}
    for limit in problem.constraints:
        excess = system.get(f"constraints:{limit.name}")
        if isinstance(user.get(limit.name), int | float):
            found[limit.name] = float(user[limit.name])
        elif excess is not None and limit.lower is None and limit.upper is not None:
            found[limit.name] = limit.upper + excess
        elif excess is not None and limit.upper is None and limit.lower is not None:
            found[limit.name] = limit.lower - excess
    return found


def _attrs(current: Change, table: sa.Table, trial_id: int) -> dict[str, Any]:
    rows = current.connection.execute(sa.select(table).where(table.c.trial_id == trial_id))
    return {row.key: json.loads(row.value_json) for row in rows}


def _seconds(moment: datetime | None) -> float | None:
    """Return seconds since the epoch: Optuna writes the local time of its machine."""
    return None if moment is None else moment.timestamp()
