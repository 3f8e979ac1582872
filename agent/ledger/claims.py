"""Giving out trials: the claim on a configuration, the trial in Optuna's tables and the lease, in one transaction.

A claim is the row of our table of trials with its unique (study, key, replicate). Two processes that decide at the
same time on the same history decide the same: the second finds the first one's claim, which its strategy could not
see, and must decide again. A configuration that its strategy did see is proposed on purpose and becomes a replicate.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from ...evaluators.problems.history import Params
from ...evaluators.problems.problem import Problem
from ..contracts import Decision
from ..optuna.mirror import OptunaRows, OptunaTrial, state_of
from . import schema
from .database import storable
from .leases import Lease
from .records import Ending, decision_to_json, ending_to_json, feasible_of
from .transaction import Change

_T = schema.trials
_SAME_KEY = sa.select(_T.c.key, _T.c.replicate, _T.c.revision, _T.c.excluded).where(
    _T.c.study_id == sa.bindparam("study_id"), _T.c.key.in_(sa.bindparam("keys", expanding=True))
)
_O = schema.optuna_trials
_FOREIGN = sa.select(sa.func.count()).where(
    _O.c.study_id == sa.bindparam("study_id"), _O.c.trial_id > sa.bindparam("last_trial_id")
)
_KEYS_PER_QUERY = 500  # below SQLite's limit on bound parameters of old versions, 999


class Overtaken(Exception):
    """Another process claimed one of these configurations after the history was read; decide again. Internal."""


@dataclass(frozen=True, slots=True)
class NewTrial:
    """A trial to write: running when ``ending`` is None. Times in seconds since the epoch."""

    params: Params
    decision: Decision
    ending: Ending | None = None
    started_at: float | None = None
    ended_at: float | None = None


def digest(problem: Problem, params: Params) -> str:
    """Return the canonical key of a configuration at a length that every database can index."""
    return hashlib.blake2b(problem.space.key(params).encode(), digest_size=16).hexdigest()


def write_trials(
    change: Change,
    problem: Problem,
    optuna_rows: OptunaRows,
    new: Sequence[NewTrial],
    *,
    seen_revision: int | None = None,
) -> list[int]:
    """Write trials with their claims; return their numbers. One revision is taken by each.

    With ``seen_revision``, raises Overtaken when a configuration was claimed after that revision, and the events say what
    the decision had seen.
    """
    keys = [digest(problem, t.params) for t in new]
    replicates = _replicates(change, keys, seen_revision)
    counters = change.counters
    first = counters["next_number"] + change.connection.scalar(
        _FOREIGN, {"study_id": change.study_id, "last_trial_id": counters["last_trial_id"]}
    )
    rows = [
        OptunaTrial(first + i, t.params, t.started_at, t.ended_at, t.ending, _user_attrs(t.decision))
        for i, t in enumerate(new)
    ]
    ids = optuna_rows.insert(change.connection, change.study_id, rows)
    counters["next_number"], counters["last_trial_id"] = first + len(new), ids[-1]
    seen = {} if seen_revision is None else {"seen": seen_revision}
    own = []
    for row, trial, trial_id, key, replicate in zip(rows, new, ids, keys, replicates, strict=True):
        why = {"source": trial.decision.source, "verdict": trial.decision.verdict, **seen}
        revision = change.event(_event_of(trial), row.number, **why)
        if trial.decision.verdict == "fallback":
            revision = change.event("fallback", row.number, reason=trial.decision.reason)
        own.append(
            {
                **_own_row(change.study_id, row, trial, trial_id, key, replicate, revision),
                "feasible": feasible_of(problem, trial.ending),
            }
        )
    change.connection.execute(_T.insert(), own)
    return [row.number for row in rows]


def adopt_trial(change: Change, problem: Problem, number: int, trial_id: int, trial: NewTrial) -> None:
    """Write our row of an ended trial that stands in Optuna's tables already."""
    key = digest(problem, trial.params)
    (replicate,) = _replicates(change, [key], None)
    row = OptunaTrial(number, trial.params, trial.started_at, trial.ended_at, trial.ending)
    revision = change.event("added", number, source=trial.decision.source, verdict=trial.decision.verdict)
    own = _own_row(change.study_id, row, trial, trial_id, key, replicate, revision)
    change.connection.execute(_T.insert().values(**own, feasible=feasible_of(problem, trial.ending)))


def grant(change: Change, numbers: Sequence[int], lease: Lease) -> None:
    """Give the lease on running trials to their holder."""
    held = asdict(lease) | {"worker": storable(lease.worker)}
    rows = [{"study_id": change.study_id, "number": number, **held} for number in numbers]
    change.connection.execute(schema.leases.insert(), rows)


def _replicates(change: Change, keys: Sequence[str], seen_revision: int | None) -> list[int]:
    found: dict[str, int] = {}
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        part = {"study_id": change.study_id, "keys": list(keys[start : start + _KEYS_PER_QUERY])}
        for row in change.connection.execute(_SAME_KEY, part):
            if seen_revision is not None and row.revision > seen_revision and row.excluded is None:
                raise Overtaken
            found[row.key] = max(found.get(row.key, 0), row.replicate + 1)
    result = []
    for key in keys:
        result.append(found.get(key, 0))
        found[key] = result[-1] + 1
    return result


def _event_of(trial: NewTrial) -> Any:
    return "asked" if trial.ending is None else "added"


def _own_row(
    study_id: int, row: OptunaTrial, trial: NewTrial, trial_id: int, key: str, replicate: int, revision: int
) -> Mapping[str, Any]:
    ending = ending_to_json(trial.ending)
    return {
        **{
            "study_id": study_id,
            "number": row.number,
            "trial_id": trial_id,
            "key": key,
            "replicate": replicate,
        },
        **{"revision": revision, "state": state_of(trial.ending), "params": json.dumps(dict(trial.params))},
        **{"source": storable(trial.decision.source), "verdict": trial.decision.verdict},
        **{"decision": decision_to_json(trial.decision), "value": getattr(trial.ending, "value", None)},
        **{"outcome": None if ending is None else json.dumps(ending), "excluded": None},
        **{"started_at": trial.started_at, "ended_at": trial.ended_at},
    }


def _user_attrs(decision: Decision) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "source": decision.source,
        "verdict": decision.verdict,
        "reason": decision.reason,
    }
    if decision.hypothesis:
        attrs["hypothesis"] = decision.hypothesis
    if decision.prediction is not None:
        attrs["predicted_mean"], attrs["predicted_sd"] = (
            list(decision.prediction.mean),
            list(decision.prediction.sd),
        )
    if decision.tokens:
        attrs["tokens"] = decision.tokens
    if decision.notes:
        attrs["notes"] = list(decision.notes)
    return attrs
