"""A server that is killed after the claim's transaction and before its answer: the repeated request gets that trial."""

import signal
import sys
from pathlib import Path

import httpx2
import pytest
from contracts.served import served_process
from contracts.study import problem

pytestmark = pytest.mark.slow
SERVER = """
import os, signal, sys, uvicorn
from trialogue.api.server.app import ServerSettings, create_app

storage, port, deadly = sys.argv[1], int(sys.argv[2]), sys.argv[3]
app = create_app(ServerSettings(storage, port=port))

async def dying(scope, receive, send):
    async def send_or_die(message):
        if deadly and scope.get("path", "").endswith(deadly) and message["type"] == "http.response.start":
            os.kill(os.getpid(), signal.SIGKILL)  # the answer is ready, and never leaves
        await send(message)
    await app(scope, receive, send_or_die)

uvicorn.run(dying, port=port, log_config=None, ws="none")
"""


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
    with served_process(sys.executable, "-c", SERVER, storage, "{port}", path) as (url, process):
        made = {"name": "s", "problem": problem().to_dict(), "strategy": "random"}
        assert httpx2.post(f"{url}/v1/studies", json=made).status_code == 201
        with pytest.raises(httpx2.TransportError):
            httpx2.post(f"{url}/{name}{path}", json=body, headers=headers)
        assert process.wait(20) == -signal.SIGKILL
    with served_process(sys.executable, "-c", SERVER, storage, "{port}", "") as (url, _):
        again = [httpx2.post(f"{url}/{name}{path}", json=body, headers=headers) for _ in range(2)]
        assert [a.status_code // 100 for a in again] == [2, 2], again[0].text
        if path == "/ask":
            assert [t["number"] for t in again[0].json()["trials"]] == [0, 1]
        log = [e["kind"] for e in httpx2.get(f"{url}/{name}/log").json()["items"]]
        assert {kind: log.count(kind) for kind in events} == events
