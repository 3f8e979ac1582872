"""The service over real HTTP: what REST answers, events and their resumption, what is refused, keys and limits."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contracts.served import served
from contracts.study import problem

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.client.study import RemoteStudy
from trialogue.api.server.app import ServerSettings, check_address
from trialogue.api.service.keys import KeyStore
from trialogue.serving.errors import InvalidInput

ATTACK = (
    "'; DROP TABLE trialogue_studies; -- <script>alert(1)</script> ../../etc/passwd \x00 ${jndi:ldap://x}"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("served") / "ledger.db"
    with served(f"sqlite:///{path}") as address:
        yield address


@pytest.fixture
def study(url: str, request: pytest.FixtureRequest) -> RemoteStudy:
    name = request.node.name[:60].replace("[", "-").replace("]", "")
    return RemoteStudy(problem(), url=url, name=name, strategy="random")


def at(url: str, study: RemoteStudy, path: str = "") -> str:
    return f"{url}/v1/studies/{study.name}{path}"


def test_a_study_is_listed_found_paged_and_deleted(url: str, study: RemoteStudy) -> None:
    study.add_many([({"kernel": "linear", "C": 1.0 + i}, i / 30) for i in range(25)])
    found = httpx2.get(f"{url}/v1/studies", params={"contains": study.name[:30]}).json()["items"]
    assert found[0]["best"]["values"] == [24 / 30]
    first = httpx2.get(at(url, study, "/trials"), params={"limit": 10}).json()
    assert (first["total"], first["next"], [t["number"] for t in first["items"]]) == (25, 10, list(range(10)))
    last = httpx2.get(at(url, study, "/trials"), params={"limit": 10, "after": 20}).json()
    assert (len(last["items"]), last["next"]) == (5, None)
    worst = httpx2.get(at(url, study, "/trials"), params={"order": "value", "limit": 1}).json()["items"][0]
    assert worst["values"] == [0.0]
    assert httpx2.delete(at(url, study)).status_code == 204
    assert httpx2.get(at(url, study)).status_code == 404


def test_what_a_study_teaches_is_served(url: str, study: RemoteStudy) -> None:
    assert httpx2.get(at(url, study, "/importances"), timeout=60).status_code == 409
    assert httpx2.get(at(url, study, "/best")).json()["type"].endswith("NoFeasibleTrial")
    study.add_many([({"kernel": "linear", "C": 10.0 ** (i / 4)}, -((i - 5) ** 2) / 30) for i in range(12)])
    assert set(httpx2.get(at(url, study, "/importances"), timeout=60).json()) >= {"kernel", "C"}
    for figure in ("history", "parallel", "slices", "importances", "sources"):
        drawn = httpx2.get(at(url, study, f"/figures/{figure}"), timeout=60)
        assert drawn.status_code == 200, drawn.text
        assert drawn.json()["data"]
    assert httpx2.get(at(url, study, "/figures/../../x")).status_code in (404, 422)
    assert "Content-Security-Policy" in httpx2.get(at(url, study, "/report"), timeout=60).headers
    belief = httpx2.post(
        at(url, study, "/predict"), json={"params": {"kernel": "linear", "C": 17.0}}, timeout=60
    ).json()
    assert belief["prediction"]["sd"][0] > 0


def listen(address: str, stop_after: int, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with httpx2.stream("GET", address, headers=headers, timeout=20) as stream:
        event: dict[str, Any] = {}
        for line in stream.iter_lines():
            if line.startswith(("id:", "event:", "data:")):
                key, _, value = line.partition(": ")
                event[key] = value
            elif not line and event.get("data"):
                found.append(event)
                event = {}
                if len(found) == stop_after:
                    break
    return found


def test_events_are_live_numbered_and_resumable(url: str, study: RemoteStudy) -> None:
    heard: list[dict[str, Any]] = []
    listener = threading.Thread(target=lambda: heard.extend(listen(at(url, study, "/events"), 4)))
    listener.start()
    trial = study.ask()
    study.tell(trial, 0.5)
    study.note("halfway")
    listener.join(20)
    assert [e["event"] for e in heard] == ["created", "asked", "told", "note"]
    assert [int(e["id"]) for e in heard] == [1, 2, 3, 4]
    again = listen(at(url, study, "/events"), 2, {"Last-Event-ID": "2"})
    assert [e["event"] for e in again] == ["told", "note"]
    assert json.loads(again[0]["data"])["trial_number"] == 0


def test_many_listeners_hear_what_another_process_does(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/shared.db"
    outside = Study(problem(), storage=storage, strategy="random")

    async def hear(client: httpx2.AsyncClient) -> str:
        async with client.stream("GET", "/v1/studies/svm/events?from=now", timeout=20) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event:"):
                    return line
        return ""

    async def all_of_them(url: str) -> list[str]:
        limits = httpx2.Limits(max_connections=100)
        async with httpx2.AsyncClient(base_url=url, limits=limits, trust_env=False) as client:
            waiting = [asyncio.create_task(hear(client)) for _ in range(30)]
            until = time.monotonic() + 60
            while not all(task.done() for task in waiting) and time.monotonic() < until:
                outside.remark("from another process")  # again for those who began to listen only now
                await asyncio.sleep(0.5)
            return [task.result() if task.done() else "" for task in waiting]

    with served(storage) as url:
        assert set(asyncio.run(all_of_them(url))) == {"event: remark"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/studies", b"{", 422),
        ("POST", "/v1/studies", b"[1, 2", 422),
        ("POST", "/v1/studies", b'{"name": "x"}', 422),
        ("POST", "/v1/studies", b'{"name": "../x", "problem": {}}', 422),
        ("POST", "/v1/studies", b'{"name": "x", "problem": {"name": "x"}}', 409),
        ("POST", "/v1/studies", b'{"toml": "[study"}', 409),
        ("POST", "/v1/studies", b'{"toml": "[evaluator]\\ncommand=[\\"rm\\"]"}', 409),
        ("POST", "/v1/studies", b"x" * 10_000_000, 413),
        ("POST", "/v1/studies", b"[" * 100_000, 400),
        ("GET", "/v1/studies/..%2f..%2fetc", None, 404),
        ("GET", "/static/..%2fserver.py", None, 404),
        ("GET", "/static/../server.py", None, 404),
        ("GET", "/v1/studies?limit=100000", None, 422),
        ("PUT", "/v1/studies", None, 405),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_malformed_requests_are_refused_with_a_reason(
    url: str, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = httpx2.request(method, url + path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_every_text_field_takes_any_text(url: str, study: RemoteStudy) -> None:
    trial = study.ask()
    study.note(ATTACK.replace("\x00", ""))
    study.tell(trial, failed=ATTACK)
    study.exclude(trial.number, reason=ATTACK)
    study.enqueue({"kernel": "linear", "C": 1.0}, reason=ATTACK)
    said = httpx2.post(at(url, study, "/chat"), json={"text": f"/note {ATTACK}"})
    assert said.status_code == 200
    assert httpx2.get(at(url, study, "/report"), timeout=60).status_code == 200
    assert "<script>alert(1)" not in httpx2.get(at(url, study, "/report"), timeout=60).text
    listed = httpx2.get(f"{url}/v1/studies", params={"contains": ATTACK.replace("\x00", "")[:90]}).json()[
        "items"
    ]
    assert [item["name"] for item in listed] == [study.name], "it is found by its note"
    assert study.trial(trial.number).excluded == ATTACK.replace("\x00", "\ufffd")


def test_an_oversized_space_is_refused_or_served_but_never_breaks(url: str) -> None:
    parameters = {f"x{i}": {"type": "float", "low": 0, "high": 1} for i in range(5_000)}
    body = {
        "name": "wide",
        "problem": {"name": "wide", "space": {"parameters": parameters}},
        "strategy": "random",
    }
    answer = httpx2.post(f"{url}/v1/studies", json=body, timeout=60)
    assert answer.status_code in (201, 409)


def test_keys_scopes_rates_and_daily_budgets(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/keys.db")
    for name in ("mine", "other"):
        Study(problem(), name=name, storage=ledger, strategy="random")
    keys = KeyStore(ledger.database)
    worker = keys.add("worker", "write", studies=["mine"], asks_per_day=3)
    hasty = keys.add("hasty", "read", requests_per_minute=3)
    boss = keys.add("boss", "admin")

    def get(path: str, key: str, method: str = "GET", **kwargs: Any) -> httpx2.Response:
        return httpx2.request(method, address + path, headers={"Authorization": f"Bearer {key}"}, **kwargs)

    with served("", ledger=ledger, keys=True) as address:
        assert httpx2.get(f"{address}/v1/studies").status_code == 401
        assert httpx2.get(f"{address}/").status_code == 200
        assert [s["name"] for s in get("/v1/studies", worker).json()["items"]] == ["mine"]
        assert get("/v1/studies/other", worker).status_code == 404
        assert get("/v1/studies/other/ask", worker, "POST", json={}).status_code == 404
        assert get("/v1/studies/mine/fork", worker, "POST", json={"name": "theirs"}).status_code == 404
        learning = {
            "name": "mine",
            "problem": problem().to_dict(),
            "engine": {"transfer": ["other"]},
            "exist_ok": True,
        }
        assert get("/v1/studies", worker, "POST", json=learning).status_code == 404
        assert get("/v1/studies/mine/chat", worker, "POST", json={"text": "/fork theirs"}).status_code == 200
        assert not ledger.has("theirs")
        assert get("/v1/studies/mine", worker, "DELETE").status_code == 403
        assert get("/v1/studies/mine/ask", worker, "POST", json={"n": 3}).status_code == 200
        spent = get("/v1/studies/mine/ask", worker, "POST", json={})
        assert spent.status_code == 429
        assert int(spent.headers["retry-after"]) > 0
        assert [get("/v1/about", hasty).status_code for _ in range(4)] == [200, 200, 200, 429]
        made = get("/v1/keys", boss, "POST", json={"name": "late", "scope": "read"}).json()["key"]
        assert get("/v1/about", made).json()["caller"]["name"] == "late"
        assert get("/v1/keys/late", boss, "DELETE").status_code == 204
        assert get("/v1/about", made).status_code == 401
        assert worker not in get("/v1/keys", boss).text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "lab.example"])
def test_other_addresses_are_refused_without_keys(host: str) -> None:
    with pytest.raises(InvalidInput, match="needs keys"):
        check_address(ServerSettings("sqlite://", host=host))
    check_address(ServerSettings("sqlite://", host=host, keys=True))


def test_the_operator_sees_health_metrics_and_the_contract(url: str, study: RemoteStudy) -> None:
    study.tell(study.ask(), 0.5)
    assert httpx2.get(f"{url}/ready").json() == {"status": "ready"}
    metrics = httpx2.get(f"{url}/metrics").text
    assert 'trialogue_trials_asked_total{source="random",verdict="own"}' in metrics
    assert "trialogue_request_seconds_bucket" in metrics
    paths = httpx2.get(f"{url}/openapi.json").json()["paths"]
    assert "/v1/studies/{study_name}/ask" in paths
    assert not any("command" in p or "exec" in p for p in paths)


def test_the_page_loads_nothing_from_elsewhere(url: str) -> None:
    page = httpx2.get(f"{url}/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
    assert httpx2.get(f"{url}/static/plotly.min.js").status_code == 200
