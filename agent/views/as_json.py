"""Studies and trials as JSON values: what chat, REST, MCP and page show. One shape for all doors.

Lists and headlines are counted by SQL (``overview.py``), so that a study of 100,000 trials opens as fast as a small one.
Knows no door and no wording.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ...evaluators.errors import InvalidParameters
from ...evaluators.problems.problem import Problem
from ..certainty.held_out import held_out_scores
from ..certainty.of_study import certainty_of, is_verification, outcome
from ..certainty.pairing import PREFIX
from ..errors import StudyNotFound, StudyUnreadable
from ..ledger import schema
from ..ledger.claims import digest as key_digest
from ..ledger.ledger import Ledger, StoredStudy
from ..ledger.records import TrialRecord, ending_to_json, prediction_to_json, record_from_row
from .overview import Counts, Overview, Unreadable, overviews

_T = schema.trials
FRONT_SHOWN = 1_000
"""Numbers of trials on the Pareto front that a view lists."""


def study_view(ledger: Ledger, stored: StoredStudy) -> dict[str, Any]:
    """Return everything about a study but its trials. Raises StudyNotFound when it was deleted meanwhile."""
    for overview in overviews(ledger, names=[stored.name]):
        if isinstance(overview, Unreadable):
            raise StudyUnreadable.of(overview.name, overview.reason, overview.study_id)
        return _whole(ledger, overview)
    raise StudyNotFound(f"no study {stored.name!r} in the ledger; it was deleted meanwhile.")


def _whole(ledger: Ledger, overview: Overview) -> dict[str, Any]:
    stored = overview.stored
    problem = stored.problem
    space = problem.space.to_dict()
    baseline = baseline_record(ledger, stored)
    certain = certainty_of(ledger, stored)
    return {
        **study_line(overview),
        "parameters": [{"name": name, **definition} for name, definition in space["parameters"].items()],
        "where": list(space.get("where", ())),
        "context": dict(problem.context),
        "seed": stored.seed,
        "protocol": stored.config.get("protocol") or {},
        "forked_from": (stored.lineage or {}).get("parent"),
        "lineage": stored.lineage,
        "verdicts": dict(overview.counts.verdicts),
        "baseline": None if baseline is None else trial_line(baseline),
        "problem": problem.to_dict(),
        "front": overview.front[:FRONT_SHOWN],
        "certainty": None if certain is None else certain.to_dict(),
        "tests": [score.to_dict() for score in held_out_scores(ledger, stored)],
        "verification": outcome(ledger, stored).to_dict() if is_verification(stored) else None,
    }


def study_line(overview: Overview | Unreadable) -> dict[str, Any]:
    """Return a study as it stands in a list. ``best`` is null for several objectives: there is a front then.
    ``unreadable`` says why a study cannot be read, and is null for all others."""
    if isinstance(overview, Unreadable):
        return _unreadable_line(overview)
    stored, heads, counts = overview.stored, overview.heads, overview.counts
    states = _by_state(counts)
    plain = stored.problem.to_dict()
    return {
        "name": stored.name,
        "state": overview.state,
        "unreadable": None,
        "note": stored.note,
        "description": stored.problem.description,
        "objectives": plain["objectives"],
        "constraints": plain["constraints"],
        "n_parameters": len(stored.problem.space),
        "counts": {**states, "waiting": heads.queued, "excluded": counts.excluded},
        "sources": dict(counts.sources),
        "best": None if overview.best is None else trial_line(overview.best),
        "front_size": len(overview.front) if len(stored.problem.objectives) > 1 else None,
        "budget": stored.config.get("budget") or {},
        "spent": {"calls": heads.spent.calls, "tokens": heads.spent.tokens, "price": heads.spent.price},
        "planner": stored.config.get("planner"),
        "strategy": PREFIX.rstrip(":") if is_verification(stored) else stored.config.get("strategy"),
        "created_at": stored.created_at,
        "updated_at": overview.updated_at,
        "revision": heads.revision,
    }


def _unreadable_line(overview: Unreadable) -> dict[str, Any]:
    counts = overview.counts
    return {
        "name": overview.name,
        "state": "unreadable",
        "unreadable": overview.reason,
        "note": "",
        "description": "",
        "objectives": [],
        "constraints": [],
        "n_parameters": 0,
        "counts": {**_by_state(counts), "waiting": 0, "excluded": counts.excluded},
        "sources": dict(counts.sources),
        "best": None,
        "front_size": None,
        "budget": {},
        "spent": {"calls": 0, "tokens": 0, "price": 0.0},
        "planner": None,
        "strategy": None,
        "created_at": overview.created_at,
        "updated_at": overview.updated_at,
        "revision": 0,
    }


def _by_state(counts: Counts) -> dict[str, int]:
    return {name: counts.states.get(name, 0) for name in ("finished", "failed", "pruned", "running")}


def study_lines(
    ledger: Ledger,
    *,
    limit: int = 60,
    before: int | None = None,
    contains: str = "",
    names: Sequence[str] | None = None,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return studies, newest first, and where the next page begins (None: this is the last).

    ``names``: only these, for callers who may not see all.
    """
    page = overviews(ledger, limit=limit + 1, before=before, contains=contains, names=names)
    shown = page[:limit]
    return [study_line(one) for one in shown], (shown[-1].study_id if len(page) > limit else None)


def trial_line(record: TrialRecord) -> dict[str, Any]:
    """Return the short form of a trial."""
    return {
        "number": record.number,
        "params": dict(record.params),
        "values": record.values and list(record.values),
    }


def trial_view(problem: Problem, record: TrialRecord) -> dict[str, Any]:
    """Return everything about a trial."""
    measured = record.measurement
    failure = record.failure
    return {
        **trial_line(record),
        "state": record.state,
        "source": record.source,
        "verdict": record.verdict,
        "reason": record.reason,
        "hypothesis": record.hypothesis,
        "prediction": prediction_to_json(record.prediction),
        "tokens": record.tokens,
        "note": record.note,
        "notes": list(record.notes),
        "verdicts": [_proposal(p) for p in record.proposals],
        "sem": list(measured.sem) if measured and measured.sem else None,
        "constraints": dict(measured.constraints) if measured else {},
        "metrics": dict(measured.metrics) if measured else {},
        "cost": measured.cost if measured else None,
        "seconds": (measured.seconds if measured else None) or record.seconds or None,
        "feasible": problem.feasible(measured) if measured else None,
        "failure": None if failure is None else {"kind": failure.kind, "reason": failure.reason},
        "pruned": ending_to_json(record.ending) if record.state == "pruned" else None,
        "excluded": record.excluded,
        "replicate": record.replicate,
        "asked_at": record.started_at,
        "ended_at": record.ended_at,
    }


def _proposal(proposal: Mapping[str, Any]) -> dict[str, Any]:
    return {**proposal, "reason": proposal.get("answer", "")}


def baseline_record(ledger: Ledger, stored: StoredStudy) -> TrialRecord | None:
    """Return the finished trial of the default configuration, or None: what the best is compared with."""
    try:
        key = key_digest(stored.problem, stored.problem.space.validate(stored.problem.space.default()))
    except InvalidParameters:
        return None
    query = (
        sa.select(_T)
        .where(
            _T.c.study_id == stored.study_id,
            _T.c.key == key,
            _T.c.state == "finished",
            _T.c.excluded.is_(None),
        )
        .order_by(_T.c.number)
        .limit(1)
    )
    with ledger.database.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else record_from_row(row, stored.problem)
