"""What a hostile or broken client sends to every route: always an answer with a reason, never 5xx, never another's study."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.api.service.keys import KeyStore
from trialogue.evaluators.problems.problem import Problem

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PLAIN = {"name": "p", "space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}}
BODIES = [
    b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"{}" * 1000, b"[" * 50_000, b'{"a":' * 20_000,
    b'{"n": 1e999}', b'{"n": NaN}', b'{"n": -0}', b'{"n": ' + b"9" * 5_000 + b"}", b'{"n": true, "n": false}',
    b'{"params": {"x": {"$ne": 1}}}', b'{"text": "\\ud800"}', b'{"params": {"\\u0000": 1}, "reason": "\\u0000"}',
    b'{"problem": {"name": "x", "space": {"parameters": {"__class__": {"type": "float"}}}}, "name": "x"}',
]  # fmt: skip
PATHS = [
    "/v1/studies/../../etc/passwd", "/v1/studies/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "//v1//studies", "/v1/studies/%00",
    "/v1/studies/a%00b/trials", "/static/../server.py", "/static/%2e%2e%2fserver.py", "/static/..%5c..%5cserver.py",
    "/static/%2Fetc%2Fpasswd", "/v1/studies/" + "a" * 20_000, "/v1/studies/%ff%fe", "/v1/studies/open;x=1?y=%",
    "/v1/studies/open/trials/999999999999999999999", "/v1/studies/open/trials/-1", "/v1/studies/open/trials/1e3",
    "/v1/studies/open/trials?limit=999999999999&after=-1", "/v1/studies/open/trials?order=value;DROP TABLE trials",
    "/v1/studies?contains=%25_%27%22%3B--&limit=5&after=99999999999999999999999", "/mcp/../v1/studies", "/\\etc\\passwd",
    "/v1/studies/open/figures/__class__", "/v1/studies/open/log?after=99999999999999999999", "/v1/keys/..%2f..%2f",
]  # fmt: skip


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    made = Ledger()
    for name in ("open", "secret"):
        study = Study(Problem.from_dict(PLAIN), name=name, storage=made, strategy="random")
        study.tell(study.ask(), 0.5)
        study.ask()
    return made


def operations(client: TestClient) -> list[tuple[str, str]]:
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    endless = [path for path in paths if path.endswith("/events")]
    return [(method.upper(), path) for path in paths if path not in endless for method in paths[path]]


def filled(path: str, study: str) -> str:
    return re.sub(r"{\w+}", "0", path.replace("{study_name}", study).replace("{figure}", "history"))


def sound(answer: Any, what: object) -> None:
    assert answer.status_code < 500, (what, answer.text[:500])
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.json()["detail"], what


def test_no_body_breaks_any_route(client: TestClient) -> None:
    for method, path in operations(client):
        if method in ("POST", "PUT"):
            for body in BODIES:
                for kind in ("application/json", "text/plain"):
                    where = filled(path, "open")
                    sound(
                        client.request(method, where, content=body, headers={"Content-Type": kind}),
                        (where, body[:60]),
                    )
    assert client.get("/v1/studies/open").status_code == 200


def test_no_path_breaks_the_server_or_leaves_its_folder(client: TestClient) -> None:
    for path in PATHS:
        for method in ("GET", "POST", "DELETE", "PUT", "PATCH"):
            answer = client.request(method, path)
            sound(answer, (method, path[:80]))
            assert "root:" not in answer.text
            assert "create_app" not in answer.text


def test_ten_megabytes_are_refused_with_and_without_their_length(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    for method, path in operations(client):
        if method in ("POST", "PUT"):
            assert client.request(method, filled(path, "open"), content=b"x" * 10_000_000).status_code == 413
    assert client.post("/v1/studies", content=pieces()).status_code == 413


@pytest.mark.parametrize(
    "parameters",
    [
        {f"p{i}": {"type": "float", "low": 0, "high": 1} for i in range(20_000)},
        {"c": {"type": "categorical", "choices": [str(i) for i in range(200_000)]}},
        {"x": {"type": "int", "low": 0, "high": 2**70}},
        {"x": {"type": "float", "low": -1.7e308, "high": 1.7e308}},
        {"x": {"type": "float", "low": 0, "high": 1, "step": 1e-300}},
        {"x": {"type": "float", "low": 5e-324, "high": 1.7e308, "log": True}},
        {f"p{i}": {"type": "int", "low": 0, "high": 1, **({"when": {f"p{i - 1}": [1]}} if i else {})} for i in range(60)},
    ],
    ids=["many", "choices", "int", "wide", "step", "log", "deep"],
)  # fmt: skip
def test_an_oversized_space_is_refused_or_served(
    client: TestClient, parameters: dict[str, Any], request: Any
) -> None:
    name = f"big-{request.node.callspec.id}"
    made = client.post(
        "/v1/studies", json={"name": name, "problem": {"name": name, "space": {"parameters": parameters}}}
    )
    sound(made, name)
    if made.status_code == 201:
        for _ in range(2):
            sound(client.post(f"/v1/studies/{name}/ask", json={}), name)
        for path in ("", "/trials", "/predict", "/figures/history", "/report"):
            method = "POST" if path == "/predict" else "GET"
            sound(client.request(method, f"/v1/studies/{name}{path}", json={"params": {}}), (name, path))
        client.delete(f"/v1/studies/{name}")


def test_a_key_of_one_study_reaches_no_other_by_any_route(ledger: Ledger) -> None:
    key = KeyStore(ledger.database).add("one", "admin", studies=["open"])
    app = create_app(ServerSettings("", keys=True, requests_per_minute=10**9), ledger)
    before = ledger.heads(ledger.find("secret").study_id)
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
        for path in (p for p in paths if "{study_name}" in p):
            for method in paths[path]:
                for spelling in (
                    "secret",
                    "%73ecret",
                    "secret%2f",
                    "./secret",
                    "open/../secret",
                    "open%2f..%2fsecret",
                ):
                    answer = client.request(method.upper(), filled(path, spelling), json={})
                    assert answer.status_code in (404, 405, 307), (method, path, spelling, answer.status_code)
                there = client.request(method.upper(), filled(path, "secret"), json={})
                nowhere = client.request(method.upper(), filled(path, "nowhere"), json={})
                assert there.text.replace("secret", "nowhere") == nowhere.text
        names = [item["name"] for item in client.get("/v1/studies").json()["items"]]
        assert "secret" not in names
        assert (
            client.post(
                "/v1/studies", json={"name": "secret", "problem": PLAIN, "exist_ok": True}
            ).status_code
            == 404
        )
        forked = client.post("/v1/studies/open/fork", json={"name": "secret"})
        assert forked.status_code == 404
    assert ledger.heads(ledger.find("secret").study_id) == before


def test_over_a_limit_every_answer_says_when_to_come_back(ledger: Ledger) -> None:
    store = KeyStore(ledger.database)
    slow = store.add("slow", "write", requests_per_minute=2)
    spent = store.add("spent", "write", asks_per_day=1)
    app = create_app(ServerSettings("", keys=True), ledger)
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        hasty = [client.get("/v1/about", headers={"Authorization": f"Bearer {slow}"}) for _ in range(3)]
        asked = [
            client.post("/v1/studies/open/ask", json={}, headers={"Authorization": f"Bearer {spent}"})
            for _ in range(2)
        ]
    for refused in (hasty[-1], asked[-1]):
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["detail"]


def test_a_repeated_ask_costs_its_budget_once(ledger: Ledger) -> None:
    key = KeyStore(ledger.database).add("once", "write", asks_per_day=1)
    app = create_app(ServerSettings("", keys=True), ledger)
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "0123456789"}
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        answers = [client.post("/v1/studies/open/ask", json={}, headers=headers) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 200]
    assert len({a.json()["trials"][0]["number"] for a in answers}) == 1
