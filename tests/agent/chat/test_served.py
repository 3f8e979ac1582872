"""Servers with quirks, over real HTTP: the conversation goes on with each of them."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from contracts.chat_peer import chat_peer
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from trialogue.agent.chat.endpoint import Endpoint
from trialogue.agent.chat.served import ServedChat
from trialogue.serving.errors import EndpointRefused


@tool
def show() -> str:
    """Show the study."""
    return "shown"


TALK = [SystemMessage("be brief"), HumanMessage("hello")]


def model(peer, *, stream=True, tools=(show,)):
    return Endpoint.at(peer.url, stream=stream).chat_model().bind_tools(tools)


def refuses(part, words):
    def answer(body):
        there = body["messages"][0]["role"] == "system" if part == "system" else part in body
        return (400, words) if there else "fine"

    return answer


@pytest.mark.parametrize("stream", [True, False])
def test_words_and_calls_come_whole(stream):
    with chat_peer("It is good.", ("show", {})) as peer:
        said = model(peer, stream=stream).invoke(TALK)
        assert said.text.strip() == "It is good."
        assert said.usage_metadata == {"input_tokens": 100, "output_tokens": 7, "total_tokens": 107}
        (call,) = model(peer, stream=stream).invoke(TALK).tool_calls
    assert (call["name"], call["args"]) == ("show", {})
    assert call["id"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("tools", "this model does not support tools"),
        ("tools", '"auto" tool choice requires --enable-auto-tool-choice'),
        ("system", "System role not supported"),
        ("stream_options", "Unrecognized request argument supplied: stream_options"),
    ],
)
def test_what_a_server_does_not_know_is_left_out_and_not_sent_again(part, words):
    quirk = refuses(part, words)
    with chat_peer(*[quirk] * 3) as peer:
        talking = model(peer)
        assert talking.invoke(TALK).text.strip() == "fine"
        assert talking.invoke(TALK).text.strip() == "fine"
        assert len(peer.requests) == 3


def test_a_conversation_that_a_server_refuses_is_cut_to_its_latest_turn():
    def strict(body):
        return (400, "broken") if len(body["messages"]) > 2 else "fine"

    history = [*TALK, AIMessage("poison"), HumanMessage("again")]
    with chat_peer(strict, strict) as peer:
        assert model(peer).invoke(history).text.strip() == "fine"
        assert [m["content"] for m in peer.requests[1]["messages"]] == ["be brief", "again"]


def test_a_call_that_was_never_answered_breaks_nothing():
    lost = AIMessage("", tool_calls=[{"name": "show", "args": {}, "id": "c"}])
    with chat_peer("fine", "fine") as peer:
        model(peer).invoke([*TALK, lost, HumanMessage("again")])
        model(peer).invoke([*TALK, ToolMessage("stray", tool_call_id="x")])
    assert [m["role"] for m in peer.requests[0]["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "user",
    ]
    assert [m["role"] for m in peer.requests[1]["messages"]] == ["system", "user"]


def test_a_wrong_key_is_told_and_asked_for_once():
    with chat_peer((401, "wrong key")) as peer, pytest.raises(EndpointRefused, match="401: wrong key"):
        model(peer).invoke(TALK)
    assert len(peer.requests) == 1


@pytest.fixture
def endless():
    """A server that writes words for ever, one after the other."""

    class Writer(BaseHTTPRequestHandler):
        def log_message(self, format, *args): ...

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not ended.wait(0.02):
                    self.wfile.write(b'data: {"choices": [{"index": 0, "delta": {"content": "more "}}]}\n\n')

    ended = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Writer) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/v1"
        ended.set()
        http.shutdown()


def test_an_answer_that_never_ends_is_what_has_come_in_time(endless):
    said = ServedChat(base_url=endless, name="m", timeout_s=1.0).invoke(TALK)
    assert said.text.startswith("more more")


def test_a_message_that_was_too_long_does_not_come_back_with_the_next_one():
    def strict(body):
        return (400, "too long") if "endless" in str(body["messages"]) else "fine"

    with chat_peer(strict, strict) as peer:
        assert (
            model(peer).invoke([*TALK, HumanMessage("endless"), HumanMessage("again")]).text.strip() == "fine"
        )
        assert [m["content"] for m in peer.requests[1]["messages"]] == ["be brief", "again"]
