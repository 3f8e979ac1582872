"""Any two quirks of servers at once, over real HTTP: the proposal comes through, and drafts do not."""

import json

import pytest
from contracts.planner import history, request
from hypothesis import given, settings, strategies as st

from trialogue.agent.planner.planner import Planner
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer

GOOD = {"x": 1.5, "rate": 0.003, "method": "plain"}
DRAFT = '{"proposals": [{"params": {"x": -1.5, "rate": 0.02, "method": "plain"}}]}'


def refuses(part, status, words):
    def refusal(body):
        there = body["messages"][0]["role"] == "system" if part == "system" else part in body
        if not there:
            return None
        if status == 200:
            return ScriptedReply(raw=json.dumps({"error": {"message": words}}).encode())
        return ScriptedReply(words, status=status)

    return refusal


REFUSALS = {
    **{
        f"no schema {s}": refuses("response_format", s, "json_schema is not supported")
        for s in (200, 400, 404, 422, 500, 501)
    },
    "no schema, tersely": refuses("response_format", 400, "Bad Request"),
    "no system": refuses("system", 400, "System role not supported"),
    "no seed": refuses("seed", 422, "extra fields not permitted: seed"),
    "no temperature": refuses("temperature", 400, "Unsupported value: 'temperature'"),
    "no max_tokens": refuses("max_tokens", 400, "Use 'max_completion_tokens' instead of 'max_tokens'."),
}
NOTATIONS = {
    "python": lambda a: repr(a),
    "comma": lambda a: json.dumps(a).replace("}]", "},]"),
    "comment": lambda a: json.dumps(a).replace('"abstain"', '// nothing\n"abstain"'),
    "twice": lambda a: json.dumps(json.dumps(a)),
    "wrapped": lambda a: json.dumps({"name": "proposals", "arguments": a}),
    "echoed": lambda a: json.dumps({"type": "object", "properties": a}),
}
SURROUNDINGS = {
    "fence": "```json\n{}\n```",
    "prose": "Sure:\n{}\nI chose these because of [1].",
    "token": "{}<|im_end|>",
    "think": f"<think>{DRAFT}</think>{{}}",
    "thought": f"<Thought>{DRAFT}</Thought>{{}}",
    "kimi": f"◁think▷{DRAFT}◁/think▷{{}}",
    "brackets": f"[THINK]{DRAFT}[/THINK]{{}}",
    "closing": f"{DRAFT}</think>{{}}",
    "harmony": f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{{}}",
}


def events(message):
    content = message["content"]
    chunks = [{"choices": [{"index": 0, "delta": {"content": c}}]} for c in (content[:50], content[50:])]
    return "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"


SHAPES = {
    "parts": lambda text: {"content": [{"type": "text", "text": text}]},
    "call": lambda text: {"content": None, "tool_calls": [{"function": {"name": "p", "arguments": text}}]},
    "thoughts apart": lambda text: {"content": text, "reasoning_content": DRAFT},
    "events": lambda text: {"content": text, "events": True},
}
QUIRKS = [(kind, name) for kind, group in (
    ("refusal", REFUSALS), ("notation", NOTATIONS), ("surrounding", SURROUNDINGS), ("shape", SHAPES)
) for name in group]  # fmt: skip
PAIRS = st.lists(st.sampled_from(QUIRKS), min_size=2, max_size=2, unique=True).filter(
    lambda pair: pair[0][0] != pair[1][0] or pair[0][0] in ("refusal", "surrounding")
)


def behaviour(quirks):
    """Return a model that answers well, behind a server with ``quirks``."""
    groups = {
        k: [n for kind, n in quirks if kind == k] for k in ("refusal", "notation", "surrounding", "shape")
    }

    def answer(call):
        for name in groups["refusal"]:
            if refusal := REFUSALS[name](call.body):
                return refusal
        good = {"proposals": [{"params": {**GOOD, "depth": None}, "hypothesis": "h"}], "abstain": False}
        text = NOTATIONS[groups["notation"][0]](good) if groups["notation"] else json.dumps(good)
        for name in groups["surrounding"]:
            text = SURROUNDINGS[name].replace("{}", text)
        message = SHAPES[groups["shape"][0]](text) if groups["shape"] else {"content": text}
        if message.pop("events", False):
            return ScriptedReply(raw=events(message).encode(), headers={"content-type": "text/event-stream"})
        return ScriptedReply(
            raw=json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        )

    return answer


def check(quirks):
    with ScriptedServer(behaviour(quirks)) as server:
        planner = Planner(server.url, timeout_s=20)
        first = planner.propose(request(history(3)))
        assert [p.params for p in first.proposals] == [GOOD], first.notes
        asked = len(server.requests)
        assert asked <= 1 + 2 * len(quirks)
        again = planner.propose(request(history(3)))
        assert [p.params for p in again.proposals] == [GOOD]
        assert len(server.requests) == asked + 1


@pytest.mark.parametrize("quirk", QUIRKS, ids=[name for _, name in QUIRKS])
def test_each_quirk_alone(quirk):
    check([quirk])


@given(PAIRS)
@settings(max_examples=40, deadline=None)
def test_any_two_quirks_at_once(quirks):
    check(quirks)
