import pytest

from trialogue.serving.endpoints.chat import ChatMessage, ChatRequest
from trialogue.serving.endpoints.client import OpenAIClient
from trialogue.serving.endpoints.recording import RecordedEndpoint
from trialogue.serving.errors import EndpointRefused, EndpointUnreachable
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer


def ask(endpoint, text="hello"):
    return endpoint.complete(ChatRequest((ChatMessage("user", text),), seed=1), deadline_s=5)


def test_recorded_calls_replay_without_a_network(tmp_path):
    path = tmp_path / "calls.jsonl"
    with ScriptedServer({"m": lambda c: ScriptedReply(f"answer to {c.text}")}) as server:
        live = [ask(RecordedEndpoint(path, OpenAIClient(server.url)), t) for t in ("a", "b")]
    offline = RecordedEndpoint(path, mode="replay")
    replayed = [ask(offline, t) for t in ("b", "a")]
    assert [r.completions for r in replayed] == [live[1].completions, live[0].completions]
    assert [r.usage for r in replayed] == [live[1].usage, live[0].usage]
    assert all(r.replayed for r in replayed)
    assert offline.model == "m"


def test_failures_replay_as_failures(tmp_path):
    path = tmp_path / "calls.jsonl"
    with (
        ScriptedServer(lambda c: ScriptedReply(status=401, text="no")) as server,
        pytest.raises(EndpointRefused),
    ):
        ask(RecordedEndpoint(path, OpenAIClient(server.url)))
    with pytest.raises(EndpointRefused):
        ask(RecordedEndpoint(path, mode="replay"))


def test_repeated_requests_replay_in_order(tmp_path):
    path = tmp_path / "calls.jsonl"
    with ScriptedServer(lambda c: ScriptedReply(str(c.index))) as server:
        live = RecordedEndpoint(path, OpenAIClient(server.url), mode="record")
        assert [ask(live).completions[0].text for _ in range(3)] == ["0", "1", "2"]
    offline = RecordedEndpoint(path, mode="replay")
    assert [ask(offline).completions[0].text for _ in range(4)] == ["0", "1", "2", "2"]


def test_an_unknown_request_says_that_the_recording_lacks_it(tmp_path):
    with pytest.raises(EndpointUnreachable, match="recording"):
        ask(RecordedEndpoint(tmp_path / "none.jsonl", mode="replay"))


def test_no_key_is_in_a_recording(tmp_path):
    path = tmp_path / "calls.jsonl"
    with ScriptedServer(lambda c: ScriptedReply("x"), api_key="sk-0123456789abcdef") as server:
        ask(RecordedEndpoint(path, OpenAIClient(server.url, api_key="sk-0123456789abcdef")))
    assert "0123456789abcdef" not in path.read_text()


def test_an_address_stays_the_same_while_the_model_becomes_known(tmp_path):
    path = tmp_path / "calls.jsonl"
    with ScriptedServer(lambda c: ScriptedReply("x")) as server:
        live = OpenAIClient(server.url)
        recorded = RecordedEndpoint(path, live)
        before = recorded.address
        ask(recorded)
        assert live.model != "unknown"
        assert before == recorded.address == live.address == f"{server.url}#unknown"
        assert OpenAIClient(server.url, model="m").address == f"{server.url}#m"
    replayed = RecordedEndpoint(tmp_path / "empty.jsonl", mode="replay")
    assert replayed.address == "#recorded"
