"""What the document says of refusals, and that they are what it says."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.http.openapi import ALWAYS, refusals
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.api.service import schemas
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


AT_ODDS = [
    ("studies", {"name": "n", "problem": {}}),
    ("studies", {"toml": "[study"}),
    ("studies", {"toml": "", "protocol": {"choose": "worst"}}),
    ("studies", {"toml": "", "strategy": "pairs"}),
    ("draft", {"text": "0"}),
    ("keys", {"name": " "}),
]


@pytest.mark.parametrize(("path", "body"), AT_ODDS)
def test_what_the_document_allows_is_never_refused_as_if_it_did_not(
    client: TestClient, path: str, body: dict[str, Any]
) -> None:
    refused = client.post(f"/v1/{path}", json=body)
    assert refused.status_code == 409, refused.text
    assert refused.json()["detail"]


@pytest.mark.parametrize(
    ("name", "body", "fits"),
    [
        ("TellBody", {"failed": "", "pruned": False}, True),
        ("TellBody", {"measurement": {"values": 1}, "failed": None}, True),
        ("TellBody", {"pruned": True}, True),
        ("TellBody", {"pruned": False}, False),
        ("TellBody", {"failed": "", "pruned": True}, False),
        ("StudyBody", {"toml": ""}, True),
        ("StudyBody", {"name": "n", "problem": {}}, True),
        ("StudyBody", {"problem": {}}, False),
        ("StudyBody", {"name": "n", "problem": {}, "toml": ""}, False),
    ],
)
def test_one_of_several_stands_in_the_document(
    document: dict[str, Any], name: str, body: dict[str, Any], fits: bool
) -> None:
    whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    assert jsonschema.Draft202012Validator(whole).is_valid(body) is fits
    try:
        getattr(schemas, name)(**body)
    except ValidationError:
        assert not fits
    else:
        assert fits


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
