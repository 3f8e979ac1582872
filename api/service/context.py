"""What routes are given: the server's parts, the caller, the study of the path, answers that are given once.

``Services`` is made once per server (`server.py`) and lives in ``app.state``; nothing here is global.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
from fastapi import Depends, Path, Request

from ...agent.ledger import idempotency
from ...agent.ledger.allowance import Allowance
from ...agent.ledger.ledger import Ledger, StoredStudy
from ...agent.study.study import Study
from ...serving.errors import InvalidInput
from ..http.paths import named
from ..http.rendering import Json, cleaned
from ..http.rights import Caller
from ..http.work import WorkQueue
from .event_hub import EventHub
from .keys import KeyStore
from .open_studies import Shelf
from .problems import RevisionPassed
from .telemetry import Metrics

REMEMBERED_S = 86_400
"""How long an answer to an idempotency key is kept."""


class Answers:
    """Answers to requests that carried an idempotency key: the second one gets the first one's answer.

    Kept in the ledger's database, so that a retry after a crash of the server is recognised too. For what may be done
    twice, or has an answer of its own to give again (create, fork, order); ask, enqueue and add leave a receipt
    in their own transaction instead (``StudyInPath.receipt``). Thread-safe.
    """

    def __init__(self, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = ledger.database, clock
        self._lock = threading.Lock()
        self._under_way: dict[str, threading.Lock] = {}

    def once(self, key: str | None, make: Callable[[], Any]) -> Any:
        """Return ``make()`` as JSON values, or what it returned when this key was first used."""
        if key is None:
            return cleaned(make())
        with self._lock:
            gate = self._under_way.setdefault(key, threading.Lock())
        with gate:
            try:
                return self._once(key, make)
            finally:
                with self._lock:
                    self._under_way.pop(key, None)

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        answer = idempotency.receipt_of(self._database, key)
        return (
            idempotency.keep(self._database, key, cleaned(make()), self._clock())
            if answer is None
            else answer
        )

    def sweep(self) -> None:
        """Forget old answers."""
        idempotency.sweep(self._database, self._clock() - REMEMBERED_S)


@dataclass
class Services:
    """The parts of one server."""

    ledger: Ledger
    shelf: Shelf
    hub: EventHub
    metrics: Metrics
    answers: Answers
    keys: KeyStore | None = None
    chats: Any = None  # chats.ChatRooms, which loads LangChain on first use
    work: WorkQueue = field(default_factory=WorkQueue)
    looks: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(2))
    """Threads of the probes, which wait for nobody else."""
    ready: bool = False
    started_at: float = field(default_factory=time.time)

    def allowance(self, caller: Caller) -> Allowance | None:
        """Return what a caller may use today; None without limits."""
        return None if self.keys is None else self.keys.allowance(caller)


async def services_of(request: Request) -> Services:
    """Return the server's parts. A coroutine, as the next two: FastAPI runs other functions in a thread of their own."""
    return request.app.state.services


async def caller_of(request: Request) -> Caller:
    """Return who calls, as the guard found out."""
    return request.scope["state"]["caller"]


class StudyInPath:
    """The study that a path names, opened on demand, with the checks that all its routes share."""

    def __init__(self, request: Request, name: str, services: Services, caller: Caller) -> None:
        self.request, self.name, self.services, self.caller = request, name, services, caller

    @property
    def study(self) -> Study:
        """The open study. Raises StudyNotFound."""
        return self.services.shelf.study(self.name)

    @property
    def stored(self) -> StoredStudy:
        """The study's entry in the ledger. Raises StudyNotFound, StudyUnreadable."""
        return self.services.shelf.stored(self.name)

    def once(self, make: Callable[[], Any], *, status: int = 200) -> Json:
        """Answer a request that changes something: at most once per idempotency key, and only at the stated
        revision."""

        def checked() -> Any:
            self._check_revision()
            return make()

        answer = self.services.answers.once(idempotency_key(self.request, self.caller), checked)
        return Json(answer, status)

    def receipt(self) -> str | None:
        """Return the key under which the study itself remembers this request, in the transaction that does it; the
        stated revision is checked unless it was done before."""
        key = idempotency_key(self.request, self.caller)
        if idempotency.receipt_of(self.services.ledger.database, key) is None:
            self._check_revision()
        return key

    def _check_revision(self) -> None:
        revision_text = self.request.headers.get("if-match")
        if revision_text is None or revision_text == "*":
            return
        revision = self.services.ledger.heads(self.study.stored.study_id).revision
        if revision_text.strip('"') != str(revision):
            raise RevisionPassed(
                f"`If-Match` says revision {revision_text[:40]}, the study is at {revision}; read it again."
            )


def idempotency_key(request: Request, caller: Caller) -> str | None:
    """Return a digest of the caller, the path and the request's idempotency key, or None without one."""
    header = request.headers.get("idempotency-key")
    if header is None:
        return None
    if not 8 <= len(header) <= 200:
        raise InvalidInput(f"`Idempotency-Key` must have 8 to 200 characters, got {len(header)}.")
    whole = "\n".join([caller.name, request.method, request.url.path, header])
    return hashlib.sha256(whole.encode()).hexdigest()


Parts = Annotated[Services, Depends(services_of)]
Who = Annotated[Caller, Depends(caller_of)]


async def study_in_path(
    request: Request,
    study_name: Annotated[str, Path(min_length=1, max_length=400)],
    services: Parts,
    caller: Who,
) -> StudyInPath:
    """Return the study that the request's path names."""
    return StudyInPath(request, named(study_name), services, caller)


Here = Annotated[StudyInPath, Depends(study_in_path)]
