import json

import pytest

from trialogue.serving.endpoints.refusals import Refusal
from trialogue.serving.endpoints.stream import chat_events
from trialogue.serving.errors import EndpointRefused, EndpointTimeout, EndpointUnreachable
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer

BODY = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}], "stream": True}


def events(reply, *, timeout_s=5.0, **kwargs):
    with ScriptedServer(lambda call: reply) as server:
        return list(chat_events(server.url, BODY, timeout_s=timeout_s, **kwargs))


def test_events_come_one_by_one_between_comments():
    raw = b': keep-alive\n\ndata: {"n": 1}\n\ndata: {"n": 2}\n\ndata: [DONE]\n\ndata: {"n": 3}\n\n'
    reply = ScriptedReply(raw=raw, headers={"content-type": "text/event-stream"})
    assert events(reply) == [{"n": 1}, {"n": 2}]


def test_a_server_that_does_not_stream_is_one_event():
    (whole,) = events(ScriptedReply("hi"))
    assert whole["choices"][0]["message"]["content"] == "hi"


def test_an_error_is_a_refusal_wherever_it_comes_and_names_no_key():
    key = "sk-verysecret0123456789"
    inside = b'data: {"choices": []}\n\ndata: {"error": {"message": "CUDA error"}}\n\n'
    for reply in (
        ScriptedReply(f"no {key}", status=403),
        ScriptedReply(raw=inside, headers={"content-type": "text/event-stream"}),
        ScriptedReply(raw=json.dumps({"error": {"message": "no"}}).encode()),
    ):
        with pytest.raises(Refusal) as caught:
            events(reply, api_key=key)
        assert key not in str(caught.value)


def test_what_is_no_completion_and_what_does_not_answer_are_errors():
    with pytest.raises(EndpointRefused):
        events(ScriptedReply(raw=b"<html>"))
    with pytest.raises(EndpointTimeout):
        events(ScriptedReply(delay_s=20), timeout_s=0.3)
    with pytest.raises(EndpointUnreachable):
        list(chat_events("http://127.0.0.1:9/v1", BODY, timeout_s=5))
