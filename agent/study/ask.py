"""The way of one ask: bring the history up to date, take what is queued, let the strategy decide, claim; again
when overtaken."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ...evaluators.problems.history import Params, Value
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.base import checked_mapping, shown, storable, whole_number
from ...serving.errors import InvalidInput
from ..budget import Budget
from ..contracts import Ask, CallRecord, Decision, Plan
from ..errors import BudgetExhausted, DailyBudgetSpent, LedgerUnavailable
from ..ledger import idempotency, schema
from ..ledger.allowance import Allowance
from ..ledger.claims import Overtaken, grant, write_trials
from ..ledger.leases import Lease, own_lease
from ..ledger.records import NewTrial, TrialRecord
from ..ledger.schema import UNFIT, stored_json
from ..ledger.tell import fail_lost, lost_trials, renew_leases
from ..ledger.transaction import Change
from .open_study import OpenStudy, Snapshot

_Q = schema.queue

_ATTEMPTS = 200
"""Each failed attempt means that another process got a trial; with 200 in a row something else is wrong."""

MOST_AT_ONCE = 100_000
"""Trials of one ask."""

MAX_TRIES = 3
"""How often a configuration is given out in all when its workers die."""


@dataclass(frozen=True, slots=True)
class AskRequest:
    """Up to ``n`` trials, decided by ``plan``, with these parameters fixed, for this holder.

    ``receipt``: the key of the request, if any. ``allowance``: what the caller may use today. ``knowledge``: facts from
    elsewhere for planners that read text. ``standing``: what stands while only some parameters are searched; unlike
    ``fixed`` it lets queued configurations pass.
    """

    n: int
    plan: Callable[[Ask], Plan]
    budget: Budget
    fixed: Mapping[str, Value] | None = None
    lease: Lease | None = None
    receipt: str | None = None
    allowance: Allowance | None = None
    knowledge: tuple[str, ...] = ()
    standing: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class _Choice:
    """What to give out: ``plan``, made at ``seen_revision``, or up to ``n`` of what is queued where it is None."""

    n: int
    plan: Plan | None
    seen_revision: int


def ask(study: OpenStudy, request: AskRequest) -> list[TrialRecord]:
    """Return the next trials, running and claimed. Raises BudgetExhausted, DailyBudgetSpent,
    SpaceExhausted, InvalidParameters.

    A request whose receipt is there gets the trials that it got before.
    """
    problem = study.stored.problem
    request = replace(request, fixed=check_fixed(problem, request.fixed), lease=request.lease or own_lease())
    before = _done_before(study, request.receipt, request.lease) if request.receipt is not None else []
    if before:
        return before
    if request.allowance is not None:  # before anybody thinks; what counts is the claim's transaction
        with study.ledger.database.read() as connection:
            request.allowance.check(connection, asks=request.n)
    try:
        return _claimed(study, request)
    except idempotency.AlreadyDone as done:  # the same request, sent twice, was quicker
        return study.named(done.data["numbers"])


def _claimed(study: OpenStudy, request: AskRequest) -> list[TrialRecord]:
    records: list[TrialRecord] = []
    for _ in range(_ATTEMPTS):
        if len(records) == request.n:
            return records
        now = study.refresh()
        n = _allowed(request.budget, now, request.n - len(records), begun=bool(records))
        if n == 0:
            return records
        queued = now.heads.queued and not request.fixed
        plan = None if queued else request.plan(_question(request, now, n))
        try:
            records += _claim(study, request, _Choice(n, plan, now.revision), records)
        except (Overtaken, DailyBudgetSpent) as refused:
            if plan is not None and plan.calls:  # spent all the same
                with study.change() as current:
                    charge(current, plan.calls, request.allowance)
            if isinstance(refused, DailyBudgetSpent):
                if records:
                    return records
                raise
    raise LedgerUnavailable(
        f"{_ATTEMPTS} decisions in a row were overtaken by other processes on study {study.stored.name!r}; ask again "
        "with fewer workers."
    )


def charge(
    current: Change, calls: Iterable[CallRecord], allowance: Allowance | None, *, asks: int = 0
) -> None:
    """Record model calls for the study, and for the day of whoever asked. Raises DailyBudgetSpent for ``asks``."""
    calls = list(calls)
    current.charge(calls)
    tokens = sum(call.prompt_tokens + call.completion_tokens for call in calls)
    if allowance is not None and (asks or tokens):
        allowance.take(current.connection, asks=asks, tokens=tokens)


def _question(request: AskRequest, now: Snapshot, n: int) -> Ask:
    """Return what the strategy is asked after a look at the ledger."""
    history, heads = now.history, now.heads
    limits, knowledge = request.budget, request.knowledge
    fixed = dict(request.standing or {}) | dict(request.fixed or {}) or None
    return Ask(history, heads.asked, n, fixed, heads.spent, now.past, limits=limits, knowledge=knowledge)


def _done_before(study: OpenStudy, key: str, lease: Lease | None) -> list[TrialRecord]:
    """Return the trials that the request with this key was given, held anew; none when all were lost meanwhile."""
    database = study.ledger.database
    receipt = idempotency.receipt_of(database, key)
    if receipt is None:
        return []
    records = study.named(receipt["numbers"])
    if all(record.failure is not None and record.failure.kind == "lost" for record in records):
        idempotency.forget(database, key)
        return []
    if lease is not None and lease.pid is None:
        lasts_s = max(0.0, lease.expires_at - time.time())
        renew_leases(database, study.stored.study_id, receipt["numbers"], lasts_s)
    return records


def checked_n(n: object) -> int:
    """Return how many trials are asked for; raises InvalidInput."""
    whole = whole_number(n)
    if whole is None or not 1 <= whole <= MOST_AT_ONCE:
        raise InvalidInput(f"`n` must be a whole number in [1, {MOST_AT_ONCE}], got {shown(n)}.")
    return whole


def check_fixed(problem: Problem, fixed: Mapping[str, Value] | None) -> dict[str, Value] | None:
    """Return the fixed parameters with canonical values; raises InvalidParameters."""
    if fixed is None:
        return None
    return {name: problem.space[name].coerce(value) for name, value in checked_mapping(fixed).items()} or None


def enqueue(current: Change, params: Params, source: str, reason: str) -> None:
    """Put valid parameters at the end of the queue."""
    counters = current.counters
    counters["queue_end"] += 1
    counters["queued"] += 1
    row = {
        "study_id": current.study_id,
        "position": counters["queue_end"],
        "params": json.dumps(dict(params)),
    }
    current.connection.execute(_Q.insert().values(**row, source=storable(source), reason=storable(reason)))
    current.event("enqueued", params=dict(params), source=source, reason=reason)


def enqueue_again(current: Change, lost: Sequence[tuple[TrialRecord, str]]) -> None:
    """Put what was lost at the end of the queue, unless it was lost so often that it may be what kills the workers."""
    for record, why in lost:
        if record.replicate < MAX_TRIES - 1:
            reason = f"again, because trial {record.number} was lost: {why}"
            enqueue(current, record.params, record.source, reason)


def reap(study: OpenStudy, *, requeue: bool) -> list[int]:
    """Fail the running trials whose worker is dead as "lost", and queue them again; return their numbers."""
    with (
        study.ledger.database.read() as connection
    ):  # mostly there is nothing, and then nobody is kept waiting
        if not lost_trials(connection, study.stored.study_id, time.time()):
            return []
    with study.change() as current:
        lost = fail_lost(current, study.mirror)
        if requeue:
            enqueue_again(current, lost)
    return [record.number for record, _ in lost]


def _allowed(budget: Budget, now: Snapshot, n: int, *, begun: bool) -> int:
    over = budget.exhausted_by(trials=now.trials_used, seconds=now.seconds_used)
    if over is not None and begun:
        return 0
    if over is not None:
        raise BudgetExhausted(f"{over}; resume the study with a larger `budget=` to go on.")
    return n if budget.trials is None else min(n, budget.trials - now.trials_used)


def _claim(
    study: OpenStudy, request: AskRequest, choice: _Choice, before: Sequence[TrialRecord]
) -> list[TrialRecord]:
    """Write the chosen trials, their leases, what they cost and the receipt of all trials of the request, ``before``
    included. Raises Overtaken, DailyBudgetSpent, AlreadyDone; none is written then."""
    plan = choice.plan
    with study.change() as current:
        decisions = _pop(current, study.stored.problem, choice.n) if plan is None else plan.decisions
        calls = () if plan is None else plan.calls
        if not decisions:  # another process took what was queued
            charge(current, calls, request.allowance)
            return []
        new = [NewTrial(decision.params, decision, started_at=current.now) for decision in decisions]
        revision = None if plan is None else choice.seen_revision
        records = write_trials(current, study.mirror, new, seen_revision=revision)
        current.counters["asked"] += 0 if plan is None else len(records)
        if request.lease is not None:
            grant(current, [record.number for record in records], request.lease)
        charge(current, calls, request.allowance, asks=len(records))
        if request.receipt is not None:
            numbers = [record.number for record in (*before, *records)]
            idempotency.leave(current, request.receipt, again=bool(before), numbers=numbers)
    return records


def _pop(current: Change, problem: Problem, n: int) -> list[Decision]:
    query = sa.select(_Q).where(_Q.c.study_id == current.study_id).order_by(_Q.c.position).limit(n)
    rows = current.connection.execute(query).all()
    last = max((row.position for row in rows), default=0)
    current.connection.execute(_Q.delete().where(_Q.c.study_id == current.study_id, _Q.c.position <= last))
    left = current.counters["queued"] - len(rows)
    current.counters["queued"] = (
        max(left, 0) if len(rows) == n else 0
    )  # what is counted beyond the rows is not there
    return [decision for row in rows if (decision := _queued(problem, row)) is not None]


def _queued(problem: Problem, row: Any) -> Decision | None:  # Any: a SQLAlchemy row of `trialogue_queue`
    """Return a queued configuration; None where its row cannot be read: it is dropped, and the study goes on."""
    try:
        return Decision(
            problem.space.validate(stored_json(row.params)),
            storable(row.source),
            storable(row.reason),
            "unchecked",
        )
    except UNFIT:
        return None
