"""REST: trials. Ask, tell, heartbeat, report, list, exclude, enqueue, add. Nothing is evaluated here."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from ...agent.errors import BudgetExhausted, TrialNotFound
from ...agent.ledger.leases import UNATTENDED_S, remote_lease
from ...agent.ledger.records import Failure
from ...agent.study.study import Study
from ...agent.views.as_json import trial_view
from ...evaluators.problems.measurement import Measurement
from ..http.rendering import Json
from ..http.rights import LONG, READ, WRITE, GuardedRoute
from ..service import schemas
from ..service.context import Here, StudyInPath
from ..service.reaper import renew

router = APIRouter(prefix="/v1/studies/{study_name}", tags=["trials"], route_class=GuardedRoute)
Number = Annotated[int, Path(ge=0, le=2**31 - 1)]
Order = Literal["number", "-number", "value", "-value"]


@router.post("/ask", openapi_extra=WRITE | LONG)
def ask(here: Here, body: schemas.AskBody) -> Json:
    """Hand out the next trials. With ``worker`` they are leased to it and must be kept alive by heartbeats."""
    return Json(_asked(here, body))


def _asked(here: StudyInPath, body: schemas.AskBody) -> dict[str, Any]:
    study, receipt = here.study, here.receipt()
    allowance = here.services.allowance(here.caller)
    lease_s = body.lease_s if body.worker else UNATTENDED_S
    holder = body.worker or f"{here.caller.name} (over HTTP)"

    def attempt() -> list[Any]:
        lease = remote_lease(holder, lasts_s=lease_s)
        return study.ask(body.n, fixed=body.fixed, lease=lease, receipt=receipt, allowance=allowance)

    try:
        trials = attempt()
    except BudgetExhausted:
        if not here.services.shelf.renewed(study):  # another process may have raised the budget
            raise
        trials = attempt()
    for trial in trials:
        here.services.metrics.count_asked(trial.source, trial.verdict)
    return {"trials": [trial_view(study.problem, t.record) for t in trials]}


@router.post("/trials/{number}/tell", openapi_extra=WRITE)
def tell(here: Here, number: Number, body: schemas.TellBody) -> Json:
    """Record how a trial ended. The same ending again is fine; another one is refused with 409."""

    def told() -> dict[str, Any]:
        study = here.study
        if body.measurement is not None:
            record = study.tell(number, measurement_of(body.measurement))
        elif body.failed is not None:
            record = study.finish(number, Failure(body.kind, body.failed), requeue=body.requeue)
        else:
            record = study.tell(number, pruned=True)
        here.services.metrics.ended.labels(record.state).inc()
        return trial_view(study.problem, record)

    return Json(here.services.answers.once(None, told))  # telling is idempotent by itself


@router.post("/heartbeat", openapi_extra=WRITE)
def heartbeat(here: Here, body: schemas.HeartbeatBody) -> dict[str, Any]:
    """Renew a worker's leases. ``lost``: trials that are no longer this worker's, and why; it should stop them."""
    study = here.study
    numbers = list(dict.fromkeys(body.numbers))
    leases = renew(study, numbers, body.worker, body.lease_s)
    return {
        "held": [n for n in numbers if n in leases],
        "lost": {n: _why_not_held(study, n) for n in numbers if n not in leases},
    }


def _why_not_held(study: Study, number: Number) -> str:
    try:
        record = study.trial(number)
    except TrialNotFound as error:  # its other trials are held all the same
        return str(error).rstrip(".")
    if record.state == "running":
        return f"trial {number} is held by another worker"
    return f"trial {number} is {record.state}" + (f": {record.failure.reason}" if record.failure else "")


@router.post("/trials/{number}/report", openapi_extra=WRITE)
def report(here: Here, number: Number, body: schemas.ReportBody) -> dict[str, bool]:
    """Record an intermediate value; ``stop``: the study's pruner would end the trial now."""
    return {"stop": here.study.report(number, body.step, body.value)}


@router.get("/trials", openapi_extra=READ)
def trials(
    here: Here,
    state: Literal["finished", "failed", "pruned", "running"] | None = None,
    source: Annotated[str | None, Query(max_length=300)] = None,
    newest: bool = False,
    order: Order | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> dict[str, Any]:
    """List trials, a page at a time: ``next`` is the ``after`` of the next page, null on the last."""
    stored = here.stored
    key: Order = order or ("-number" if newest else "number")
    ledger = here.services.ledger
    records, total = ledger.page(stored, state=state, source=source, order=key, limit=limit, offset=after)
    more = after + len(records) < total
    items = [trial_view(stored.problem, r) for r in records]
    return {"items": items, "total": total, "next": after + len(records) if more else None}


@router.get("/trials/{number}", openapi_extra=READ)
def trial(here: Here, number: Number) -> dict[str, Any]:
    """Return everything about one trial."""
    return trial_view(here.study.problem, here.study.trial(number))


@router.post("/trials/{number}/exclude", openapi_extra=WRITE)
def exclude(here: Here, number: Number, body: schemas.ReasonBody) -> Json:
    """Leave a trial out of everything that is learnt, and say why."""
    return here.once(lambda: _changed(here, number, lambda s: s.exclude(number, body.reason)))


@router.post("/trials/{number}/restore", openapi_extra=WRITE)
def restore(here: Here, number: Number, body: schemas.ReasonBody | None = None) -> Json:
    """Let an excluded trial count again."""
    return here.once(lambda: _changed(here, number, lambda s: s.restore(number)))


def _changed(here: StudyInPath, number: Number, change: Any) -> dict[str, Any]:
    study = here.study
    change(study)
    return trial_view(study.problem, study.trial(number))


@router.post("/enqueue", openapi_extra=WRITE)
def enqueue(here: Here, body: schemas.ParamsBody) -> Json:
    """Put a configuration before everything the strategy would do."""

    study = here.study
    reason = body.reason or f"enqueued by {here.caller.name}"
    study.enqueue(body.params, reason=reason, receipt=here.receipt())
    return Json({"waiting": study.ledger.heads(study.stored.study_id).queued})


@router.post("/add", status_code=201, openapi_extra=WRITE)
def add(here: Here, body: schemas.AddBody) -> Json:
    """Record finished results from elsewhere: all of them or none."""
    rows = [(row.params, measurement_of(row.measurement)) for row in body.rows]
    return Json({"numbers": here.study.add_many(rows, receipt=here.receipt())}, 201)


def measurement_of(body: schemas.MeasurementBody) -> Measurement:
    """Return the measurement of a request. Raises InvalidMeasurement."""
    metrics: Any = body.metrics  # Any: numbers, text and booleans
    return Measurement(
        body.values,
        body.sem,
        constraints=body.constraints,
        metrics=metrics,
        seconds=body.seconds,
        cost=body.cost,
    )
