"""Live events: one watcher per server reads the ledger, any number of listeners hear of it as server-sent events.

The ledger's events are numbered per study without gaps, so ``Last-Event-ID`` resumes exactly, across servers and
restarts, and other processes' events are heard too. The watcher reads one number per study, and only while somebody
listens. A listener that reads too slowly is cut off; it comes back with ``Last-Event-ID`` and misses nothing.
"""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
import structlog

from ...agent.errors import LedgerUnavailable
from ...agent.ledger import schema
from ...agent.ledger.events import Event, events_after
from ...agent.ledger.ledger import Ledger

POLL_S = 0.25
BACKLOG = 1_000
"""Events read at once; a listener that is further behind gets them in pieces of this size."""
QUEUE = 2_000
log = structlog.get_logger("trialogue.api")


@dataclass(eq=False)
class Listener:
    """Somebody who listens to one study (``study_id``) or to all that it may see (None)."""

    study_id: int | None
    queue: "asyncio.Queue[Any]" = field(default_factory=lambda: asyncio.Queue(QUEUE))
    cut_off: bool = False

    def push(self, item: Any) -> None:
        """Hand over an item, or cut the listener off when it is too slow."""
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.cut_off = True


class EventHub:
    """Watches the ledger for all listeners of one server. Lives on one event loop."""

    def __init__(self, ledger: Ledger, *, poll_s: float = POLL_S) -> None:
        self._ledger, self._poll_s = ledger, poll_s
        self._listeners: dict[int | None, set[Listener]] = defaultdict(set)
        self._heads: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()

    @property
    def n_listeners(self) -> int:
        """How many streams are open."""
        return sum(len(s) for s in self._listeners.values())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch until the block ends; open streams end with it."""
        self._task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self.close()
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def close(self) -> None:
        """End all streams: the server is going down."""
        self._closing.set()
        for group in self._listeners.values():
            for listener in group:
                listener.push(None)

    async def follow(self, study_id: int, after: int) -> AsyncIterator[Event]:
        """Yield the events of one study whose number is above ``after``, for as long as the server lives."""
        with self._joined(Listener(study_id)) as listener:
            behind = True
            while not self._closing.is_set():
                while behind:
                    batch = await self._read(study_id, after)
                    for event in batch:
                        after = event.number
                        yield event
                    behind = len(batch) == BACKLOG
                event = await self._next(listener)
                if event is None:
                    return
                if event.number == after + 1:
                    after = event.number
                    yield event
                behind = event.number > after  # numbers have no gaps: what is missing is read

    async def changes(self) -> AsyncIterator[int]:
        """Yield the id of each study in which something happened, from now on."""
        with self._joined(Listener(None)) as listener:
            while (study_id := await self._next(listener)) is not None:
                yield study_id

    async def _next(self, listener: Listener) -> Any:
        if self._closing.is_set() or (listener.cut_off and listener.queue.empty()):
            return None
        return await listener.queue.get()

    @contextlib.contextmanager
    def _joined(self, listener: Listener) -> Any:
        self._listeners[listener.study_id].add(listener)
        self._wake.set()
        try:
            yield listener
        finally:
            group = self._listeners[listener.study_id]
            group.discard(listener)
            if not group:
                del self._listeners[listener.study_id]

    async def _read(self, study_id: int, after: int) -> tuple[Event, ...]:
        return await anyio.to_thread.run_sync(
            lambda: events_after(self._ledger.database, study_id, after, limit=BACKLOG)
        )

    async def _watch(self) -> None:
        while True:
            if not self.n_listeners:
                self._heads.clear()
                self._wake.clear()
                await self._wake.wait()
            try:
                await self._look()
            except (
                LedgerUnavailable
            ) as error:  # the database is away: listeners wait, the watcher tries again
                log.warning("events_wait", detail=str(error))
                await asyncio.sleep(2)
            await asyncio.sleep(self._poll_s)

    async def _look(self) -> None:
        heads = await anyio.to_thread.run_sync(self._read_heads)
        first_look = not self._heads
        for study_id, head in heads.items():
            head_before = self._heads.get(study_id)
            if head_before == head:
                continue
            group = self._listeners.get(study_id, set())
            if group:
                for event in await self._read(study_id, head - 1 if head_before is None else head_before):
                    for listener in group:
                        listener.push(event)
            if not first_look:
                for listener in self._listeners.get(None, set()):
                    listener.push(study_id)
        self._heads = heads or {0: 0}

    def _read_heads(self) -> dict[int, int]:
        with self._ledger.database.read() as connection:
            query = sa.select(schema.studies.c.study_id, schema.studies.c.revision)
            return {row.study_id: row.revision for row in connection.execute(query)}


def as_sse(event: Event, study: str) -> dict[str, str]:
    """Return an event as sse-starlette sends it."""
    data = {
        "study": study,
        "kind": event.kind,
        "trial_number": event.trial_number,
        "at": event.at,
        "data": event.data,
    }
    return {"id": str(event.number), "event": event.kind, "data": json.dumps(data)}
