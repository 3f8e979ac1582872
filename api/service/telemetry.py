"""What the operator sees of the service: metrics for Prometheus and structured logs. Knows no study's content.

Logs are JSON lines on stderr with study and trial where a request names them; no header and no body is logged.
"""

import contextlib
import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..http.paths import named

PLACE = re.compile(r"^/v1/studies/([^/]+)(?:/trials/(\d+))?")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SOURCES = frozenset(
    {"default", "initial_design", "known", "planner", "random", "surrogate", "transfer", "user"}
)
VERDICTS = frozenset({"added", "fallback", "kept", "own", "replaced", "unchecked"})
"""Labels of metrics: a label that a client may choose would be kept for ever."""
LONGEST = 300
"""Characters of a value in a log line; a path may have 60,000."""
log = structlog.get_logger("trialogue.api")


class Metrics:
    """The service's counters, in a registry of its own (several servers may live in one process)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        common: dict[str, Any] = {"namespace": "trialogue", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered.", ["method", "route", "status"], **common)
        self.seconds = Histogram(
            "request_seconds", "Seconds until a request was answered.", ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30), **common,
        )  # fmt: skip
        self.asked = Counter("trials_asked", "Trials handed out.", ["source", "verdict"], **common)
        self.ended = Counter("trials_ended", "Trials that ended.", ["state"], **common)
        self.expired = Counter("leases_expired", "Trials failed because their worker went silent.", **common)
        self.tokens = Counter("chat_tokens", "Tokens used by chat sessions.", **common)
        self.listeners = Gauge("event_listeners", "Open event streams.", **common)
        self.open_studies = Gauge("open_studies", "Studies held in memory.", **common)

    def count_asked(self, source: str, verdict: str) -> None:
        """Count a trial that was handed out."""
        self.asked.labels(_one_of(SOURCES, source.split(":")[0]), _one_of(VERDICTS, verdict)).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class Observer:
    """ASGI middleware: counts and logs each request. ``path_of`` strips the URL prefix."""

    def __init__(
        self, app: Any, *, metrics: Metrics, path_of: Callable[[MutableMapping[str, Any]], str]
    ) -> None:
        self.app, self.metrics, self.path_of = app, metrics, path_of

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Serve one request and note how it went."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        status = 500

        async def noted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or (
            "mcp" if self.path_of(scope).startswith("/mcp") else "other"
        )
        method = _one_of(METHODS, scope["method"])
        self.metrics.requests.labels(method, route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        place = PLACE.match(self.path_of(scope))
        places = zip(("study", "trial"), place.groups() if place else (), strict=False)
        context = {name: named(value) for name, value in places if value}
        caller = scope.get("state", {}).get("caller")
        emit = log.info if status < 500 else log.error
        emit("request", method=method, route=route, status=status, ms=round(1000 * seconds, 1),
             caller=caller.name if caller else None, **context)  # fmt: skip


def _one_of(known: frozenset[str], label: str) -> str:
    return label if label in known else "other"


def cut(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Shorten every text of a log line but the trace of a mistake of ours; a processor of structlog's."""
    for key, value in event.items():
        if key != "exception" and isinstance(value, str) and len(value) > LONGEST:
            event[key] = value[:LONGEST] + "…"
    return event


class Unbreakable:
    """A text stream whose failures are nobody's business: a log on a full disk must not fail the request it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(stream: TextIO | None = None, *, level: str = "info", as_json: bool = True) -> None:
    """Set up structlog for a server process. Called by the command line, never on import."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shown = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            cut,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, Unbreakable(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )
