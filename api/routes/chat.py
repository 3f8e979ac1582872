"""REST: the chat of a study. A turn is answered as JSON, or as server-sent events when the client accepts them."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sse_starlette import EventSourceResponse

from ...agent.chat.messages import Approval, ChatEvent, event_data, event_name
from ...agent.chat.session import ChatSession, commands
from ...agent.verbs.context import Desk
from ...serving.errors import TrialogueError
from ..http.rendering import Json, rendered
from ..http.rights import READ, WRITE, GuardedRoute
from ..service import schemas
from ..service.context import Here, StudyInPath
from ..service.problems import problem, status_of

router = APIRouter(prefix="/v1/studies/{study_name}/chat", tags=["chat"], route_class=GuardedRoute)


@router.get("", openapi_extra=READ)
def chat(here: Here) -> dict[str, Any]:
    """Return the conversation so far, what waits for approval, and the commands there are."""
    session = here.services.chats.room(here.name)
    rows = [{"name": name, "usage": usage, "help": text} for name, usage, text in commands(session.verbs)]
    return {
        "model": session.model_name,
        "messages": [event_data(m) for m in session.transcript.newest()],
        "pending": event_data_of(session),
        "commands": rows,
    }


def event_data_of(session: ChatSession) -> list[dict[str, Any]]:
    """Return what waits for approval as JSON values."""
    return [
        {"verb": r.verb, "arguments": dict(r.arguments), "description": r.description}
        for r in session.pending
    ]


@router.post("", openapi_extra=WRITE)
async def say(here: Here, body: schemas.SayBody, request: Request) -> Response:
    """Say something: words for the model, or a command that begins with a slash, which is done at once."""
    return await _turn(here, request, lambda session, desk: session.say(body.text, desk))


@router.post("/decisions", openapi_extra=WRITE)
async def decide(here: Here, body: schemas.DecisionsBody, request: Request) -> Response:
    """Approve, edit or reject what waits, one decision for each request in order."""
    decisions = [Approval(d.type, d.arguments, d.message) for d in body.decisions]
    return await _turn(here, request, lambda session, desk: session.decide(decisions, desk))


@router.delete("", status_code=204, openapi_extra=WRITE)
def clear(here: Here) -> Response:
    """Forget the conversation, the model's memory included."""
    here.services.chats.room(here.name).clear()
    return Response(status_code=204)


Turn = Callable[[ChatSession, Desk], Iterator[ChatEvent]]


def _events(here: StudyInPath, turn: Turn) -> Iterator[ChatEvent]:
    """Take a turn in the study's session, at a desk with this caller's rights."""
    chats = here.services.chats
    return turn(
        chats.room(here.name), chats.desk(here.name, here.caller, here.services.allowance(here.caller))
    )


async def _turn(here: StudyInPath, request: Request, turn: Turn) -> Response:
    before = await anyio.to_thread.run_sync(lambda: _begin(here))
    if "text/event-stream" in request.headers.get("accept", ""):
        return EventSourceResponse(_streamed(here, turn, before), ping=15)
    events = await anyio.to_thread.run_sync(lambda: list(_events(here, turn)))
    await anyio.to_thread.run_sync(lambda: _end(here, before))
    session = here.services.chats.room(here.name)
    messages = [event_data(e) for e in events if event_name(e) == "message"]
    return Json({"messages": messages, "pending": event_data_of(session)})


def _begin(here: StudyInPath) -> int:
    """Refuse a caller who has no tokens left today; return what the study has used before this turn."""
    allowance = here.services.allowance(here.caller)
    if here.services.chats.model_name and allowance is not None:
        with here.services.ledger.database.read() as connection:
            allowance.check(connection)
    return here.study.spent.tokens


def _end(here: StudyInPath, before: int) -> None:
    used = here.study.spent.tokens - before
    if used > 0:
        here.services.metrics.tokens.inc(used)


async def _streamed(here: StudyInPath, turn: Turn, before: int) -> AsyncIterator[dict[str, str]]:
    """Run the turn in a thread and pass its events on as they come; it ends even when the listener leaves."""
    send, receive = anyio.create_memory_object_stream[dict[str, str]](1_000)

    def work() -> None:
        try:
            for event in _events(here, turn):
                hand_over({"event": event_name(event), "data": rendered(event_data(event))})
        except TrialogueError as error:
            trouble = problem(status_of(error), type(error).__name__, str(error))
            hand_over({"event": "error", "data": rendered(trouble)})
        finally:
            _end(here, before)

    def hand_over(item: dict[str, str]) -> None:
        try:
            anyio.from_thread.run_sync(send.send_nowait, item)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.WouldBlock):
            return  # nobody listens any more: the transcript has the message

    async def run() -> None:
        async with send:
            await anyio.to_thread.run_sync(work)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(run)
        async for item in receive:
            yield item
        yield {"event": "done", "data": "{}"}
