"""Each field of each body, and each parameter of each path, with what programs send by mistake and people on purpose.

Always an answer with a reason, never 5xx, and the list of studies can be read after each.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.server.app import Settings, create_app

pytestmark = pytest.mark.slow
HOSTILE = [
    "NaN", "Infinity", "-Infinity", "1e999", "-0.0", "5e-324", "9" * 400, "-" + "9" * 5_000, str(2**31), str(2**63), "true",
    "null", '""', '" "', r'"\ud800"', r'"a\udfffb"', r'"\u0000"', r'"a\u0000b"', r'"\u001b[31m\u0007\u0008"', r'"\u202e"',
    '"' + "x" * 100_000 + '"', '"' + "a1" * 2_000 + '"', "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000,
    "{}", "[]", r'{"\u0000": 1}', r'{"\ud800": NaN}', '{"__class__": [1]}', "[null]",
]  # fmt: skip
MEASUREMENT = {
    "values": [0.5], "sem": [0.1], "constraints": {"c": 1.0}, "metrics": {"m": 1.0}, "seconds": 1.0, "cost": 1.0,
}  # fmt: skip
PROBLEM = {
    "name": "p", "description": "words", "context": {"k": "v"}, "constraints": [{"name": "c", "upper": 1.0, "unit": "s"}],
    "objectives": [{"name": "y", "direction": "minimize", "unit": "s", "description": "d"}],
    "space": {
        "parameters": {
            "x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "description": "d", "unit": "u"},
            "k": {"type": "categorical", "choices": ["a", "b"], "default": "a"},
            "n": {"type": "int", "low": 1, "high": 4, "step": 1},
            "z": {"type": "float", "low": 0.0, "high": 1.0, "when": {"k": ["b"]}},
        },
        "where": ["x <= n"],
    },
}  # fmt: skip
S = "/v1/studies/open"
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/studies", {"name": "new", "problem": PROBLEM, "seed": 1, "planner": None, "strategy": "random",
                             "budget": {"trials": 9, "seconds": 9.0, "price": 1.0}, "exist_ok": True}),
    ("POST", "/v1/studies", {"toml": "[study]\nname = 'a'\n[parameters.x]\ntype = 'float'\nlow = 0\nhigh = 1\n"}),
    ("POST", "/v1/draft", {"text": "lr from 1e-4 to 1e-1", "name": "draft"}),
    ("POST", f"{S}/ask", {"n": 1, "fixed": {"x": 0.5}, "worker": "w", "lease_s": 9.0}),
    ("POST", f"{S}/heartbeat", {"worker": "w", "numbers": [0], "lease_s": 9.0}),
    ("POST", f"{S}/trials/0/tell", {"measurement": MEASUREMENT, "kind": "crash", "requeue": False}),
    ("POST", f"{S}/trials/0/tell", {"failed": "why", "kind": "crash"}),
    ("POST", f"{S}/trials/0/report", {"step": 1, "value": 0.5}),
    ("POST", f"{S}/trials/0/exclude", {"reason": "why"}),
    ("POST", f"{S}/enqueue", {"params": {"x": 0.5, "n": 2, "k": "a"}, "reason": "why"}),
    ("POST", f"{S}/add", {"rows": [{"params": {"x": 0.5, "n": 2, "k": "a"}, "measurement": MEASUREMENT}]}),
    ("POST", f"{S}/predict", {"params": {"x": 0.5, "n": 2, "k": "a"}}),
    ("POST", f"{S}/order", {"n": 1}),
    ("PUT", f"{S}/budget", {"trials": 99, "seconds": 9e9, "tokens": 9, "calls": 9, "price": 9.0}),
    ("POST", f"{S}/fork", {"name": "fork", "problem": PROBLEM}),
    ("POST", f"{S}/verify", {"candidate": 0, "against": 0, "objective": 0, "pairs": 5, "least": 0.1}),
    ("POST", f"{S}/note", {"text": "words"}),
    ("POST", f"{S}/chat", {"text": "/show"}),
    ("POST", f"{S}/chat/decisions", {"decisions": [{"type": "edit", "arguments": {"n": 1}, "message": "m"}]}),
]  # fmt: skip
PATHS = [
    "/v1/studies/{}", "/v1/studies/{}/trials", f"{S}/trials/{{}}", f"{S}/figures/{{}}", f"{S}/trials?source={{}}",
    f"{S}/trials?after={{}}", f"{S}/log?after={{}}", "/v1/studies?contains={}", "/v1/studies?after={}", "/static/{}", "/{}",
]  # fmt: skip
TEXTS = [
    "NaN",
    "\x00",
    "a\x00b",
    "\x1b[31m",
    "9" * 400,
    "x" * 5_000,
    "..",
    "%",
    "ü\u202e",
    "-1",
    "1e3",
    "{}",
    "[[" * 500,
]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app(Settings("", requests_per_minute=10**9), Ledger())
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as made:
        body = {"name": "open", "problem": PROBLEM, "strategy": "random"}
        assert made.post("/v1/studies", json=body).status_code == 201
        assert made.post(f"{S}/ask", json={"n": 3}).status_code == 200
        yield made


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body, the whole of it too."""
    yield at
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*at, key))


def with_mark(value: Any, at: tuple[Any, ...]) -> Any:
    if not at:
        return "@@"
    inner = with_mark(value[at[0]], at[1:])
    return (
        value | {at[0]: inner} if isinstance(value, dict) else [*value[: at[0]], inner, *value[at[0] + 1 :]]
    )


def sound(client: TestClient, answer: Any, what: object) -> None:
    assert answer.status_code < 500, (what, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.json()["detail"], what
    listed = client.get("/v1/studies")
    assert listed.status_code == 200, what
    assert "open" in [s["name"] for s in listed.json()["items"]], what


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=lambda v: v if isinstance(v, str) else "")
def test_no_field_of_a_body_breaks_the_service(
    client: TestClient, method: str, path: str, body: dict[str, Any]
) -> None:
    for i, at in enumerate(places(body)):
        marked = json.dumps(with_mark(body, at))
        for text in HOSTILE[i % 2 :: 2]:  # every field gets half of them, its neighbour the other half
            answer = client.request(
                method,
                path,
                content=marked.replace('"@@"', text),
                headers={"Content-Type": "application/json"},
            )
            sound(client, answer, (path, at, text[:60]))


def test_ten_megabytes_in_a_field_are_refused(client: TestClient) -> None:
    for method, path, body in BODIES:
        content = json.dumps(with_mark(body, (next(iter(body)),))).replace("@@", "x" * 10_000_000)
        answer = client.request(method, path, content=content)
        assert answer.status_code == 413
        sound(client, answer, path)


def test_no_text_in_a_path_breaks_the_service(client: TestClient) -> None:
    for path in PATHS:
        for text in TEXTS:
            sound(client, client.get(path.format(quote(text, safe=""))), (path, text[:60]))
