"""The door's guard: one ASGI middleware that covers REST, MCP and page alike.

In order: size of the body, Host (DNS rebinding; on loopback too), Origin (another site's page), key, scope,
study, rate.
It knows paths and headers only; what a route does with its body is the route's business. Keys are looked up through
``Lookup``; without one (loopback only, see `server.check_address`) every caller is the local administrator.
Who called stands in ``scope["state"]["caller"]``, where routes and MCP tools read it.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from .paths import named

Scope = Literal["read", "write", "admin"]
RANK: Mapping[str, int] = {"read": 0, "write": 1, "admin": 2}
OPEN_PATHS = re.compile(r"^/($|static/|favicon\.ico$|health$|ready$)")
"""What needs no key: the page's own files, which hold no data, and the two probes."""
STUDY_PATH = re.compile(r"^/v1/studies/([^/]+)")
READING_POSTS = re.compile(r"^/v1/studies/[^/]+/(predict|compare)$")
"""POST requests that change nothing: their body is only too long for a URL."""

Message = MutableMapping[str, Any]  # Any: ASGI's own messages
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Caller:
    """Who calls, and what they may do. ``studies`` None: all of them."""

    name: str
    scope: Scope = "read"
    studies: frozenset[str] | None = None
    requests_per_minute: int | None = None
    asks_per_day: int | None = None
    tokens_per_day: int | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the caller holds ``scope`` (admin includes write, write includes read)."""
        return RANK[self.scope] >= RANK[scope]

    def sees(self, study: str) -> bool:
        """Return whether the caller may touch the study of that name."""
        return self.studies is None or study in self.studies


LOCAL = Caller("local", "admin")
"""The caller on a loopback server without keys."""

Lookup = Callable[[str], Caller | None]
"""Returns the caller whose key this is. Called on every request: must be quick."""


@dataclass(frozen=True)
class Limits:
    """What the guard allows. ``hosts`` are names without port; ``body_bytes`` is the largest request body."""

    hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})
    origins: frozenset[str] = frozenset()
    body_bytes: int = 4_000_000
    requests_per_minute: int = 6_000
    """For callers whose key states no rate of its own."""


class Refused(Exception):
    """A request the guard does not let through. ``headers`` go on the answer."""

    def __init__(
        self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.headers = status, title, detail, dict(headers or {})


@dataclass
class TokenBucket:
    """Rate limit of one caller: ``burst`` requests at once, refilled at ``per_s``. Not thread-safe: one event loop."""

    per_s: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    level: float = field(init=False)
    filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.filled_at = self.burst, self.clock()

    def wait_s(self) -> float:
        """Take one token and return 0, or return the seconds until there is one."""
        now = self.clock()
        self.level = min(self.burst, self.level + (now - self.filled_at) * self.per_s)
        self.filled_at = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.per_s


def no_such_study(name: str) -> str:
    """Return what is said of a study that does not exist, or that the caller may not see: the same words."""
    return f"There is no study {name[:100]!r} that you may see; `GET v1/studies` lists them."


def host_name(host: str) -> str:
    """Return a Host header's name without port and brackets, in lower case; "" when it is malformed."""
    try:
        return (urlsplit("//" + host).hostname or "").lower()
    except ValueError:
        return ""


def needed_scope(method: str, path: str) -> Scope:
    """Return the scope a request needs, from its method and path alone."""
    if path.startswith("/mcp"):
        return "read"  # each MCP tool states its own scope; the middleware cannot see which tool is called
    if path.startswith("/v1/keys") or (method == "DELETE" and not path.endswith("/chat")):
        return "admin"
    if method in ("GET", "HEAD", "OPTIONS") or READING_POSTS.match(path):
        return "read"
    return "write"


class Guard:
    """The middleware. ``path_of`` strips the server's URL prefix from a request's path."""

    def __init__(
        self,
        app: App,
        *,
        limits: Limits,
        lookup: Lookup | None,
        path_of: Callable[[MutableMapping[str, Any]], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self.limits, self.lookup, self.path_of, self.clock = app, limits, lookup, path_of, clock
        self._buckets: dict[str, TokenBucket] = {}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; websockets are refused, for nothing here speaks them."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        try:
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
            caller = self._admit(scope, headers)
        except Refused as refused:
            return await answer_problem(send, refused)
        scope.setdefault("state", {})["caller"] = caller
        await self._within_size(scope, receive, send)

    def _admit(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> Caller:
        self._check_length(headers)
        self._check_site(headers)
        path = self.path_of(scope)
        if OPEN_PATHS.match(path):
            return Caller("anyone")
        caller = self._identify(headers)
        self._check_rate(caller)
        self._check_rights(caller, scope["method"], path)
        return caller

    def _check_length(self, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length", "0")
        if not length.isdigit():
            raise Refused(
                400, "Malformed request", f"`Content-Length` must be a number, got {length[:40]!r}."
            )
        if int(length) > self.limits.body_bytes:
            raise Refused(
                413, "Body too large", f"A body may have {self.limits.body_bytes} bytes, got {length}."
            )

    def _check_site(self, headers: Mapping[str, str]) -> None:
        """Refuse another site's page (Origin) and a name that was rebound to this address (Host)."""
        host = headers.get("host", "")
        if host_name(host) not in self.limits.hosts:
            raise Refused(
                421,
                "Unknown host",
                f"`Host` is {host[:100]!r}; allow a name with `trialogue serve --allow-host NAME`.",
            )
        origin = headers.get("origin")
        if origin is None or origin in self.limits.origins:
            return
        if urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(
                403,
                "Foreign origin",
                f"`Origin` is {origin[:100]!r}; only this server's own page may call it.",
            )

    def _identify(self, headers: Mapping[str, str]) -> Caller:
        if self.lookup is None:
            return LOCAL
        kind, _, secret = headers.get("authorization", "").partition(" ")
        caller = self.lookup(secret.strip()) if kind.lower() == "bearer" and secret.strip() else None
        if caller is None:
            raise Refused(
                401,
                "Key needed",
                "Send `Authorization: Bearer KEY`; a key is made with `trialogue keys add NAME`.",
                {"WWW-Authenticate": "Bearer"},
            )
        return caller

    def _check_rate(self, caller: Caller) -> None:
        per_minute = caller.requests_per_minute or self.limits.requests_per_minute
        bucket = self._buckets.get(caller.name)
        if bucket is None or bucket.burst != per_minute:
            bucket = self._buckets[caller.name] = TokenBucket(per_minute / 60, per_minute, self.clock)
        if wait_s := bucket.wait_s():
            retry = {"Retry-After": str(max(1, round(wait_s)))}
            raise Refused(429, "Too many requests", f"{caller.name!r} may send {per_minute} a minute.", retry)

    def _check_rights(self, caller: Caller, method: str, path: str) -> None:
        needed = needed_scope(method, path)
        if not caller.may(needed):
            raise Refused(
                403, "Scope too small", f"This needs a key with scope {needed!r}; yours has {caller.scope!r}."
            )
        found = STUDY_PATH.match(path)
        # ASGI's path is decoded already: to decode it again would let two spellings mean two studies.
        if found and not caller.sees(named(found[1])):
            raise Refused(404, "No such study", no_such_study(named(found[1])))

    async def _within_size(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Count the body as it streams: ``Content-Length`` may be absent."""
        read = 0
        started = False
        too_large = Refused(413, "Body too large", f"A body may have {self.limits.body_bytes} bytes.")

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limits.body_bytes:
                raise too_large
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            if read > self.limits.body_bytes and not started:
                raise too_large  # the layers below made an error of their own out of it
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except Refused as refused:
            if not started:
                await answer_problem(send, refused)


async def answer_problem(send: Send, refused: Refused) -> None:
    """Answer with RFC 9457 problem details."""
    body = json.dumps(
        {"type": "about:blank", "title": refused.title, "status": refused.status, "detail": refused.detail}
    ).encode()
    headers = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        **refused.headers,
    }
    encoded = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
