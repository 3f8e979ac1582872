"""The door's guard: one ASGI middleware in front of REST, MCP and page alike.

In order: announced size of the body, Host (DNS rebinding; on loopback too), Origin (another site's page), key, rate. Who
called then stands in ``scope["state"]["caller"]``, where routes (``rights.py``) and MCP tools read it; what a caller may
do is their business. Keys are looked up through ``Lookup``; without one (loopback only, see `server.check_address`) every
caller is the local administrator. Starlette's TrustedHostMiddleware does not know ``[::1]`` and answers in plain text,
hence our own eight lines; the body that streams in is counted by starlette's RequestBodyLimitMiddleware.
"""

import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from ..http.rights import LOCAL, Caller

OPEN_PATHS = re.compile(r"^/($|static/|gallery$|favicon\.ico$|health$|ready$)")
"""What needs no key: the page's own files, which hold no data, and the two probes."""
WRONG_KEYS = 30
"""Wrong keys that one address may send at once, and in a minute; then it is told to wait."""
MOST_BUCKETS = 10_000
"""Callers and addresses whose rate is remembered; the one that was quiet longest is forgotten first."""

Message = MutableMapping[str, Any]  # Any: ASGI's own messages
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Lookup = Callable[[str], Caller | None]
"""Returns the caller whose key this is. Called on every request, in a thread."""


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


class Buckets:
    """A bucket for each of the newest ``MOST_BUCKETS`` names."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, per_minute: int, what: str = "requests") -> None:
        """Take a token of this name's; raise Refused with 429 when there is none."""
        bucket = self._buckets.get(name)
        if bucket is None or bucket.burst != per_minute:
            bucket = self._buckets[name] = TokenBucket(per_minute / 60, per_minute, self._clock)
        self._buckets.move_to_end(name)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if wait_s := bucket.wait_s():
            retry = {"Retry-After": str(max(1, round(wait_s)))}
            raise Refused(
                429, "Too many requests", f"{name!r:.120} may send {per_minute} {what} a minute.", retry
            )

    def give_back(self, name: str) -> None:
        """Give back the token that was taken last: what it was taken for is not to be counted."""
        bucket = self._buckets.get(name)
        if bucket is not None:
            bucket.level = min(bucket.burst, bucket.level + 1)


def host_name(host: str) -> str:
    """Return a Host header's name without port and brackets, in lower case; "" when it is malformed."""
    try:
        return (urlsplit("//" + host).hostname or "").lower()
    except ValueError:
        return ""


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
        self.app, self.limits, self.lookup, self.path_of = app, limits, lookup, path_of
        self._callers, self._strangers = Buckets(clock), Buckets(clock)
        self._right: OrderedDict[bytes, None] = OrderedDict()  # digests of keys that were right, newest last
        self._lookups = anyio.CapacityLimiter(4)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; websockets are refused, for nothing here speaks them."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        try:
            caller = await self._admit(scope)
        except Refused as refused:
            return await answer_problem(send, refused)
        scope.setdefault("state", {})["caller"] = caller
        await self.app(scope, receive, send)

    async def _admit(self, scope: MutableMapping[str, Any]) -> Caller:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        self._check_length(headers)
        self._check_site(headers)
        if OPEN_PATHS.match(self.path_of(scope)):
            return Caller("anyone")
        caller = await self._identify(headers, scope.get("client"))
        self._callers.take(caller.name, caller.requests_per_minute or self.limits.requests_per_minute)
        return caller

    def _check_length(self, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refused(
                400, "Malformed request", f"`Content-Length` must be a number, got {length[:40]!r}."
            )
        if len(length) > 18 or int(length) > self.limits.body_bytes:
            detail = f"A body may have {self.limits.body_bytes} bytes, got {length[:40]}."
            raise Refused(413, "Body too large", detail)

    def _check_site(self, headers: Mapping[str, str]) -> None:
        """Refuse another site's page (Origin) and a name that was rebound to this address (Host)."""
        host = headers.get("host", "")
        if host_name(host) not in self.limits.hosts:
            detail = f"`Host` is {host[:100]!r}; allow a name with `trialogue serve --allow-host NAME`."
            raise Refused(421, "Unknown host", detail)
        origin = headers.get("origin")
        if origin is None or origin in self.limits.origins:
            return
        if _site(origin) != host.lower():
            detail = f"`Origin` is {origin[:100]!r}; only this server's own page may call it."
            raise Refused(403, "Foreign origin", detail)

    async def _identify(
        self, headers: Mapping[str, str], client: Any
    ) -> Caller:  # Any: ASGI's (host, port) or None
        if self.lookup is None:
            return LOCAL
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and secret.strip():
            caller = await self._known(secret.strip(), self.lookup, _network(client))
            if caller is not None:
                return caller
        detail = "Send `Authorization: Bearer KEY`; a key is made with `trialogue keys add NAME`."
        raise Refused(401, "Key needed", detail, {"WWW-Authenticate": "Bearer"})

    async def _known(self, secret: str, lookup: Lookup, network: str) -> Caller | None:
        """Return whose key this is, or None for a guess, which is charged to its address before it is looked up.

        A key that was right lately is looked up whatever others at its address send. Raises Refused.
        """
        hashed = hashlib.sha256(secret.encode()).digest()
        is_cached = hashed in self._right
        if not is_cached:
            self._strangers.take(network, WRONG_KEYS, "unknown keys")
        # In a thread of its own: a database that answers slowly must not hold up what needs no key.
        caller = await anyio.to_thread.run_sync(lookup, secret, limiter=self._lookups)
        if caller is None:
            self._right.pop(hashed, None)
            return None
        if not is_cached:
            self._strangers.give_back(network)
        self._right[hashed] = None
        self._right.move_to_end(hashed)
        if len(self._right) > MOST_BUCKETS:
            self._right.popitem(last=False)
        return caller


def _site(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _network(client: Any) -> str:  # Any: ASGI's (host, port) or None
    """Return the address of a client; of an IPv6 address the half that says whose network it is."""
    address = str(client[0]) if client else ""
    return ":".join(address.split(":")[:4]) if ":" in address else address


async def answer_problem(send: Send, refused: Refused) -> None:
    """Answer with RFC 9457 problem details."""
    body = json.dumps(
        {"type": "about:blank", "title": refused.title, "status": refused.status, "detail": refused.detail}
    ).encode()
    headers = {"content-type": "application/problem+json", "content-length": str(len(body))} | refused.headers
    encoded = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
