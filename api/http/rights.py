"""Who may do what: callers, their scopes and studies, and routes that each state what they need.

A right belongs to the route, never to the spelling of its path: every route under ``/v1`` is a ``GuardedRoute`` made
with ``openapi_extra=READ`` (or ``WRITE``, ``ADMIN``), one without is refused when the application is built, and the check
stands in the route itself, before its body is read. ``| LONG`` sends a route's work through the server's bounded queue
(``work.py``). Knows nothing of keys; who calls is in ``scope["state"]["caller"]``.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi.responses import Response
from fastapi.routing import APIRoute

from ...agent.errors import StudyNotFound
from ...serving.errors import TrialogueError
from .openapi import refusals
from .paths import named
from .rendering import Json

Scope = Literal["read", "write", "admin"]
RANK: Mapping[str, int] = {"read": 0, "write": 1, "admin": 2}
STATED = "x-scope"
READ: dict[str, Any] = {STATED: "read"}
WRITE: dict[str, Any] = {STATED: "write"}
ADMIN: dict[str, Any] = {STATED: "admin"}
QUEUED = "x-queued"
LONG: dict[str, Any] = {QUEUED: True}


class ScopeTooSmall(TrialogueError):
    """The caller's key may not do this."""


@dataclass(frozen=True)
class Caller:
    """Who calls, and what they may do. ``studies`` None: all of them; a limit that is None does not exist."""

    name: str
    scope: Scope = "read"
    studies: frozenset[str] | None = None
    requests_per_minute: int | None = None
    asks_per_day: int | None = None
    tokens_per_day: int | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the caller holds ``scope`` (admin includes write, write includes read)."""
        return RANK.get(self.scope, -1) >= RANK[scope]  # of a row that was edited by hand: nothing

    def need(self, scope: Scope, what: str = "This") -> None:
        """Raise ScopeTooSmall unless the caller holds ``scope``."""
        if not self.may(scope):
            raise ScopeTooSmall(f"{what} needs a key with scope {scope!r}; yours has {self.scope!r}.")

    def sees(self, study: str) -> bool:
        """Return whether the caller may touch the study of that name."""
        return self.studies is None or study in self.studies

    def check_sees(self, study: str) -> str:
        """Return the name of a study that the caller may touch; raise StudyNotFound as for one that is not there."""
        if not self.sees(study):
            raise StudyNotFound(no_such_study(study))
        return study

    def covers(self, other: "Caller") -> bool:
        """Return whether ``other`` may do nothing that this caller may not."""
        studies = self.studies is None or (other.studies is not None and other.studies <= self.studies)
        limits = ("requests_per_minute", "asks_per_day", "tokens_per_day")
        return (
            self.may(other.scope)
            and studies
            and all(_within(getattr(other, limit), getattr(self, limit)) for limit in limits)
        )


LOCAL = Caller("local", "admin")
"""The caller on a loopback server without keys."""


class GuardedRoute(APIRoute):
    """A route that says who may call it."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:  # Any: whatever APIRoute takes
        extra = options.get("openapi_extra") or {}
        if extra.get(STATED) not in RANK:
            raise TypeError(f"the route {path!r} must state `openapi_extra=` READ, WRITE or ADMIN.")
        if not inspect.iscoroutinefunction(endpoint):
            status = options.get("status_code") or 200
            endpoint = (_queued if extra.get(QUEUED) else _rendered)(endpoint, status)
        responses = refusals(path, options.get("methods") or ("GET",))
        options["responses"] = responses | (options.get("responses") or {})
        super().__init__(path, endpoint, **options)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's own
        """Check the caller's rights, then serve."""
        if scope["method"] in (self.methods or ()):
            caller: Caller = scope["state"]["caller"]
            caller.need((self.openapi_extra or ADMIN)[STATED])
            study = scope["path_params"].get("study_name")
            if study is not None:
                caller.check_sees(named(study))
        await super().handle(scope, receive, send)


Endpoint = Callable[..., Any]  # Any: whatever a route takes and returns


def _rendered(endpoint: Endpoint, status: int) -> Endpoint:
    """Return the endpoint with its answer written in the thread that made it, and not on the event loop."""

    @functools.wraps(endpoint)
    def rendered(**arguments: Any) -> Response:
        answer = endpoint(**arguments)
        return answer if isinstance(answer, Response) else Json(answer, status)

    return rendered


def _queued(endpoint: Endpoint, status: int) -> Endpoint:
    """Return the endpoint as one whose work waits its turn."""
    work = _rendered(endpoint, status)

    @functools.wraps(endpoint)
    async def queued(**arguments: Any) -> Response:
        services = arguments["here"].services if "here" in arguments else arguments["services"]
        return await services.work.run(lambda: work(**arguments))

    return queued


def no_such_study(name: str) -> str:
    """Return what is said of a study that does not exist, or that the caller may not see: the same words."""
    return f"There is no study {name[:100]!r} that you may see; `GET v1/studies` lists them."


def _within(limit: int | None, most: int | None) -> bool:
    return most is None or (limit is not None and limit <= most)
