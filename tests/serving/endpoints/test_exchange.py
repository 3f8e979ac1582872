"""Servers with one quirk each, over real HTTP: the answer comes, with two extra requests at most, and only once."""

import json

import pytest

from trialogue.serving.endpoints.chat import ChatMessage, ChatRequest
from trialogue.serving.endpoints.client import OpenAIClient
from trialogue.serving.errors import EndpointRefused
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer

REQUEST = ChatRequest(
    (ChatMessage("system", "be brief"), ChatMessage("user", "hello")),
    n=1,
    schema={"type": "object"},
    temperature=0.5,
    seed=1,
)


def refuses(part, status, words, *, times=10**9):
    """A server that refuses requests with ``part``, so often."""
    left = [times]

    def behaviour(call):
        there = call.messages[0]["role"] == "system" if part == "system" else part in call.body
        if there and left[0] > 0:
            left[0] -= 1
            if status == 200:
                return ScriptedReply(raw=json.dumps({"error": {"message": words}}).encode())
            return ScriptedReply(words, status=status)
        return ScriptedReply("fine")

    return behaviour


def answers(client, request=REQUEST):
    return [c.text for c in client.complete(request, deadline_s=10).completions]


@pytest.mark.parametrize("status", [200, 400, 404, 422, 500, 501])
@pytest.mark.parametrize("words", ["json_schema is not supported", "unsupported parameters"])
def test_a_server_without_schemas_is_found_out_however_it_says_so(status, words):
    with ScriptedServer(refuses("response_format", status, words)) as server:
        client = OpenAIClient(server.url, model="scripted")
        assert answers(client) == answers(client) == ["fine"]
        assert len(server.requests) <= 4
        assert client.abilities.refused == {"schema"}


@pytest.mark.parametrize(
    ("part", "name"),
    [("seed", "seed"), ("temperature", "temperature"), ("max_tokens", "max_tokens"), ("system", "system")],
)
@pytest.mark.parametrize("terse", [False, True])
def test_what_a_server_refuses_is_left_out_and_remembered(part, name, terse):
    words = "Bad Request" if terse and part != "max_tokens" else f"{part} role or parameter is not supported"
    with ScriptedServer(refuses(part, 400, words)) as server:
        client = OpenAIClient(server.url, model="scripted")
        assert answers(client) == answers(client) == ["fine"]
        assert len(server.requests) <= 4
        assert name in client.abilities.refused


def test_a_server_of_one_choice_is_asked_for_one_at_a_time():
    with ScriptedServer(refuses("n", 400, "Only one completion choice is allowed")) as server:
        client = OpenAIClient(server.url, model="scripted")
        assert answers(client, ChatRequest(REQUEST.messages, n=3)) == ["fine"] * 3
        assert len(server.requests) == 4


def test_nothing_is_learnt_from_a_request_that_never_succeeds():
    with ScriptedServer(lambda call: ScriptedReply("no", status=400)) as server:
        client = OpenAIClient(server.url, model="scripted")
        with pytest.raises(EndpointRefused, match="answered 400: no"):
            answers(client)
        assert not client.abilities.refused
        assert len(server.requests) == 3


def test_a_fault_inside_a_server_that_passes_teaches_nothing():
    with ScriptedServer(refuses("messages", 500, "oops", times=1)) as server:
        client = OpenAIClient(server.url, model="scripted")
        assert answers(client) == ["fine"]
        assert not client.abilities.refused


def test_an_answer_without_choices_is_asked_for_again():
    empty = [ScriptedReply(raw=b'{"choices": []}')]
    with ScriptedServer(lambda call: empty.pop() if empty else ScriptedReply("fine")) as server:
        assert answers(OpenAIClient(server.url, model="scripted")) == ["fine"]


def test_abilities_of_another_time_spare_the_refusals():
    with ScriptedServer(refuses("response_format", 400, "no schema")) as server:
        first = OpenAIClient(server.url, model="scripted")
        answers(first)
        second = OpenAIClient(server.url, model="scripted")
        second.recall(first.abilities)
        answers(second)
        assert len(server.requests) == 3
