"""Rights belong to routes: whatever a study or a key is called, and by whatever door one comes in."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.http.rights import Caller, GuardedRoute
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.api.service.keys import KeyStore
from trialogue.evaluators.problems.problem import Problem

PLAIN = {"name": "p", "space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}}
STUDIES = ("mine", "other", "chat", "keys", "predict", "team/model")


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    made = Ledger()
    for name in STUDIES:
        Study(Problem.from_dict(PLAIN), name=name, storage=made, strategy="random")
    return made


@pytest.fixture(scope="module")
def client(ledger: Ledger) -> Iterator[TestClient]:
    app = create_app(ServerSettings("", keys=True, requests_per_minute=10**9), ledger)
    with TestClient(app, base_url="http://127.0.0.1:8765") as made:
        yield made


@pytest.fixture(scope="module")
def keys(ledger: Ledger) -> dict[str, str]:
    store = KeyStore(ledger.database)
    return {
        "reader": store.add("reader", "read"),
        "writer": store.add("writer", "write"),
        "boss": store.add("boss", "admin"),
        "boss of mine": store.add("boss of mine", "admin", studies=["mine"]),
        "worker of mine": store.add("worker of mine", "write", studies=["mine"]),
        "slow boss": store.add("slow boss", "admin", requests_per_minute=10**6),
        "spending boss": store.add("spending boss", "admin", asks_per_day=5),
    }


def answer(client: TestClient, key: str, method: str, path: str, body: Any = None) -> Any:
    return client.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize(
    ("key", "method", "path", "status"),
    [
        ("reader", "GET", "/v1/studies", 200),
        ("reader", "POST", "/v1/studies", 403),
        ("reader", "POST", "/v1/studies/mine/note", 403),
        ("reader", "POST", "/v1/draft", 403),
        ("reader", "POST", "/v1/studies/mine/ask", 403),
        ("reader", "POST", "/v1/studies/mine/predict", 422),
        ("reader", "POST", "/v1/studies/predict/ask", 403),
        ("worker of mine", "POST", "/v1/studies/other/ask", 404),
        ("worker of mine", "GET", "/v1/studies/oth%65r/trials", 404),
        ("writer", "DELETE", "/v1/studies/mine", 403),
        ("writer", "DELETE", "/v1/studies/chat", 403),
        ("writer", "DELETE", "/v1/studies/mine%2Fchat", 403),
        ("writer", "DELETE", "/v1/studies/keys", 403),
        ("writer", "DELETE", "/v1/studies/chat/chat", 204),
        ("writer", "GET", "/v1/keys", 403),
        ("writer", "DELETE", "/v1/keys/reader", 403),
        ("boss of mine", "DELETE", "/v1/studies/other", 404),
        ("boss of mine", "DELETE", "/v1/keys/boss", 404),
        ("boss", "POST", "/v1/studies/mine", 405),
        ("boss", "GET", "/v1/nothing", 404),
    ],
)
def test_a_route_asks_for_what_it_does(
    client: TestClient, keys: dict[str, str], key: str, method: str, path: str, status: int
) -> None:
    response = answer(client, keys[key], method, path, {} if method == "POST" else None)
    assert response.status_code == status, response.text
    if status >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == status


def test_every_operation_states_its_right(client: TestClient, keys: dict[str, str]) -> None:
    paths = answer(client, keys["boss"], "GET", "/openapi.json").json()["paths"]
    scopes = {f"{m.upper()} {p}": found["x-scope"] for p in paths for m, found in paths[p].items()}
    assert {op for op, scope in scopes.items() if scope == "admin"} == {
        "DELETE /v1/studies/{study_name}", "GET /v1/keys", "POST /v1/keys", "DELETE /v1/keys/{name}",
    }  # fmt: skip
    reads = {op for op, scope in scopes.items() if scope == "read"}
    assert {op for op in reads if not op.startswith("GET")} == {"POST /v1/studies/{study_name}/predict"}


def test_a_route_without_a_right_cannot_be_made() -> None:
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(TypeError, match="must state"):
        router.get("/open")(lambda: {})


@pytest.mark.parametrize(
    ("key", "wanted", "status"),
    [
        ("boss", {"scope": "admin"}, 201),
        ("boss of mine", {"scope": "admin"}, 403),
        ("boss of mine", {"scope": "read"}, 403),
        ("boss of mine", {"scope": "read", "studies": ["mine", "other"]}, 403),
        ("boss of mine", {"scope": "admin", "studies": ["mine"]}, 201),
        ("slow boss", {"scope": "read"}, 403),
        ("slow boss", {"scope": "read", "requests_per_minute": 10**7}, 403),
        ("slow boss", {"scope": "read", "requests_per_minute": 5}, 201),
        ("spending boss", {"scope": "read", "asks_per_day": 5, "tokens_per_day": 5}, 403),
    ],
)
def test_a_key_makes_keys_with_at_most_its_own_rights(
    client: TestClient, keys: dict[str, str], key: str, wanted: dict[str, Any], status: int
) -> None:
    name = f"made by {key} {sorted(wanted.items())}"
    response = answer(client, keys[key], "POST", "/v1/keys", {"name": name[:100]} | wanted)
    assert response.status_code == status, response.text


def test_a_key_sees_no_keys_beyond_its_own_rights(client: TestClient, keys: dict[str, str]) -> None:
    names = {item["name"] for item in answer(client, keys["boss of mine"], "GET", "/v1/keys").json()["items"]}
    assert "boss" not in names
    assert {"boss of mine", "worker of mine"} <= names


@pytest.mark.parametrize("name", ["a/b", "a b", "ü", "?x=1", "a#b", "50%", "a\\b", "'; --", "x" * 100])
def test_a_key_that_can_be_made_can_be_removed(client: TestClient, keys: dict[str, str], name: str) -> None:
    made = answer(client, keys["boss"], "POST", "/v1/keys", {"name": name})
    assert made.status_code == 201, made.text
    assert answer(client, keys["boss"], "DELETE", f"/v1/keys/{quote(name, safe='')}").status_code == 204
    assert answer(client, made.json()["key"], "GET", "/v1/about").status_code == 401


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a\x00b", "a\nb", "\ud800"])
def test_a_key_that_could_not_be_removed_cannot_be_made(
    client: TestClient, keys: dict[str, str], name: str
) -> None:
    content = json.dumps({"name": name}).encode()
    headers = {"Authorization": f"Bearer {keys['boss']}", "Content-Type": "application/json"}
    assert client.post("/v1/keys", content=content, headers=headers).status_code in (409, 422)


def test_rights_are_compared_by_what_they_allow() -> None:
    boss = Caller("boss", "admin")
    assert boss.covers(boss)
    assert not Caller("x", "write").covers(boss)
    assert not Caller("x", "admin", frozenset({"a"})).covers(boss)
    assert boss.covers(Caller("x", "admin", frozenset({"a"}), 1, 1, 1))
    assert not Caller("x", "admin", tokens_per_day=5).covers(Caller("y", "read", tokens_per_day=6))
