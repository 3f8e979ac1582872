import json

import pytest

from trialogue.agent.chat.wire import Reply, latest_turn, sendable
from trialogue.serving.endpoints.requests import without_system

TOOLS = ("show", "run")


def call(**pieces):
    return {"tool_calls": [pieces]}


def function(arguments="{}", name="show"):
    return {"name": name, "arguments": arguments}


def read(*deltas, finish="stop"):
    """Return the words that were shown piece by piece, and the tools asked for."""
    reply, shown = Reply(TOOLS), []
    for delta in deltas:
        shown.append(reply.feed({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
    reply.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    rest, requests = reply.end()
    return "".join(shown) + rest, [(r.tool, dict(r.arguments)) for r in requests]


@pytest.mark.parametrize(
    "deltas",
    [
        [call(index=0, id="c", function=function(""))]
        + [call(index=0, function={"arguments": a}) for a in "{}"],
        [call(index=0, id="c", function=function(a)) for a in ("", "{", "}")],
        [call(id="c", function=function())],
        [call(index=0, function=function())],
        [call(index=0, id="c", function=function(""))],
        [call(index=0, id="c", function=function(None))],
        [call(index=0, id="c", function=function({}))],
        [call(index=0, id="c", function=function(name="functions.show"))],
        [{"content": '{"name": "show", "arguments": {}}'}],
        [{"content": '[{"name": "show", "parameters": {}}]'}],
        [{"content": '```json\n{"name": "show", "arguments": "{}"}\n```'}],
        [{"content": c} for c in ("<tool", '_call>\n{"name": "show", ', '"arguments": {}}\n</tool_call>')],
        [{"content": '<think>{"name": "run"}</think><tool_call>{"name": "show"}</tool_call>'}],
    ],
)
def test_a_tool_is_asked_for_in_many_ways(deltas):
    assert read(*deltas) == ("", [("show", {})])


def test_two_calls_stay_two_and_each_has_an_id():
    reply = Reply(TOOLS)
    pieces = [{"index": 0, "id": i, "function": function(name=n)} for i, n in (("a", "show"), ("b", "run"))]
    reply.feed({"choices": [{"delta": {"tool_calls": pieces}}]})
    reply.feed({"choices": [{"delta": {"tool_calls": [{"function": function()}, {"function": function()}]}}]})
    _, requests = reply.end()
    assert [r.tool for r in requests] == ["show", "run", "show", "show"]
    assert len({r.call_id for r in requests}) == 4


def test_broken_arguments_reach_no_tool_as_others():
    assert read(call(index=0, id="c", function=function('{"n": 1', "run")))[1] == [
        ("run", {"broken_arguments": '{"n": 1'})
    ]


@pytest.mark.parametrize("words", ["fine [1] is < 2", "as {x} says", "a name is `show`", "It is 0.75."])
def test_words_are_shown_whole_and_no_tool_is_called(words):
    assert read(*[{"content": c} for c in words]) == (words, [])


def test_thoughts_are_neither_shown_nor_kept():
    assert read(*[{"content": c} for c in "<think>secret</think>hello"]) == ("hello", [])
    assert read({"reasoning_content": "secret"}, {"content": "hello"}) == ("hello", [])


def test_an_answer_is_never_empty_and_says_when_it_is_cut_off():
    assert "said nothing" in read({"content": None})[0]
    assert "thought" in read({"reasoning_content": "secret"})[0]
    assert "thought" in read({"content": "<think>secret"})[0]
    assert read({"content": "half a sen"}, finish="length")[0] == "half a sen …"


def test_a_whole_completion_is_read_like_pieces():
    reply = Reply(TOOLS)
    message = {
        "content": "<think>hm</think>",
        "tool_calls": [{"id": "c", "function": function({"n": 2}, "run")}],
    }
    reply.feed({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    assert [(r.tool, r.arguments, r.call_id) for r in reply.end()[1]] == [("run", {"n": 2}, "c")]


def test_tokens_that_nobody_counted_are_estimated():
    reply = Reply(TOOLS)
    reply.feed({"choices": [{"delta": {"content": "x" * 40}}]})
    assert reply.usage([{"content": "y" * 80}]).total == 30
    reply.feed({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
    assert reply.usage([]).total == 10


ASKED = {"id": "c", "type": "function", "function": function()}


def test_what_strict_servers_refuse_is_not_sent():
    history = [
        {"role": "system", "content": "s"},
        {"role": "tool", "tool_call_id": "stray", "content": "0"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [ASKED, {**ASKED, "id": None}]},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "", "tool_calls": [{**ASKED, "id": "d"}]},
        {"role": "tool", "tool_call_id": "d", "content": "1"},
    ]
    sent = sendable(history)
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool", "user", "assistant", "tool"]
    assert [m.get("tool_call_id") for m in sent if m["role"] == "tool"] == ["c", "d"]
    assert sent[4]["content"] == "b\n\nc"
    assert sendable(sent) == sent
    assert [m["role"] for m in latest_turn(sent)] == ["system", "user", "assistant", "tool"]
    assert without_system(sent)[0] == {"role": "user", "content": "s\n\na"}
    json.dumps(sent)
