"""Random requests made from the service's own OpenAPI document: only 2xx and 4xx with a reason, never 5xx.

The application is called in process; streams without an end are left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.evaluators.problems.problem import Problem

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ENDLESS = ("/v1/events", "/v1/studies/{study_name}/events")
PLAIN = {"name": "fuzzed", "space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/fuzz.db")
    Study(Problem.from_dict(PLAIN), storage=ledger, strategy="random")
    app = create_app(ServerSettings("", requests_per_minute=10**9, planners=()), ledger)
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as made:
        yield made


def test_no_request_breaks_the_service(client: TestClient) -> None:
    document: dict[str, Any] = client.get("/openapi.json").json()
    document["paths"] = {path: found for path, found in document["paths"].items() if path not in ENDLESS}
    schema = schemathesis.openapi.from_dict(document)
    tried = 0
    all_broken: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        broken: list[str] = []

        def call(case: Any, broken: list[str] = broken) -> None:
            nonlocal tried
            tried += 1
            if "study_name" in (case.path_parameters or {}) and tried % 3:
                case.path_parameters["study_name"] = "fuzzed"  # most requests shall reach the study
            request = case.as_transport_kwargs(base_url="http://127.0.0.1:8765")
            request = {
                k: v
                for k, v in request.items()
                if k in ("method", "url", "json", "params", "headers", "data")
            }
            answer = client.request(**request)
            if answer.status_code >= 500 or (answer.status_code >= 400 and not answer.json().get("detail")):
                broken.append(f"{request} -> {answer.status_code} {answer.text[:300]}")

        run = settings(
            max_examples=8,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        _drive(operation.as_strategy(), call, run)
        all_broken += broken[:1]
        if operation.method.upper() == "DELETE" and operation.path == "/v1/studies/{study_name}":
            restore(client)
    assert not all_broken, "\n".join(all_broken)
    assert tried > 150


def restore(client: TestClient) -> None:
    client.post(
        "/v1/studies", json={"name": "fuzzed", "problem": PLAIN, "strategy": "random", "exist_ok": True}
    )


def _drive(strategy: Any, call: Any, run: Any) -> None:
    from hypothesis import given

    @run
    @given(case=strategy)
    def every(case: Any) -> None:
        call(case)

    every()


def test_the_fuzzed_study_is_still_sound(client: TestClient, tmp_path: Path) -> None:
    assert client.get("/v1/studies").status_code == 200
    assert client.get("/ready").status_code == 200
