"""A server that is killed after the claim's transaction and before its answer: the repeated request gets that trial."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from contracts.study import problem

pytestmark = pytest.mark.slow
SERVER = """
import os, signal, sys, uvicorn
from trialogue.api.server import Settings, create_app

storage, port, deadly = sys.argv[1], int(sys.argv[2]), sys.argv[3]
app = create_app(Settings(storage, port=port))

async def dying(scope, receive, send):
    async def send_or_die(message):
        if deadly and scope.get("path", "").endswith(deadly) and message["type"] == "http.response.start":
            os.kill(os.getpid(), signal.SIGKILL)  # the answer is ready, and never leaves
        await send(message)
    await app(scope, receive, send_or_die)

uvicorn.run(dying, port=port, log_config=None, ws="none")
"""


@contextmanager
def server(storage: str, deadly: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVER, storage, str(port), deadly], env=os.environ)
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    try:
        while True:
            try:
                if httpx2.get(f"{url}/ready").status_code == 200:
                    break
            except httpx2.TransportError:
                assert time.monotonic() < until, "the server did not start"
            time.sleep(0.05)
        yield url, process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("path", "body", "events"),
    [
        ("/ask", {"n": 2, "worker": "w1"}, {"asked": 2}),
        ("/enqueue", {"params": {"kernel": "linear", "C": 1.0}}, {"enqueued": 1}),
    ],
)  # fmt: skip
def test_a_request_whose_server_died_before_answering_is_done_once(
    tmp_path: Path, path: str, body: dict, events: dict[str, int]
) -> None:
    storage = f"sqlite:///{tmp_path}/a.db"
    headers = {"Idempotency-Key": "0123456789abcdef"}
    name = "v1/studies/s"
    with server(storage, path) as (url, process):
        made = {"name": "s", "problem": problem().to_dict(), "strategy": "random"}
        assert httpx2.post(f"{url}/v1/studies", json=made).status_code == 201
        with pytest.raises(httpx2.TransportError):
            httpx2.post(f"{url}/{name}{path}", json=body, headers=headers)
        assert process.wait(20) == -signal.SIGKILL
    with server(storage, "") as (url, _):
        again = [httpx2.post(f"{url}/{name}{path}", json=body, headers=headers) for _ in range(2)]
        assert [a.status_code // 100 for a in again] == [2, 2], again[0].text
        if path == "/ask":
            assert [t["number"] for t in again[0].json()["trials"]] == [0, 1]
        log = [e["kind"] for e in httpx2.get(f"{url}/{name}/log").json()["items"]]
        assert {kind: log.count(kind) for kind in events} == events
