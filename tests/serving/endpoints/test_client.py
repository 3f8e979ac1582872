import json
import threading
import time

import pytest

from trialogue.serving.endpoints.chat import ChatMessage, ChatRequest
from trialogue.serving.endpoints.client import OpenAIClient
from trialogue.serving.errors import EndpointRefused, EndpointTimeout, EndpointUnreachable
from trialogue.serving.scripted.behaviours import Flaky
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer

HELLO = ChatRequest((ChatMessage("user", "hello"),), schema={"type": "object"}, seed=3)


def reply(text="hi", **kwargs):
    return lambda call: ScriptedReply(text, **kwargs)


def complete(server, request=HELLO, *, model="scripted", deadline_s=5.0, **kwargs):
    return OpenAIClient(server.url, model=model, **kwargs).complete(request, deadline_s=deadline_s)


def test_a_completion_comes_with_its_usage_and_hash():
    with ScriptedServer(reply("hi there")) as server:
        answer = complete(server)
    assert [c.text for c in answer.completions] == ["hi there"]
    assert answer.usage.prompt_tokens == 1
    assert answer.usage.completion_tokens == 2
    assert answer.prompt_hash == HELLO.hash("scripted")


def test_the_only_model_of_a_server_is_found():
    with ScriptedServer({"tiny": reply()}) as server:
        client = OpenAIClient(server.url)
        assert client.model == "unknown"
        assert client.identify() == "tiny"


def test_a_server_without_a_list_of_models_is_asked_for_its_default():
    with ScriptedServer({"default": reply()}, lists_models=False) as server:
        assert OpenAIClient(server.url).complete(HELLO, deadline_s=5).model == "default"


def test_several_models_need_a_name():
    with (
        ScriptedServer({"a": reply(), "b": reply()}) as server,
        pytest.raises(EndpointRefused, match="serves 2 models"),
    ):
        OpenAIClient(server.url).complete(HELLO, deadline_s=5)


@pytest.mark.parametrize("obeys", [True, False])
def test_n_answers_come_whether_or_not_the_server_obeys_n(obeys):
    with ScriptedServer(lambda c: ScriptedReply(f"{c.body.get('seed')}-{c.choice}"), obeys_n=obeys) as server:
        answer = complete(server, ChatRequest(HELLO.messages, n=3, seed=5))
        assert len({c.text for c in answer.completions}) == 3
        assert len(server.requests) == (1 if obeys else 3)


def test_passing_faults_are_retried_until_the_answer_comes():
    with ScriptedServer(Flaky(reply("fine"), faults=3)) as server:
        answer = complete(server)
        assert answer.completions[0].text == "fine"
        assert answer.usage.requests == 4


def test_retry_after_beyond_the_deadline_gives_up_at_once():
    started = time.monotonic()
    with (
        ScriptedServer(reply(status=429, headers={"retry-after": "100"})) as server,
        pytest.raises(EndpointRefused, match="429"),
    ):
        complete(server)
    assert time.monotonic() - started < 2


def test_a_slow_server_costs_the_deadline_and_no_more():
    started = time.monotonic()
    with ScriptedServer(reply(delay_s=20)) as server, pytest.raises(EndpointTimeout, match=r"within 0\.3"):
        complete(server, deadline_s=0.3)
    assert time.monotonic() - started < 2


def test_an_address_where_nothing_listens_is_unreachable_and_quickly_so():
    started = time.monotonic()
    with pytest.raises(EndpointUnreachable, match="is the server running"):
        OpenAIClient("http://127.0.0.1:9/v1", model="x").complete(HELLO, deadline_s=30)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "raw",
    [
        b"{not json",
        b"[1, 2]",
        b"<html>",
        b"",
        b'{"choices": []}',
        b'{"choices": [5, null]}',
        b"null",
        b'"text"',
    ],
)
def test_a_body_that_is_no_completion_is_refused(raw):
    with ScriptedServer(reply(raw=raw)) as server, pytest.raises(EndpointRefused):
        complete(server)


def test_a_huge_answer_is_cut_off():
    with (
        ScriptedServer(reply("x" * 9_000_000), obeys_max_tokens=False) as server,
        pytest.raises(EndpointRefused, match="longer than"),
    ):
        complete(server)


def test_a_server_without_schemas_is_asked_without_them_from_then_on():
    with ScriptedServer(reply(), supports_schema=False) as server:
        client = OpenAIClient(server.url, model="scripted")
        assert any("schema" in n for n in client.complete(HELLO, deadline_s=5).notes)
        assert client.complete(HELLO, deadline_s=5).notes == ()
        assert all("response_format" not in body for body in server.requests)


def test_options_that_a_server_names_in_its_refusal_are_left_out():
    def picky(call):
        for name in ("seed", "temperature", "max_tokens"):
            if name in call.body:
                return ScriptedReply(f"Unsupported parameter: {name}", status=400)
        return ScriptedReply("ok")

    with ScriptedServer(picky) as server:
        request = ChatRequest(HELLO.messages, temperature=0.5, seed=1)
        assert complete(server, request).completions[0].text == "ok"
        assert "max_completion_tokens" in server.requests[-1]


def test_thinking_is_stripped_and_counted():
    with ScriptedServer(reply("<think>hm {x}</think>\n{}")) as server:
        (completion,) = complete(server).completions
    assert completion.text.strip() == "{}"
    assert completion.thought_chars > 10


def test_thinking_that_eats_the_answer_is_switched_off():
    def thinker(call):
        off = call.body.get("chat_template_kwargs") == {"enable_thinking": False}
        return ScriptedReply("{}" if off else "<think>on and on", finish_reason="stop" if off else "length")

    with ScriptedServer(thinker) as server:
        answer = complete(server)
        assert [c.text for c in answer.completions] == ["{}"]
        assert any("thinking" in n for n in answer.notes)
        assert complete(server).completions[0].text == "{}"


def test_a_key_appears_in_no_error():
    key = "sk-verysecret0123456789"
    with ScriptedServer(reply(), api_key="another") as server, pytest.raises(EndpointRefused) as caught:
        complete(server, api_key=key)
    assert key not in str(caught.value)
    assert "401" in str(caught.value)


def test_a_password_in_the_address_appears_in_no_error():
    with pytest.raises(EndpointUnreachable) as caught:
        OpenAIClient("http://me:hunter22@127.0.0.1:9/v1", model="x").complete(HELLO, deadline_s=5)
    assert "hunter22" not in str(caught.value)


def test_two_studies_share_an_endpoint_without_mixing():
    with ScriptedServer(lambda c: ScriptedReply(c.text)) as server:
        client = OpenAIClient(server.url, model="scripted")
        got = {}

        def ask(i):
            request = ChatRequest((ChatMessage("user", f"study {i}"),))
            got[i] = client.complete(request, deadline_s=10).completions[0].text

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert got == {i: f"study {i}" for i in range(12)}


def test_log_probabilities_come_with_the_answer():
    content = [
        {"token": "1", "logprob": -0.1, "bytes": None, "top_logprobs": [{"token": "0", "logprob": -2.3}]}
    ]
    with ScriptedServer(reply("1", logprobs=content)) as server:
        (token,) = complete(server, ChatRequest(HELLO.messages, top_logprobs=2)).completions[0].logprobs
    assert (token.token, dict(token.top)) == ("1", {"0": -2.3})


def test_equal_requests_have_equal_hashes_and_other_requests_others():
    assert HELLO.hash("m") == ChatRequest(
        (ChatMessage("user", "hello"),), schema={"type": "object"}, seed=3
    ).hash("m")
    assert len({HELLO.hash("m"), HELLO.hash("n"), ChatRequest(HELLO.messages).hash("m")}) == 3
    json.dumps(HELLO.hash("m"))
