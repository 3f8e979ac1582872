"""Errors as answers: which status each error of the tree has, as RFC 9457 problem details.

``trialogue`` errors keep their message, which names rule, value and cure. Anything else is a mistake of ours: it is
logged with its trace and answered with 500 and no detail. ``type`` is the error's class name, so that the remote
client raises the same class again (`remote.py`).
"""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from ...agent import errors as agent_errors
from ...evaluators import errors as evaluator_errors
from ...serving import errors as serving_errors
from ..http.rendering import Json
from ..http.rights import ScopeTooSmall
from ..http.work import ServerBusy
from ..study_files.tables import AT_ODDS
from .keys import KeyNotFound


class RevisionPassed(serving_errors.InvalidInput):
    """The study has changed since the caller read it."""


STATUS: tuple[tuple[type[Exception], int], ...] = (
    (agent_errors.StudyNotFound, 404),
    (agent_errors.TrialNotFound, 404),
    (KeyNotFound, 404),
    (agent_errors.StudyMismatch, 409),
    (agent_errors.NoFeasibleTrial, 409),
    (agent_errors.BudgetExhausted, 409),
    (evaluator_errors.SpaceExhausted, 409),
    (agent_errors.LedgerUnavailable, 503),
    (ScopeTooSmall, 403),
    (agent_errors.DailyBudgetSpent, 429),
    (ServerBusy, 429),
    (RevisionPassed, 412),
    (serving_errors.InvalidInput, 409),
    (serving_errors.ServingError, 502),
    (serving_errors.TrialogueError, 409),
)
"""The first class that fits decides; the order is from the particular to the general. What the document itself rules out
is 422 (``on_bad_body``); a request that keeps to the document and is at odds with what there is, is 409."""
TYPE_PREFIX = "urn:trialogue:error:"
log = structlog.get_logger("trialogue.api")


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem(status: int, kind: str, detail: str, **extra: Any) -> dict[str, Any]:
    """Return problem details. ``kind``: the error's class name."""
    title = "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip().capitalize()
    return {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": detail, **extra}


def answer(
    status: int, kind: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
) -> JSONResponse:
    """Return the response for a problem."""
    body = problem(status, kind, detail, **extra)
    return Json(body, status, headers, media_type="application/problem+json")


async def on_our_error(_: Request, error: Exception) -> JSONResponse:
    """Answer for an error of the tree."""
    waits = isinstance(error, agent_errors.DailyBudgetSpent | ServerBusy)
    headers = {"Retry-After": str(error.retry_after_s)} if waits else None
    if isinstance(error, agent_errors.LedgerUnavailable):
        headers = {"Retry-After": "2"}
    return answer(status_of(error), type(error).__name__, str(error), headers=headers)


async def on_bad_body(_: Request, error: Exception) -> JSONResponse:
    """Answer for a body, path or query that does not fit its schema; the values themselves are not repeated."""
    assert isinstance(error, RequestValidationError)
    rows = [{"where": ".".join(map(str, e["loc"])), "rule": str(e["msg"])[:300]} for e in error.errors()[:20]]
    words = "; ".join(f"{f['where']}: {f['rule']}" for f in rows)
    status = 409 if all(e["type"] == AT_ODDS for e in error.errors()) else 422
    detail = words[:2000] or "The request does not fit its schema."
    return answer(status, "InvalidRequest", detail, errors=rows)


async def on_http(request: Request, error: Exception) -> JSONResponse:
    """Answer for an unknown path, a wrong method and the like."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    if error.status_code == 405:
        headers = {"Allow": ", ".join(sorted(_methods_at(request)))}
    return answer(error.status_code, "HttpError", str(error.detail), headers=headers)


def _methods_at(request: Request) -> set[str]:
    """Return the methods of all routes at a path; starlette names those of the first one."""
    routes: Sequence[Route] = request.app.state.routes
    at = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in at for method in route.methods or ()}


async def on_mistake(request: Request, error: Exception) -> JSONResponse:
    """Answer for a mistake of ours. The trace goes to the log, not to the caller."""
    log.error("request_failed", path=request.url.path, method=request.method, exc_info=error)
    return answer(500, "InternalError", "The server made a mistake; its log has the trace.")


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Make the application answer every error with problem details; ``routers`` are those it includes."""
    routes = [route for router in routers for route in router.routes] + app.routes
    app.state.routes = [route for route in routes if isinstance(route, Route)]
    app.add_exception_handler(serving_errors.TrialogueError, on_our_error)
    app.add_exception_handler(RequestValidationError, on_bad_body)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_mistake)
