"""doctor says what is there and ends with 2 when something must be put right. Its endpoints are real local servers."""

import json
from pathlib import Path

import pytest

from trialogue.api.cli.app import main
from trialogue.api.doctor import doctor
from trialogue.api.doctor.endpoint import check_endpoint
from trialogue.serving.scripted.server import ScriptedCall, ScriptedReply, ScriptedServer
from trialogue.serving.vllm.capabilities import capabilities


def obedient(call: ScriptedCall) -> ScriptedReply:
    return ScriptedReply('{"kernel": "rbf"}')


def chatty(call: ScriptedCall) -> ScriptedReply:
    return ScriptedReply("I would choose the kernel called rbf.")


def states(url: str) -> dict[str, str]:
    return {f.subject: f.state for f in check_endpoint(url, 10.0)}


def test_an_obedient_server_passes() -> None:
    with ScriptedServer(obedient) as server:
        assert states(server.url) == {"endpoint": "ok", "model": "ok", "JSON schema": "ok", "abilities": "ok"}


def test_a_server_without_schemas_is_a_note() -> None:
    with ScriptedServer(obedient, supports_schema=False) as server:
        assert states(server.url)["JSON schema"] == "note"


def test_the_abilities_that_were_found_are_listed() -> None:
    def picky(call: ScriptedCall) -> ScriptedReply:
        if "seed" in call.body:
            return ScriptedReply("Unrecognized request argument supplied: seed", status=400)
        return obedient(call)

    with ScriptedServer(picky, obeys_n=False) as server:
        (found,) = (f for f in check_endpoint(server.url, 10.0) if f.subject == "abilities")
    assert found.state == "note"
    assert found.detail.startswith("takes schemas, the system's role, temperatures, max_tokens")
    assert found.detail.endswith("not: several answers at once, seeds")


def test_an_answer_that_breaks_the_schema_is_a_note() -> None:
    with ScriptedServer(chatty) as server:
        assert states(server.url)["JSON schema"] == "note"


def test_a_model_that_is_not_served_is_bad() -> None:
    with ScriptedServer({"small": obedient, "large": obedient}) as server:
        assert states(f"{server.url}#medium")["model"] == "bad"
        assert states(f"{server.url}#small")["model"] == "ok"


def test_a_wrong_key_is_bad() -> None:
    with ScriptedServer(obedient, api_key="right") as server:
        assert states(server.url)["endpoint"] == "bad"


def test_each_ability_of_a_server_is_proven_and_what_is_missing_is_a_note() -> None:
    def kernel(call: ScriptedCall) -> ScriptedReply:
        tops = [{"token": t, "logprob": p} for t, p in (("a", -0.1), ("b", -3.0), ("c", -4.0))]
        return ScriptedReply(
            '{"kernel": "rbf", "c": 3}', logprobs=[{"token": "a", "logprob": -0.1, "top_logprobs": tops}]
        )

    with ScriptedServer(kernel, api_key=None) as server:
        found = {f.subject: f for f in doctor.check_served(server.url, 10.0)}
    assert [found[n].state for n in ("structured output", "log-probabilities")] == ["ok", "ok"]
    assert found["prefix caching"].state == found["tool calls"].state == "note"
    assert "serve-model" in found["tool calls"].cure


def test_an_ability_that_is_missing_is_told_in_a_sentence() -> None:
    with ScriptedServer(chatty) as server:
        told = {c.name: c.detail for c in capabilities(server.url, "scripted")}
    assert told["structured output"] == "the answer is not JSON: 'I would choose the kernel called rbf.'"
    assert "no `logprobs`: the server ignores" in told["log-probabilities"]
    assert "no `message.tool_calls`: the server ignores" in told["tool calls"]
    with ScriptedServer(obedient) as server:
        told = {c.name: c.detail for c in capabilities(server.url, "scripted")}
    assert told["structured output"].startswith("the answer has no `c`")
    assert not any("Error" in detail and "refused" not in detail for detail in told.values())
    assert all(c.detail.startswith("no answer: ") for c in capabilities("http://127.0.0.1:9/v1", "none"))


def test_nothing_listening_is_bad() -> None:
    assert states("http://127.0.0.1:9/v1") == {"endpoint": "bad"}


def test_the_database_is_looked_at_and_not_created(tmp_path: Path) -> None:
    assert doctor.check_database(f"sqlite:///{tmp_path / 'new.db'}").state == "ok"
    assert not list(tmp_path.iterdir())
    (tmp_path / "text.db").write_text("nothing of a database " * 100)
    assert doctor.check_database(f"sqlite:///{tmp_path / 'text.db'}").state == "bad"
    assert doctor.check_database(f"sqlite:///{tmp_path / 'no' / 'such.db'}").state == "bad"


def test_an_unknown_planner_is_bad() -> None:
    assert [f.state for f in doctor.check_planner("gpt", 1.0)] == ["bad"]


def test_the_command_speaks_json_and_ends_with_two(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--planner", "http://127.0.0.1:9/v1", "--json"])
    assert end.value.code == 2
    found = json.loads(capsys.readouterr().out)
    assert {f["subject"] for f in found} == {"Python", "torch", "database", "endpoint"}


def test_the_command_is_content_without_a_planner(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["doctor"])
    assert end.value.code == 0
    assert "All is well." in capsys.readouterr().out
