"""REST: live events by SSE. ``Last-Event-ID`` (or ``from``) resumes; ``from=now`` begins with what comes next."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse

from ...agent.errors import StudyNotFound
from ...serving.errors import InvalidInput
from ..http.rights import READ, Caller, GuardedRoute
from ..service.context import Here, Parts, Services, StudyInPath, Who
from ..service.event_hub import as_sse

router = APIRouter(prefix="/v1", tags=["events"], route_class=GuardedRoute)
PING_S = 15
From = Annotated[str | None, Query(alias="from", max_length=30)]


@router.get("/studies/{study_name}/events", openapi_extra=READ)
async def study_events(
    here: Here, start: From = None, last_event_id: Annotated[str | None, Header(max_length=30)] = None
) -> EventSourceResponse:
    """Stream what happens to a study, from its first event on unless told otherwise."""
    stored = await anyio.to_thread.run_sync(lambda: here.study.stored)
    after = await anyio.to_thread.run_sync(lambda: _start(here, stored.study_id, last_event_id or start))
    return EventSourceResponse(_stream(here.services, stored.study_id, here.name, after), ping=PING_S)


def _start(here: StudyInPath, study_id: int, stated: str | None) -> int:
    if stated is None:
        return 0
    if stated == "now":
        return here.services.ledger.heads(study_id).revision
    if not stated.isascii() or not stated.isdigit():
        raise InvalidInput(
            f"`Last-Event-ID` and `from` must be the number of an event or `now`, got {stated!r}."
        )
    return int(stated)


async def _stream(services: Services, study_id: int, name: str, after: int) -> AsyncIterator[dict[str, str]]:
    services.metrics.listeners.inc()
    try:
        async for event in services.hub.follow(study_id, after):
            yield as_sse(event, name)
    finally:
        services.metrics.listeners.dec()


@router.get("/studies/{study_name}/log", openapi_extra=READ)
def log(
    here: Here,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
) -> dict[str, Any]:
    """List what happened after an event, oldest first."""
    return {"items": [asdict(e) for e in here.study.events(after, limit=limit)]}


@router.get("/events", openapi_extra=READ)
async def all_events(services: Parts, caller: Who, start: From = None) -> EventSourceResponse:
    """Stream which studies change, from now on: for lists. What happened is in each study's own stream."""
    return EventSourceResponse(_changes(services, caller), ping=PING_S)


async def _changes(services: Services, caller: Caller) -> AsyncIterator[dict[str, Any]]:
    services.metrics.listeners.inc()
    try:
        async for study_id in services.hub.changes():
            name = await anyio.to_thread.run_sync(lambda i=study_id: _name_of(services, i))
            if name is not None and caller.sees(name):
                yield {"event": "changed", "data": json.dumps({"study": name})}
    finally:
        services.metrics.listeners.dec()


def _name_of(services: Services, study_id: int) -> str | None:
    import sqlalchemy as sa

    from ...agent.ledger import schema

    studies = schema.studies
    try:
        with services.ledger.database.read() as connection:
            return connection.scalar(sa.select(studies.c.name).where(studies.c.study_id == study_id))
    except StudyNotFound:
        return None
