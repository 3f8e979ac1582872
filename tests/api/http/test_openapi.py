"""What the document says of refusals, and that they are what it says."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.http.openapi import ALWAYS, refusals
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.api.service.keys import KeyStore


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="module")
def client(ledger: Ledger) -> Iterator[TestClient]:
    app = create_app(ServerSettings("", keys=True, body_bytes=10_000), ledger)
    with TestClient(app, base_url="http://127.0.0.1:8765") as made:
        made.headers["Authorization"] = f"Bearer {KeyStore(ledger.database).add('root', 'admin')}"
        yield made


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    return client.get("/openapi.json").json()


def test_every_route_states_its_refusals_as_problem_details(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            stated = operation["responses"]
            assert {str(s) for s in refusals(path, [method.upper()])} <= stated.keys(), (method, path)
            for status in ALWAYS:
                assert list(stated[str(status)]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert "ProblemDetails" in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/v1/studies", {"content": b"{"}, 422),
        ("GET", "/v1/studies", {"headers": {"Authorization": "Bearer x"}}, 401),
        ("GET", "/v1/studies", {"headers": {"Origin": "http://evil.example"}}, 403),
        ("GET", "/v1/studies/nowhere", {}, 404),
        ("POST", "/v1/studies", {"content": b"x" * 20_000}, 413),
        ("GET", "/v1/studies", {"headers": {"Host": "evil.example"}}, 421),
        ("GET", "/v1/studies?limit=0", {}, 422),
    ],
)
def test_a_refusal_is_what_the_document_says(
    client: TestClient, document: dict[str, Any], method: str, path: str, options: Any, status: int
) -> None:
    refused = client.request(method, path, **options)
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert set(document["components"]["schemas"]["ProblemDetails"]["required"]) <= refused.json().keys()


def test_a_wrong_method_is_told_all_that_the_path_has(client: TestClient, document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        refused = client.patch(path.replace("{number}", "0"))
        assert refused.status_code == 405
        assert refused.headers["allow"].split(", ") == sorted(m.upper() for m in methods), path


def test_bounds_have_the_names_that_json_schema_has_for_them(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    (number, _) = schemas["NoteBody"]["properties"]["trial"]["anyOf"]
    assert number == {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    assert schemas["HeartbeatBody"]["properties"]["numbers"]["items"]["maximum"] == 2**31 - 1
    assert not keys_in(document) & {"ge", "gt", "le", "lt"}


def keys_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()
