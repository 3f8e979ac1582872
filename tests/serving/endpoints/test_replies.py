import json

import pytest

from trialogue.serving.endpoints.chat import Completion, Usage
from trialogue.serving.endpoints.replies import body_of, completions_of, usage_of

ANSWER = '{"x": 1}'


def completion(finish="stop", **message):
    (one,) = completions_of({"choices": [{"message": message, "finish_reason": finish}]})
    return one


CALL = {"type": "function", "function": {"name": "proposals", "arguments": ANSWER}}


@pytest.mark.parametrize(
    "message",
    [
        {"content": ANSWER},
        {"content": f"<think>hm</think>{ANSWER}"},
        {"content": {"x": 1}},
        {"content": [{"type": "text", "text": ANSWER}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": ANSWER},
            ]
        },
        {"content": None, "reasoning_content": ANSWER},
        {"content": "", "reasoning": ANSWER},
        {"content": "<think></think>", "reasoning": ANSWER},
        {"content": None, "tool_calls": [CALL]},
        {"content": "", "tool_calls": [{**CALL, "function": {"arguments": {"x": 1}}}]},
        {"content": None, "function_call": {"name": "proposals", "arguments": ANSWER}},
    ],
)
def test_the_answer_is_found_wherever_it_stands(message):
    assert completion(**message).text == ANSWER


def test_objects_as_content_stay_one_answer():
    assert json.loads(completion(content=[{"x": 1}, {"x": 2}]).text) == [{"x": 1}, {"x": 2}]


def test_thoughts_in_a_field_of_their_own_are_counted_and_are_no_answer():
    thinking = completion(content="", reasoning_content='I could say {"x": 9}.', finish="length")
    assert (thinking.text, thinking.thought_chars, thinking.finish_reason) == ("", 21, "length")


def test_a_choice_that_is_none_is_an_error():
    for choices in (None, {}, [5], [None]):
        with pytest.raises(ValueError, match="choice"):
            completions_of({"choices": choices})


def test_events_that_nobody_asked_for_add_up_to_an_answer():
    pieces = [{"role": "assistant", "content": '{"x"'}, {"content": ": 1}"}, {}]
    chunks = [{"id": "1", "choices": [{"index": 0, "delta": p, "finish_reason": None}]} for p in pieces]
    chunks[-1]["choices"][0]["finish_reason"] = "stop"
    chunks.append({"id": "1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    text = ": keep-alive\n\n" + "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
    body = body_of(text)
    assert completions_of(body) == [Completion(ANSWER)]
    assert usage_of(body, [], []) == Usage(3, 2)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2}, Usage(7, 2)),
        ({"prompt_tokens": 7.0, "completion_tokens": 2.0}, Usage(7, 2)),
        ({"total_tokens": 9}, Usage(7, 2)),
        ({"prompt_tokens": -1, "completion_tokens": True}, Usage(25, 2)),
        (None, Usage(25, 2)),
        ("many", Usage(25, 2)),
    ],
)
def test_tokens_that_nobody_counted_are_estimated(usage, counted):
    assert usage_of({"usage": usage}, ["p" * 100], [Completion(ANSWER)]) == counted
