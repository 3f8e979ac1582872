"""An answer that comes before its request was read waits for the rest of it, for a while.

Whoever closes a connection with bytes unread resets it, and a client that is still sending loses the answer: of ten megabytes
refused with 413 it saw a broken pipe. What is left is read and thrown away before the answer ends (what nginx calls a
lingering close), within ``SECONDS`` and ``BYTES``. Knows nothing of what is answered.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

SECONDS = 2.0
BYTES = 64_000_000
"""Of one request; who sends more, or more slowly, is reset."""

Message = MutableMapping[str, Any]  # Any: ASGI's own messages
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Lingering:
    """The middleware; outermost, so that every refusal is covered."""

    def __init__(self, app: Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http" and _has_body(scope):
            one = _Exchange(receive, send)
            receive, send = one.receive, one.send
        await self.app(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._unread = True

    async def receive(self) -> Message:
        message = await self._receive()
        self._unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        ends = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not (ends and self._unread):
            return await self._send(message)
        await self._send({**message, "more_body": True})
        await self._read_on()
        await self._send({"type": "http.response.body", "body": b""})

    async def _read_on(self) -> None:
        size = 0
        with anyio.move_on_after(SECONDS):
            while self._unread and size < BYTES:
                size += len((await self.receive()).get("body", b""))


def _has_body(scope: MutableMapping[str, Any]) -> bool:
    """Whether a body comes of itself; one that waits for ``100 Continue`` never does after a refusal."""
    headers = {name.lower() for name, _ in scope["headers"]}
    return b"expect" not in headers and bool(headers & {b"content-length", b"transfer-encoding"})
