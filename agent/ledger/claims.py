"""Giving out trials: the claim on a configuration, the trial, its mirror in Optuna's tables and the lease, in one
transaction.

A claim is the row of our table of trials with its unique (study, key, replicate). Two processes that decide at the
same time on the same history decide the same: the second finds the first one's claim, which its strategy could not
see, and must decide again. A configuration that its strategy did see is proposed on purpose and becomes a replicate.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import count
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from ...evaluators.problems.history import Params
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.base import storable
from . import schema
from .leases import Lease
from .mirror import Mirror
from .records import (
    NewTrial,
    TrialRecord,
    decision_to_json,
    ending_to_json,
    feasible_of,
    record_from_row,
    state_of,
)
from .transaction import Change

_T = schema.trials
_SAME_KEY = sa.select(_T.c.key, _T.c.replicate, _T.c.revision, _T.c.excluded).where(
    _T.c.study_id == sa.bindparam("study_id"), _T.c.key.in_(sa.bindparam("keys", expanding=True))
)
_KEYS_PER_QUERY = 500  # below SQLite's limit on bound parameters of old versions, 999


class Overtaken(Exception):
    """Another process claimed one of these configurations after the history was read; decide again. Internal."""


def digest(problem: Problem, params: Params) -> str:
    """Return the canonical key of a configuration at a length that every database can index."""
    return hashlib.blake2b(problem.space.key(params).encode(), digest_size=16).hexdigest()


def write_trials(
    change: Change, mirror: Mirror, new: Sequence[NewTrial], *, seen_revision: int | None = None
) -> list[TrialRecord]:
    """Write trials with their claims; return their records. One revision is taken by each.

    With ``seen_revision``, raises Overtaken when a configuration was claimed after that revision, and the events say what
    the decision had seen.
    """
    problem = mirror.problem
    keys = [digest(problem, trial.params) for trial in new]
    replicates = _replicates(change, keys, seen_revision)
    first = change.counters["next_number"]
    change.counters["next_number"] += len(new)
    ids = mirror.insert(change.connection, change.study_id, first, new) if change.mirrored else [0] * len(new)
    basis = {} if seen_revision is None else {"seen": seen_revision}
    rows = []
    for number, trial, key, replicate, trial_id in zip(
        count(first), new, keys, replicates, ids, strict=False
    ):
        claim = {"number": number, "trial_id": trial_id, "key": key, "replicate": replicate}
        claim |= {"study_id": change.study_id, "revision": _announce(change, number, trial, basis)}
        rows.append(claim | _content(problem, trial))
    change.connection.execute(_T.insert(), rows)
    records = [record_from_row(SimpleNamespace(**row), None) for row in rows]
    change.records += records
    return records


def _announce(change: Change, number: int, trial: NewTrial, seen: Mapping[str, int]) -> int:
    """Leave the events of a new trial; return the last one's revision."""
    decision = trial.decision
    kind = "asked" if trial.ending is None else "added"
    revision = change.event(kind, number, source=decision.source, verdict=decision.verdict, **seen)
    if decision.verdict == "fallback":
        revision = change.event("fallback", number, reason=decision.reason)
    return revision


def _content(problem: Problem, trial: NewTrial) -> dict[str, Any]:
    """Return the columns of our table of trials that do not depend on what else is in it."""
    ending = ending_to_json(trial.ending)
    return {
        "state": state_of(trial.ending),
        "params": json.dumps(dict(trial.params)),
        "source": storable(trial.decision.source),
        "verdict": trial.decision.verdict,
        "decision": decision_to_json(trial.decision),
        "value": getattr(trial.ending, "value", None),
        "feasible": feasible_of(problem, trial.ending),
        "outcome": None if ending is None else json.dumps(ending),
        "excluded": None,
        "note": trial.note or None,
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
    }


def grant(change: Change, numbers: Sequence[int], lease: Lease) -> None:
    """Give the lease on running trials to their holder."""
    fields = asdict(lease) | {"worker": storable(lease.worker)}
    rows = [{"study_id": change.study_id, "number": number, **fields} for number in numbers]
    change.connection.execute(schema.leases.insert(), rows)


def _replicates(change: Change, keys: Sequence[str], seen_revision: int | None) -> list[int]:
    counts: dict[str, int] = {}
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        part = {"study_id": change.study_id, "keys": list(keys[start : start + _KEYS_PER_QUERY])}
        for row in change.connection.execute(_SAME_KEY, part):
            if seen_revision is not None and row.revision > seen_revision and row.excluded is None:
                raise Overtaken
            counts[row.key] = max(counts.get(row.key, 0), row.replicate + 1)
    result = []
    for key in keys:
        result.append(counts.get(key, 0))
        counts[key] = result[-1] + 1
    return result
