"""The queue of long work: bounded, in order, and nothing that must answer at once stands in it."""

import threading
from collections.abc import Iterator

import anyio
import anyio.to_thread
import httpx2
import pytest
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.http.work import ServerBusy, WorkQueue
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.evaluators.problems.problem import Problem

PLAIN = {"name": "p", "space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}}


def test_more_than_may_wait_is_told_to_come_back() -> None:
    gate = threading.Event()
    done: list[int] = []

    async def go() -> None:
        queue = WorkQueue(threads=1, waiting=2)

        async def work(number: int) -> None:
            await queue.run(lambda: done.append(number) if gate.wait(30) else None)

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(work, number)
                await anyio.wait_all_tasks_blocked()
            assert queue.waiting == 2
            with pytest.raises(ServerBusy, match="come back in") as busy:
                await queue.run(lambda: None)
            assert busy.value.retry_after_s >= 1
            gate.set()
        assert await queue.run(lambda: "free again") == "free again"

    anyio.run(go)
    assert done == [0, 1, 2]


@pytest.fixture
def client() -> Iterator[TestClient]:
    ledger = Ledger()
    Study(Problem.from_dict(PLAIN), storage=ledger, strategy="random")
    with TestClient(create_app(ServerSettings(""), ledger), base_url="http://127.0.0.1:8765") as made:
        yield made


def test_probes_and_telling_do_not_wait_for_thinking(client: TestClient) -> None:
    """With every thinking thread and the whole queue taken, only what thinks is told to come back."""
    number = client.post("/v1/studies/p/ask", json={}).json()["trials"][0]["number"]
    queue, gate = client.app.state.services.work, threading.Event()  # pyright: ignore[reportAttributeAccessIssue]
    full = threading.Event()

    async def fill() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(queue._most + queue._threads):
                group.start_soon(queue.run, lambda: gate.wait(60))
            await anyio.wait_all_tasks_blocked()
            full.set()

    assert client.portal is not None
    filling = client.portal.start_task_soon(fill)
    try:
        assert full.wait(30)
        for path in ("/health", "/ready", "/metrics", "/", "/v1/studies", "/v1/studies/p"):
            assert client.get(path).status_code == 200, path
        told = client.post(f"/v1/studies/p/trials/{number}/tell", json={"measurement": {"values": [1.0]}})
        assert told.status_code == 200
        for path in ("ask", "predict"):
            busy = client.post(
                f"/v1/studies/p/{path}", json={"params": {"x": 0.5}} if path == "predict" else {}
            )
            assert busy.status_code == 429
            assert int(busy.headers["retry-after"]) >= 1
            assert busy.json()["detail"]
    finally:
        gate.set()
        filling.result()
    assert client.post("/v1/studies/p/ask", json={}).status_code == 200


def test_probes_need_no_thread_of_those_that_others_hold(client: TestClient) -> None:
    """With each of the server's threads held by a request that waits for the database, the probes answer."""
    gate, held = threading.Event(), threading.Event()

    async def hold() -> None:
        threads = int(anyio.to_thread.current_default_thread_limiter().total_tokens)
        async with anyio.create_task_group() as group:
            for _ in range(threads):
                group.start_soon(anyio.to_thread.run_sync, lambda: gate.wait(60))
            await anyio.wait_all_tasks_blocked()
            held.set()

    async def probed() -> list[int]:
        transport = httpx2.ASGITransport(client.app)  # pyright: ignore[reportArgumentType]
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as http:
            with anyio.fail_after(10):
                return [(await http.get(path)).status_code for path in ("/health", "/ready", "/metrics")]

    assert client.portal is not None
    holding = client.portal.start_task_soon(hold)
    try:
        assert held.wait(30)
        assert client.portal.call(probed) == [200, 200, 200]
    finally:
        gate.set()
        holding.result()
