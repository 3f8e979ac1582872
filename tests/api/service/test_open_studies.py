"""What a client may make the server do: call planners that its operator named, and open no address or file of theirs."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from mcp import Client

from trialogue.agent.errors import StudyNotFound
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.mcp.tools import mcp_for
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.api.service.open_studies import Shelf
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.spaces.parameters import Float
from trialogue.evaluators.spaces.space import SearchSpace

SPACE = {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}
TOML = """[study]
name = "new"
{setting}
[parameters.x]
type = "float"
low = 0
high = 1
"""


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """A port of this machine that notices whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield listening


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(made_app(), base_url="http://127.0.0.1:8765", follow_redirects=False) as made:
        yield made


def made_app() -> FastAPI:
    return create_app(ServerSettings("", planners=("http://127.0.0.1:9/v1",)), Ledger())


def nobody_came(door: socket.socket) -> bool:
    try:
        door.accept()[0].close()
    except TimeoutError:
        return True
    return False


def addresses(door: socket.socket) -> list[str]:
    port = door.getsockname()[1]
    return [
        f"http://127.0.0.1:{port}/v1",
        f"http://127.0.0.1:{port}/v1#model",
        f"http://user@127.0.0.1:{port}/v1",
        f"http://127.0.0.1:9/v1@127.0.0.1:{port}",
        f"http://2130706433:{port}/v1",
        f"HTTP://127.0.0.1:{port}/v1",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:9/v1/",
        "vllm:model",
        "file:///etc/passwd",
    ]


def test_no_door_takes_a_planner_that_the_operator_did_not_name(
    client: TestClient, door: socket.socket
) -> None:
    services = made_app().state.services
    server = mcp_for(services)

    async def by_mcp(toml: str) -> bool:
        async with Client(server) as agent:
            return bool((await agent.call_tool("create", {"text": toml})).is_error)

    for address in addresses(door):
        body = {"name": "new", "problem": {"name": "new", "space": SPACE}, "planner": address}
        toml = TOML.format(setting=f'planner = "{address}"')
        for sent in (body, {"toml": toml}):
            refused = client.post("/v1/studies", json=sent)
            assert refused.status_code == 409, address
            assert "trialogue serve --planner" in refused.json()["detail"]
        assert asyncio.run(by_mcp(toml)), address
    assert client.get("/v1/studies").json()["items"] == []
    assert not services.ledger.has("new")
    assert nobody_came(door)


def test_storage_and_evaluators_of_a_client_open_nothing(client: TestClient, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    stated = TOML.format(setting=f'storage = "sqlite:///{elsewhere}"')
    assert client.post("/v1/studies", json={"toml": stated}).status_code == 201
    assert client.get("/v1/studies/new").status_code == 200
    assert not elsewhere.exists()
    for table in (
        'command = "touch x"',
        'function = "os:getcwd"',
        'replay = "/etc/passwd"',
        'target = "svm"',
    ):
        told: Any = client.post("/v1/studies", json={"toml": f"{stated}[evaluator]\n{table}\n"})
        assert told.status_code == 409
        assert "never runs anything" in told.json()["detail"]


def test_no_answer_sends_a_client_elsewhere(client: TestClient) -> None:
    paths = [
        "/mcp",
        "/v1/studies/",
        "/v1/about/",
        "//evil.example/",
        "//evil.example",
        "/static",
        "/v1//studies",
        "/%2F",
    ]
    for path in (*paths, "/static/..%2f..%2fapp.py", "/v1/studies/%2e%2e/"):
        for method in ("POST",) if path == "/mcp" else ("GET", "POST", "DELETE"):  # a GET there is a stream
            answer = client.request(method, path)
            assert not 300 <= answer.status_code < 400, (method, path)
            assert "location" not in answer.headers
            assert "create_app" not in answer.text


@pytest.mark.parametrize("look", ["stored", "study", "delete"])
def test_a_study_that_is_gone_names_no_other(look: str) -> None:
    ledger = Ledger()
    Study(Problem("p", SearchSpace([Float("x", 0, 1)])), name="secret", storage=ledger, strategy="random")
    with pytest.raises(StudyNotFound) as found:
        getattr(Shelf(ledger), look)("gone")
    assert "'gone'" in str(found.value)
    assert "secret" not in str(found.value)
