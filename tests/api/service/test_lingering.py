"""An answer that comes before its request was read reaches a client that is still sending."""

import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from contracts.served import served_process

from trialogue.api.service import lingering
from trialogue.api.service.lingering import Lingering

HEAD = [(b"content-length", b"12")]


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 413, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


def exchange(headers: list[tuple[bytes, bytes]], parts: list[dict[str, Any]]) -> tuple[list[Any], int]:
    """Serve one request; return what was sent, and how many messages of the body were left unread."""
    sent: list[Any] = []
    left = list(parts)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    async def send(message: Any) -> None:
        sent.append((message["type"], message.get("body"), message.get("more_body", False), len(left)))

    scope = {"type": "http", "headers": headers}
    anyio.run(Lingering(refusing), scope, receive, send)
    return sent, len(left)


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_what_is_left_is_read_between_the_answer_and_its_end() -> None:
    sent, left = exchange(
        HEAD, [part(b"aaaa", more=True), part(b"bbbb", more=True), part(b"cccc", more=False)]
    )
    assert left == 0
    assert [(body, more, unread) for _, body, more, unread in sent[1:]] == [(b"no", True, 3), (b"", False, 0)]


def test_a_client_that_is_gone_or_that_waits_to_send_is_not_waited_for() -> None:
    sent, left = exchange(
        HEAD, [part(b"aaaa", more=True), {"type": "http.disconnect"}, part(b"b", more=True)]
    )
    assert (len(sent), left) == (3, 1)
    for headers in ([], [*HEAD, (b"expect", b"100-continue")]):
        sent, left = exchange(headers, [part(b"aaaa", more=True)])
        assert (len(sent), left) == (2, 1)


def test_no_more_is_read_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "BYTES", 8)
    sent, left = exchange(HEAD, [part(b"aaaa", more=True)] * 5)
    assert (len(sent), left) == (3, 3)


@pytest.mark.slow
def test_ten_megabytes_that_are_refused_have_their_answer(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/a.db"
    command = (sys.executable, "-m", "trialogue.api", "serve", "--storage", storage, "--port", "{port}")
    with served_process(*command) as (url, _):
        where = urlsplit(url)
        for body in (
            b"x" * 10_000_000,
            b"".join(b"2710\r\n" + b"x" * 10_000 + b"\r\n" for _ in range(1_000)) + b"0\r\n\r\n",
        ):
            how = f"Content-Length: {len(body)}" if body[:1] == b"x" else "Transfer-Encoding: chunked"
            with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
                head = f"POST /v1/draft HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n{how}\r\n\r\n"
                connection.sendall(head.encode() + body)
                assert connection.recv(4_096).startswith(b"HTTP/1.1 413 ")
