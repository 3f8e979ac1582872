import json

import pytest

from trialogue.serving.endpoints.abilities import Abilities
from trialogue.serving.endpoints.chat import ChatMessage, ChatRequest
from trialogue.serving.endpoints.refusals import Refusal, said_in, words_of
from trialogue.serving.endpoints.requests import options_for

OPTIONS = options_for(
    "m",
    ChatRequest(
        (ChatMessage("system", "s"), ChatMessage("user", "u")),
        n=4,
        schema={},
        temperature=0.7,
        top_p=0.9,
        seed=1,
    ),
    Abilities(),
)


def refusal(status, body):
    text = body if isinstance(body, str) else json.dumps(body)
    return Refusal(status, words_of(text), said_in(text))


def named(status, body):
    return set(refusal(status, body).refused(OPTIONS))


def error(message, **more):
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (400, error("response_format.type must be 'text' or 'json_object'"), "json_schema"),
        (
            500,
            error(
                "[{'loc': ('response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]"
            ),
            "json_schema",
        ),
        (500, error("Failed to initialize samplers: failed to parse grammar"), "schema"),
        (501, error("structured output is not implemented"), "schema"),
        (
            400,
            error("Invalid schema for response_format: In context=('seed',), 'minimum' is not permitted"),
            "schema",
        ),
        (400, error("Only one completion choice is allowed"), "n"),
        (400, error("'n' : number must be at most 1"), "n"),
        (400, error("n must be 1 when using greedy sampling, got 4."), "n"),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "Input should be less than or equal to 1"}]}, "n"),
        (400, error("Unsupported value: 'temperature' does not support 0.7 with this model."), "temperature"),
        (
            400,
            error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            "max_tokens",
        ),
        (400, error("Unrecognized request argument supplied: seed"), "seed"),
        (400, error("`top_p` and `temperature` cannot both be given"), "top_p"),
        (400, error("Conversation roles must alternate user/assistant; System role not supported"), "system"),
    ],
)
def test_the_part_of_a_request_that_a_refusal_means_is_found(status, body, name):
    assert named(status, body) == {name}


def test_what_was_not_sent_is_not_meant():
    plain = options_for("m", ChatRequest((ChatMessage("user", "u"),)), Abilities())
    assert not refusal(400, error("seed and response_format are not supported")).refused(plain)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, error("wrong key for structured output")),
        (429, error("too many tokens for n")),
        (404, error("The model `m` does not exist.")),
        (404, {"detail": "Not Found"}),
        (400, error("This model's maximum context length is 4096 tokens; lower max_tokens")),
    ],
)
def test_other_refusals_mean_no_part_of_it(status, body):
    assert not named(status, body)
    assert not refusal(status, body).suspected(OPTIONS)


def test_where_nothing_is_named_the_schema_is_suspected_first_and_then_all_else():
    terse = refusal(400, "Bad Request")
    assert terse.suspected(OPTIONS) == {"schema"}
    without = {k: v for k, v in OPTIONS.items() if k != "response_format"}
    assert terse.suspected(without) == {"n", "system", "seed", "temperature", "top_p"}
    assert not refusal(500, "oops").suspected(without)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (error("no"), "no"),
        ({"error": "no"}, "no"),
        ({"detail": [{"msg": "no"}]}, "detail msg no"),
        ("<html>", "<html>"),
    ],
)
def test_a_person_is_told_the_message(body, said):
    assert said_in(body if isinstance(body, str) else json.dumps(body)) == said


def test_a_schema_is_stated_beside_json_object_where_openais_way_is_refused_and_then_left_out():
    request = ChatRequest((ChatMessage("user", "u"),), schema={"type": "object"})
    words = refusal(500, error("Input should be 'text' or 'json_object'"))
    learnt = Abilities().without(words.refused(options_for("m", request, Abilities())) or {"nothing"})
    assert Abilities.read(learnt.to_text()) == learnt
    options = options_for("m", request, learnt)
    assert options["response_format"] == {"type": "json_object", "schema": {"type": "object"}}
    again = learnt.without(words.refused(options))
    assert "response_format" not in options_for("m", request, again)
