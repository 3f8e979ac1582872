"""Metrics and logs: a client cannot make either grow by what it writes."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.api.service.telemetry import LONGEST, configure_logs
from trialogue.evaluators.problems.problem import Problem

PLAIN = {"name": "p", "space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs(stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def client() -> Iterator[TestClient]:
    ledger = Ledger()
    Study(Problem.from_dict(PLAIN), storage=ledger, strategy="random")
    with TestClient(create_app(ServerSettings(""), ledger), base_url="http://127.0.0.1:8765") as made:
        yield made


def test_labels_come_from_closed_sets(log: io.StringIO, client: TestClient) -> None:
    lengths = []
    client.get("/metrics")  # it counts itself
    for round_ in range(3):
        for i in range(20):
            name = f"{round_}-{i}"
            client.request(f"INVENT{name}", "/health")
            client.request("GET", f"/nothing/{name}")
            client.request("DELETE", f"/v1/studies/{name}/nothing")
            client.post("/v1/studies/p/enqueue", json={"params": {"x": i / 20}, "reason": name})
            client.post("/v1/studies/p/ask", json={"worker": name})
        lengths.append(len(client.get("/metrics").text.splitlines()))
    assert lengths[0] == lengths[1] == lengths[2]
    assert "INVENT" not in client.get("/metrics").text
    assert 'method="other"' in client.get("/metrics").text


def test_log_lines_are_cut(log: io.StringIO, client: TestClient) -> None:
    client.request("A" * 60_000, "/health")
    client.get("/v1/studies/" + "x" * 60_000 + "/trials")
    client.get("/" + "y" * 60_000)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) >= 3
    assert max(len(line) for line in log.getvalue().splitlines()) < 4 * LONGEST
