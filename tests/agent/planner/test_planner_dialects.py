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
SAID = {
    "litellm": ("seed", 400, "litellm.UnsupportedParamsError: bedrock does not support parameters: ['seed']"),
    "azure": (
        "response_format",
        400,
        "response_format value as json_schema is enabled only for api versions",
    ),
    "bedrock": ("seed", 400, "Malformed input request: #: extraneous key [seed] is not permitted"),
    "openrouter": ("response_format", 404, "No endpoints found that support the requested parameters"),
    "tgi": ("response_format", 422, "Input validation error: Grammar is not supported"),
    "ollama": ("response_format", 500, "format must be json or schema"),
    "lm studio": ("system", 400, 'Error rendering prompt: "Only user and assistant roles are supported!"'),
    "sglang": ("response_format", 400, "Grammar backend not initialised: --grammar-backend none"),
    "tabby": ("response_format", 503, "response_format needs formatron, which is not installed"),
    "not acceptable": ("response_format", 406, "Not Acceptable: response_format"),
    "dependency": ("response_format", 424, "Failed dependency: response_format unsupported"),
    "plan": ("seed", 403, "parameter 'seed' is not allowed on your plan"),
}
REFUSALS |= {name: refuses(*words) for name, words in SAID.items()}
NOTATIONS = {
    "other words": lambda a: json.dumps({"candidates": [{"config": p["params"]} for p in a["proposals"]]}),
    "pairs": lambda a: json.dumps({"proposals": [{"params": list(a["proposals"][0]["params"].items())}]}),
    "alone": lambda a: json.dumps(a["proposals"][0]["params"]),
    "texts": lambda a: json.dumps({k.upper(): v and str(v) for k, v in a["proposals"][0]["params"].items()}),
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
    "answer": f"{DRAFT}<answer>{{}}</answer>",
    "another language": f"<思考>{DRAFT}</思考>{{}}",
    "monologue": f"<inner_monologue>{DRAFT}</inner_monologue>{{}}",
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


def choices(message):
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


WHOLE = json.dumps({"proposals": [{"params": GOOD}]})
REPLY = json.dumps(choices({"content": WHOLE}))
CHUNKS = "".join(
    json.dumps({"choices": [{"delta": {"content": c}}]}) + "\n" for c in (WHOLE[:30], WHOLE[30:])
)
EVENTS = "".join(f"data: {chunk}\n\n" for chunk in CHUNKS.splitlines())
BODIES = {
    "bom": "\ufeff" + REPLY,
    "blanks": "\n\n  \n" + REPLY,
    "comments": ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" + REPLY,
    "events after a bom": "\ufeff" + EVENTS,
    "events after retry": "\n\nretry: 3000\n\n" + EVENTS,
    "chunks on lines": CHUNKS,
    "encoded twice": json.dumps(REPLY),
    "wrapped": json.dumps({"code": 0, "data": json.loads(REPLY)}),
    "ollama's own": json.dumps({"model": "m", "message": {"content": WHOLE}, "done": True}),
    "anthropic's": json.dumps({"type": "message", "content": [{"type": "text", "text": WHOLE}]}),
    "delta": json.dumps({"choices": [{"delta": {"content": WHOLE}}]}),
    "parsed": json.dumps(choices({"content": None, "parsed": json.loads(WHOLE)})),
    "parts without type": json.dumps(choices({"content": [{"text": WHOLE}]})),
    "written out": json.dumps(choices({"content": "- x: 1.5\n- rate: 3e-3\n- method: plain"})),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_reply_is_read_in_any_body(body):
    with ScriptedServer(lambda call: ScriptedReply(raw=body.encode())) as server:
        answer = Planner(server.url, timeout_s=20).propose(request(history(3)))
        assert [p.params for p in answer.proposals] == [GOOD], answer.notes
        assert len(server.requests) == 1


ERRORS = {
    "list": [{"error": {"code": 400, "message": "response_format not supported"}}],
    "errors": {"errors": [{"message": "response_format not supported"}]},
    "detail": {"detail": "response_format not supported"},
    "choice": {"choices": [{"error": {"code": 400, "message": "response_format not supported"}}]},
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_refusal_with_status_200_is_understood(error):
    def answer(call):
        return ScriptedReply(raw=(json.dumps(error) if "response_format" in call.body else REPLY).encode())

    with ScriptedServer(answer) as server:
        assert Planner(server.url, timeout_s=20).propose(request(history(3))).proposals
        assert len(server.requests) == 2


@pytest.mark.parametrize("body", ["", "<html>warming up</html>"])
def test_an_empty_answer_or_a_page_is_asked_for_again(body):
    bodies = [body, REPLY]
    with ScriptedServer(lambda call: ScriptedReply(raw=bodies.pop(0).encode())) as server:
        assert Planner(server.url, timeout_s=20).propose(request(history(3))).proposals


@pytest.mark.parametrize("name", ["思考", "analysis", "inner_monologue", "Denken", "pensamiento"])
def test_a_draft_in_a_thought_that_is_never_closed_is_no_answer(name):
    with ScriptedServer(lambda call: ScriptedReply(f"<{name}>{DRAFT} hm")) as server:
        assert not Planner(server.url, timeout_s=20).propose(request(history(3))).proposals
