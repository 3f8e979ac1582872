"""Each field of each body, and each parameter of each path, with what programs send by mistake and people on purpose.

Always an answer with a reason, never 5xx, and the list of studies can be read after each. ``benchmarks/fuzz.py`` sends all
there is to a real server; here every field gets half of it, in process.
"""

from collections.abc import Iterator

import pytest
from contracts import hostile
from contracts.hostile import Sent
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.server.app import ServerSettings, create_app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app(ServerSettings("", requests_per_minute=10**9), Ledger())
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as made:
        body = {"name": "open", "problem": hostile.PROBLEM, "strategy": "random"}
        assert made.post("/v1/studies", json=body).status_code == 201
        assert made.post(f"{hostile.S}/ask", json={"n": 3}).status_code == 200
        yield made


def sound(client: TestClient, sent: Sent) -> int:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in sent.headers.items()]
    answer = client.request(sent.method, sent.path, content=sent.content, headers=headers)
    assert answer.status_code < 500, (sent.about, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.json().get("detail") or answer.json().get("error"), sent
    listed = client.get("/v1/studies")
    assert listed.status_code == 200, sent.about
    assert "open" in [s["name"] for s in listed.json()["items"]], sent.about
    return answer.status_code


@pytest.mark.parametrize("path", sorted({path for _, path, _ in hostile.BODIES}))
def test_no_field_of_a_body_breaks_the_service(client: TestClient, path: str) -> None:
    for sent in hostile.bodies(half=True):
        if sent.path == path:
            sound(client, sent)


def test_ten_megabytes_in_a_field_are_refused(client: TestClient) -> None:
    content = b'{"text": "' + b"x" * 10_000_000 + b'"}'
    for method, path, _ in hostile.BODIES:
        assert sound(client, Sent("large", method, path, content)) == 413


@pytest.mark.parametrize("kind", ["study_files", "commands", "names", "headers", "paths", "tools"])
def test_nothing_else_breaks_the_service(client: TestClient, kind: str) -> None:
    for i, sent in enumerate(getattr(hostile, kind)()):
        if i % 7 == 0 and "/.." not in sent.path:  # which the client would take out
            sound(client, sent)


def test_no_query_breaks_the_service(client: TestClient) -> None:
    for i, sent in enumerate(hostile.queries(client.get("/openapi.json").json())):
        if i % 3 == 0:
            sound(client, sent)
