"""Studies over REST: what is accepted works everywhere, and what could not work is refused when it is made."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.serving.errors import InvalidInput

SPACE = {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}
TOML = """[study]
name = {name}
strategy = "random"
[parameters.x]
type = "float"
low = 0
high = 1
"""


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app(ServerSettings("", planners=("http://127.0.0.1:9/v1",)), Ledger())
    with TestClient(app, base_url="http://127.0.0.1:8765") as made:
        yield made


def made(client: TestClient, name: str, problem: dict[str, Any] | None = None, **settings: Any) -> Any:
    whole = {"name": name, "space": SPACE} | (problem or {})
    return client.post("/v1/studies", json={"name": name, "problem": whole} | settings)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"strategy": "nonsense"}, "strategy"),
        ({"strategy": "surrogate:nonsense"}, "nonsense"),
        ({"strategy": "surrogate:"}, "surrogate"),
        ({"strategy": "llambo"}, "needs a model"),
        ({"strategy": "trialogue"}, "needs a model"),
        ({"strategy": "pairs:{}"}, "verify"),
        ({"strategy": "random", "engine": {"design": "dpp"}}, "no engine"),
        ({"planner": "http://127.0.0.1:1/v1"}, "started with"),
        ({"planner": "nonsense"}, "started with"),
    ],
)
def test_what_could_decide_nothing_is_refused_and_not_stored(
    client: TestClient, settings: dict[str, Any], word: str
) -> None:
    refused = made(client, "never", **settings)
    assert refused.status_code == 409
    assert word in refused.json()["detail"]
    assert client.get("/v1/studies/never").status_code == 404


def test_a_study_that_is_there_takes_no_strategy_that_could_decide_nothing(client: TestClient) -> None:
    assert made(client, "there", strategy="random").status_code == 201
    assert made(client, "there", strategy="nonsense", exist_ok=True).status_code == 409
    assert client.post("/v1/studies/there/ask", json={}).status_code == 200


@pytest.mark.parametrize(
    "strategy", ["surrogate", "random", "mcts", "surrogate:forest", "surrogate:per-second", None]
)
def test_a_strategy_that_is_accepted_decides(client: TestClient, strategy: str | None) -> None:
    name = f"with {strategy}".replace(":", "-")
    assert made(client, name, strategy=strategy).status_code == 201
    asked = client.post(f"/v1/studies/{name}/ask", json={"n": 2})
    assert asked.status_code == 200, asked.text


@pytest.mark.parametrize(
    "problem",
    [
        {"constraints": [{"name": "c" * 200, "upper": 1.0}]},
        {"objectives": [{"name": "o" * 200}]},
        {"objectives": [{"name": f"o{i}"} for i in range(100)]},
        {"constraints": [{"name": f"c{i}", "upper": 1} for i in range(1_000)]},
        {"space": {"parameters": {"p" * 100: {"type": "int", "low": 0, "high": 3}}}},
        {"space": {"parameters": {"x": {"type": "categorical", "choices": ["a" * 5_000, "b"]}}}},
        {"objectives": [{"name": "state"}, {"name": 'value/µs, "quoted"'}]},
    ],
    ids=["constraint", "objective", "objectives", "constraints", "parameter", "choice", "words"],
)
def test_a_problem_that_is_accepted_can_be_worked_on(
    client: TestClient, problem: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = f"works {request.node.callspec.id}"
    study = f"/v1/studies/{name}"
    assert made(client, name, problem, strategy="random").status_code == 201
    stated = client.get(study).json()
    trial = client.post(f"{study}/ask", json={}).json()["trials"][0]
    measurement = {
        "values": [0.5] * len(stated["objectives"]),
        "constraints": {c["name"]: 0.5 for c in problem.get("constraints", ())},
    }
    told = client.post(f"{study}/trials/{trial['number']}/tell", json={"measurement": measurement})
    assert told.status_code == 200, told.text
    for path in ("enqueue", "predict"):
        assert client.post(f"{study}/{path}", json={"params": trial["params"]}).status_code == 200
    fixed = client.post(f"{study}/ask", json={"fixed": trial["params"]})
    assert fixed.status_code in (200, 409)  # where they are all there is, nothing new is left
    for path in ("", "/trials", "/report", "/pareto", "/log"):
        assert client.get(f"{study}{path}").status_code == 200, path
    assert client.post(f"{study}/fork", json={"name": f"{name} fork"}).status_code == 201


@pytest.mark.parametrize(
    "problem",
    [{"objectives": [{"name": f"o{i}"} for i in range(101)]}, {"constraints": [f"c{i} <= 1" for i in range(1_001)]}],
    ids=["objectives", "constraints"],
)  # fmt: skip
def test_more_than_a_result_can_hold_is_refused(client: TestClient, problem: dict[str, Any]) -> None:
    assert made(client, "many", problem).status_code == 409


@pytest.mark.parametrize("name", ["a/b", "team/model v2", "ü∞", "a?b#c", "%2F", "../x", "x" * 200])
def test_a_name_from_a_study_file_works_in_every_path(client: TestClient, name: str) -> None:
    toml = TOML.format(name='"' + name + '"')
    assert client.post("/v1/studies", json={"toml": toml}).status_code == 201
    study = f"/v1/studies/{quote(name, safe='')}"
    assert client.get(study).json()["name"] == name
    assert client.post(f"{study}/ask", json={}).status_code == 200
    assert client.post(f"{study}/chat", json={"text": "/show"}).status_code == 200
    assert client.delete(study).status_code == 204


@pytest.mark.parametrize("name", [".", "..", "a\\u0000b", "a\\nb", " ", "\\u202e"])
def test_a_name_that_no_path_can_say_is_refused(client: TestClient, name: str) -> None:
    assert client.post("/v1/studies", json={"toml": TOML.format(name=f'"{name}"')}).status_code == 409


@pytest.mark.parametrize(
    "planner", ["nonsense", "http://", "http://[::1/v1", "ftp://host/v1", "vllm:", "http://a b/v1"]
)
def test_a_server_does_not_start_with_a_planner_that_is_none(planner: str) -> None:
    with pytest.raises(InvalidInput, match="planner"):
        create_app(ServerSettings("", planners=(planner,)), Ledger())


def test_studies_stand_side_by_side_as_far_as_one_may_see_them(client: TestClient) -> None:
    for i in range(3):
        assert made(client, f"side {i}", strategy="random").status_code == 201
        study = f"/v1/studies/side {i}"
        number = client.post(f"{study}/ask", json={}).json()["trials"][0]["number"]
        client.post(f"{study}/trials/{number}/tell", json={"measurement": {"values": [i], "cost": 2.5}})
        assert client.post(f"{study}/note", json={"text": f"number {i} "}).json() == {
            "text": f"number {i}",
            "trial": None,
        }
    page = client.get("/v1/across", params={"contains": "side number", "limit": 2}).json()
    assert [s["name"] for s in page["items"]] == ["side 2", "side 1"]
    assert page["items"][0]["history"] | {"seconds": 0} == {
        "trials": [0],
        "best": [2.0],
        "seconds": 0,
        "cost": [2.5],
    }
    rest = client.get("/v1/across", params={"contains": "side number", "after": page["next"]}).json()
    assert ([s["name"] for s in rest["items"]], rest["next"]) == (["side 0"], None)
    chosen = client.get("/v1/across", params={"study": ["side 0", "side 2", "nobody"]}).json()["items"]
    assert [s["name"] for s in chosen] == ["side 2", "side 0"]


@pytest.mark.parametrize("text", ["x" * 2_001, "nul \x00", "\x1b[31m", "\u202e"])
def test_a_note_that_no_door_could_show_is_refused(client: TestClient, text: str) -> None:
    made(client, "noted", strategy="random")
    assert client.post("/v1/studies/noted/note", json={"text": text}).status_code in (409, 422)
    assert client.get("/v1/studies/noted").json()["note"] == ""
    assert client.post("/v1/studies/noted/note", json={"text": "x", "trial": 9}).status_code == 404


@pytest.mark.parametrize("name", ["D%1C", "%C2%9A", "%F0%A7%A9%BE%C2%9A", "%E2%80%AE"])
def test_a_name_that_no_study_can_have_is_that_of_none(client: TestClient, name: str) -> None:
    for method, path in (("GET", ""), ("POST", "/reap"), ("GET", "/trials/0"), ("POST", "/trials/0/restore")):
        assert client.request(method, f"/v1/studies/{name}{path}").status_code == 404


def test_an_integer_may_be_written_as_a_float_and_a_truth_value_may_not(client: TestClient) -> None:
    assert made(client, "whole", strategy="random", seed=3.0, budget={"trials": 9.0}).status_code == 201
    at = "/v1/studies/whole"
    assert len(client.post(f"{at}/ask", json={"n": 2.0}).json()["trials"]) == 2
    assert client.put(f"{at}/budget", json={"trials": 20.0}).json() == {"trials": 20}
    beat = {"worker": "w", "numbers": [0.0, 1.0]}
    assert client.post(f"{at}/heartbeat", json=beat).status_code == 200
    for wrong in (True, 2.5, "2", 1e300, None):
        assert client.post(f"{at}/ask", json={"n": wrong}).status_code == 422


def test_a_heartbeat_is_one_transaction_however_many_trials_it_names(client: TestClient) -> None:
    assert made(client, "beaten", strategy="random").status_code == 201
    at, commits = "/v1/studies/beaten", list[object]()
    client.post(f"{at}/ask", json={"n": 3, "worker": "w"})
    client.post(f"{at}/ask", json={"worker": "another"})

    def count(connection: object) -> None:
        commits.append(connection)

    sa.event.listen(sa.Engine, "commit", count)
    try:
        beat = client.post(f"{at}/heartbeat", json={"worker": "w", "numbers": [0, 1, 2, 3, *[0] * 500]})
    finally:
        sa.event.remove(sa.Engine, "commit", count)
    assert beat.json() == {"held": [0, 1, 2], "lost": {"3": "trial 3 is held by another worker"}}
    assert len(commits) == 1


def test_trials_lost_before_a_fork_leave_no_credit(client: TestClient) -> None:
    assert made(client, "forked", strategy="random").status_code == 201
    for number in range(2):
        client.post("/v1/studies/forked/ask", json={})
        at = f"/v1/studies/forked/trials/{number}/tell"
        assert client.post(at, json={"failed": "gone", "kind": "lost"}).status_code == 200
    assert client.post("/v1/studies/forked/fork", json={"name": "fork"}).status_code == 201
    assert client.post("/v1/studies/fork/order", json={"n": 1}).json() == {"budget": {"trials": 1}}
