"""The way of one ask: bring the history up to date, take what is queued, let the strategy decide, claim; again
when overtaken."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ...evaluators.problems.history import Params, Value
from ...evaluators.problems.problem import Problem
from ..budget import Budget
from ..contracts import Ask, CallRecord, Decision, Plan
from ..errors import BudgetExhausted, DailyBudgetSpent, LedgerUnavailable
from ..ledger import idempotency, schema
from ..ledger.allowance import Allowance
from ..ledger.claims import NewTrial, Overtaken, grant, write_trials
from ..ledger.database import Database, storable
from ..ledger.leases import Lease, own_lease
from ..ledger.ledger import StoredStudy
from ..ledger.records import TrialRecord
from ..ledger.tell import fail_lost, lost_trials, renew_leases
from ..ledger.transaction import Change, change
from ..optuna.foreign_trials import adopt
from ..optuna.mirror import OptunaRows
from .snapshot import Memory, Snapshot

_Q = schema.queue

_ATTEMPTS = 200
"""Each failed attempt means that another process got a trial; with 200 in a row something else is wrong."""

MAX_TRIES = 3
"""How often a configuration is given out in all when its workers die."""


@dataclass(frozen=True, slots=True)
class Request:
    """Up to ``n`` trials, decided by ``plan``, with these parameters fixed, for this holder.

    ``receipt``: the key of the request, if any. ``allowance``: what the caller may use today. ``knowledge``: facts from
    elsewhere for planners that read text.
    """

    n: int
    plan: Callable[[Ask], Plan]
    budget: Budget
    fixed: Mapping[str, Value] | None = None
    lease: Lease | None = None
    receipt: str | None = None
    allowance: Allowance | None = None
    knowledge: tuple[str, ...] = ()


def ask(
    database: Database,
    stored: StoredStudy,
    memory: Memory,
    optuna_rows: OptunaRows,
    request: Request,
) -> list[TrialRecord]:
    """Return the next trials, running and claimed. Raises BudgetExhausted, DailyBudgetSpent,
    SpaceExhausted, InvalidParameters.

    A request whose receipt is there gets the trials that it got before.
    """
    fixed = check_fixed(stored.problem, request.fixed)
    lease = request.lease or own_lease()
    done = _done_before(database, stored, memory, request.receipt, lease)
    if done:
        return done
    if request.allowance is not None:  # before anybody thinks; what counts is the claim's transaction
        with database.read() as connection:
            request.allowance.check(connection, asks=request.n)
    try:
        numbers = _claimed(database, stored, memory, optuna_rows, request, fixed, lease)
    except idempotency.AlreadyDone as before:  # the same request, sent twice, was quicker
        numbers = list(before.data["numbers"])
        memory.refresh()
    return [record for record in map(memory.known, numbers) if record is not None]


def _claimed(
    database: Database,
    stored: StoredStudy,
    memory: Memory,
    optuna_rows: OptunaRows,
    request: Request,
    fixed: Mapping[str, Value] | None,
    lease: Lease,
) -> list[int]:
    numbers: list[int] = []
    for _ in range(_ATTEMPTS):
        now = memory.refresh()
        if now.heads.foreign:
            adopt(database, stored)
            now = memory.refresh()
        n = _allowed(request.budget, now, request.n - len(numbers), begun=bool(numbers))
        if n == 0:
            break
        queued = now.heads.queued and not fixed
        plan = None if queued else request.plan(_question(request, now, n, fixed))
        calls = () if plan is None else plan.calls
        try:
            with change(database, stored.study_id) as current:
                if plan is None:
                    got = _claim_queued(current, stored.problem, optuna_rows, n, lease)
                else:
                    got = _claim_planned(current, stored.problem, optuna_rows, plan, now.revision, lease)
                _account(current, request, calls, numbers, got)
            numbers += got
        except (Overtaken, DailyBudgetSpent) as refused:
            if calls:  # spent all the same
                with change(database, stored.study_id) as current:
                    charge(current, calls, request.allowance)
            if isinstance(refused, DailyBudgetSpent):
                if not numbers:
                    raise
                break
    else:
        raise LedgerUnavailable(
            f"{_ATTEMPTS} decisions in a row were overtaken by other processes on study {stored.name!r}; ask again "
            "with fewer workers."
        )
    return numbers


def _account(
    current: Change, request: Request, calls: Sequence[CallRecord], before: list[int], got: list[int]
) -> None:
    """Charge for trials in the transaction that gives them out, and leave the receipt for them."""
    charge(current, calls, request.allowance, asks=len(got))
    if got:
        idempotency.leave(current, request.receipt, again=bool(before), numbers=before + got)


def charge(
    current: Change, calls: Iterable[CallRecord], allowance: Allowance | None, *, asks: int = 0
) -> None:
    """Record model calls for the study, and for the day of whoever asked. Raises DailyBudgetSpent for ``asks``."""
    calls = list(calls)
    current.charge(calls)
    tokens = sum(call.prompt_tokens + call.completion_tokens for call in calls)
    if allowance is not None and (asks or tokens):
        allowance.take(current.connection, asks=asks, tokens=tokens)


def _question(request: Request, now: Snapshot, n: int, fixed: Mapping[str, Value] | None) -> Ask:
    """Return what the strategy is asked after a look at the ledger."""
    history, heads = now.history, now.heads
    limits, knowledge = request.budget, request.knowledge
    return Ask(history, heads.asked, n, fixed, heads.spent, now.past, limits=limits, knowledge=knowledge)


def _done_before(
    database: Database, stored: StoredStudy, memory: Memory, receipt: str | None, lease: Lease
) -> list[TrialRecord]:
    """Return the trials that this request was given before, held anew; none when all of them were lost meanwhile."""
    known = idempotency.found(database, receipt)
    if known is None or receipt is None:
        return []
    memory.refresh()
    found = [record for record in map(memory.known, known["numbers"]) if record is not None]
    if all(record.failure is not None and record.failure.kind == "lost" for record in found):
        idempotency.forget(database, receipt)
        return []
    if lease.pid is None:
        renew_leases(database, stored.study_id, known["numbers"], max(0.0, lease.expires_at - time.time()))
    return found


def check_fixed(problem: Problem, fixed: Mapping[str, Value] | None) -> dict[str, Value] | None:
    """Return the fixed parameters with canonical values; raises InvalidParameters."""
    if not fixed:
        return None
    return {name: problem.space[name].coerce(value) for name, value in fixed.items()}


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


def reap(database: Database, study_id: int, optuna_rows: OptunaRows, *, requeue: bool) -> list[int]:
    """Fail the running trials whose worker is dead as "lost", and queue them again; return their numbers."""
    with database.read() as connection:  # mostly there is nothing, and then nobody is kept waiting
        if not lost_trials(connection, study_id, time.time()):
            return []
    with change(database, study_id) as current:
        lost = fail_lost(current, optuna_rows)
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


def _claim_queued(
    current: Change, problem: Problem, optuna_rows: OptunaRows, n: int, lease: Lease
) -> list[int]:
    taken = _pop(current, n)
    if not taken:  # another process was faster
        return []
    numbers = write_trials(current, problem, optuna_rows, _running(taken, current.now))
    grant(current, numbers, lease)
    return numbers


def _claim_planned(
    current: Change, problem: Problem, optuna_rows: OptunaRows, plan: Plan, seen: int, lease: Lease
) -> list[int]:
    planned = _running(plan.decisions, current.now)
    numbers = write_trials(current, problem, optuna_rows, planned, seen_revision=seen)
    current.counters["asked"] += len(numbers)
    grant(current, numbers, lease)
    return numbers


def _running(decisions: Sequence[Decision], now: float) -> list[NewTrial]:
    return [NewTrial(decision.params, decision, started_at=now) for decision in decisions]


def _pop(current: Change, n: int) -> list[Decision]:
    query = sa.select(_Q).where(_Q.c.study_id == current.study_id).order_by(_Q.c.position).limit(n)
    rows = current.connection.execute(query).all()
    last = max((row.position for row in rows), default=0)
    current.connection.execute(_Q.delete().where(_Q.c.study_id == current.study_id, _Q.c.position <= last))
    current.counters["queued"] -= len(rows)
    return [Decision(json.loads(row.params), row.source, row.reason, "unchecked") for row in rows]
