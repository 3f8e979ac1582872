import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from trialogue.prompts.answers import MAX_CHARACTERS, read_answer
from trialogue.prompts.errors import ModelAnswerInvalid
from trialogue.prompts.wire import number_in

PROPOSAL = {"params": {"x": 1}, "hypothesis": "h", "expected": "e", "confidence": 0.5}
ANSWER = {"proposals": [PROPOSAL], "abstain": False}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ANSWER),
        f"\n```json\n{json.dumps(ANSWER, indent=2)}\n```\nI hope this helps.",
        f"Sure! Here it is: {json.dumps(ANSWER)} Good luck.",
        json.dumps([PROPOSAL]),
        json.dumps(PROPOSAL),
        f"{json.dumps(ANSWER)}\n\nI chose these because [1] and {{x}} say so.<|im_end|>",
        f"```JSON\r\n{json.dumps(ANSWER, indent=1)}\r\n```",
        f"\ufeff{json.dumps(ANSWER)}",
        repr(ANSWER),
        json.dumps(ANSWER).replace("}]", "},]"),
        json.dumps(ANSWER).replace('"abstain"', '// nothing\n"abstain"'),
        json.dumps(json.dumps(ANSWER)),
        json.dumps({"proposals_response": ANSWER}),
        json.dumps({"name": "proposals", "arguments": ANSWER}),
        json.dumps({"name": "proposals", "arguments": json.dumps(ANSWER)}),
        json.dumps({"type": "object", "properties": ANSWER}),
    ],
)
def test_json_is_found_where_it_stands(text):
    (proposal,) = read_answer(text).proposals
    assert proposal.params == {"x": 1}


def test_a_proposal_keeps_what_was_said_of_it():
    (p,) = read_answer(json.dumps(ANSWER)).proposals
    assert (p.hypothesis, p.expected, p.confidence) == ("h", "e", 0.5)


def test_an_abstention_is_no_proposal():
    assert read_answer('{"proposals": [], "abstain": true}').abstained
    assert read_answer(json.dumps({**ANSWER, "abstain": True})).proposals == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would lower it.",
        "null",
        "[]",
        "{}",
        '{"proposals": []}',
        '{"proposals": "none"}',
        '{"proposals": {"a": {"x": 1}}}',
        json.dumps(ANSWER)[:-3],
        '{"proposals": [{"params": NaN}]}',
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 10_000,
        "x" * (MAX_CHARACTERS + 1),
    ],
)
def test_what_is_no_answer_is_refused(text):
    with pytest.raises(ModelAnswerInvalid):
        read_answer(text)


def test_half_an_answer_is_not_salvaged():
    two = json.dumps({"proposals": [PROPOSAL, PROPOSAL], "abstain": False})
    with pytest.raises(ModelAnswerInvalid):
        read_answer(two[: len(two) - 20])


def test_of_several_answers_the_last_counts():
    draft = json.dumps({"proposals": [{"params": {"x": 9}}]})
    (proposal,) = read_answer(f"Maybe {draft}? No: {json.dumps(ANSWER)}").proposals
    assert proposal.params == {"x": 1}
    with pytest.raises(ModelAnswerInvalid):
        read_answer(f"Maybe {draft}? No: {json.dumps(ANSWER)[:-9]}")


def test_a_schema_without_values_is_no_answer():
    schema = {"type": "object", "properties": {"proposals": {"type": "array", "items": {"type": "object"}}}}
    with pytest.raises(ModelAnswerInvalid):
        read_answer(json.dumps(schema))


def test_proposals_that_were_whole_count_where_the_server_cut_the_answer_off():
    two = json.dumps({"proposals": [PROPOSAL, PROPOSAL], "abstain": False})
    (proposal,) = read_answer(two[: len(two) - 30], cut_off=True).proposals
    assert proposal.params == {"x": 1}
    with pytest.raises(ModelAnswerInvalid, match="not JSON"):
        read_answer(json.dumps(ANSWER)[:30], cut_off=True)


def test_llambos_form_is_read_where_the_server_knows_no_schema():
    text = '## C: 1.5, kernel: rbf, gamma: 1e-3 ##\n## C: 2, kernel: "linear", gamma: null ##'
    first, second = read_answer(text, structured=False).proposals
    assert first.params == {"C": 1.5, "kernel": "rbf", "gamma": 1e-3}
    assert second.params == {"C": 2, "kernel": "linear", "gamma": None}
    with pytest.raises(ModelAnswerInvalid):
        read_answer(text)


def test_a_confidence_that_is_none_is_left_out():
    for wrong in (2, -1, "high", True, None):
        (p,) = read_answer(json.dumps({"proposals": [{**PROPOSAL, "confidence": wrong}]})).proposals
        assert p.confidence is None


@given(st.text(max_size=300))
def test_any_text_gives_an_answer_or_the_one_error(text):
    for flag in (True, False):
        with contextlib.suppress(ModelAnswerInvalid):
            read_answer(text, structured=flag, cut_off=not flag)


X, Y = {"x": 1.5, "rate": 0.003, "method": "plain"}, {"x": 1.0, "rate": 0.003, "method": "plain"}
NAMES = ("x", "rate", "method", "depth")
WHOLE = json.dumps({"proposals": [{"params": X}]})
PAGE = WHOLE.replace('"', "&quot;")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(X),
        json.dumps([X]),
        json.dumps({"proposals": X}),
        json.dumps({"proposals": {"params": X}}),
        json.dumps({"proposals": {"1": {"params": X}}}),
        json.dumps({"proposal": {"params": X}}),
        json.dumps({"candidates": [{"config": X}]}),
        json.dumps({"Proposals": [{"Params": X}], "Abstain": False}),
        json.dumps({"configuration": X}),
        json.dumps({"proposals": [{"hyperparameters": X}]}),
        json.dumps({"proposals": [{"params": {"parameters": X}}]}),
        json.dumps({"proposals": [{"params": list(X.items())}]}),
        json.dumps({"proposals": [{"params": [{"name": k, "value": v} for k, v in X.items()]}]}),
        json.dumps({"proposals": [{"params": json.dumps(X)}]}),
        json.dumps({"proposals": json.dumps([{"params": X}])}),
        json.dumps({"proposals": [json.dumps({"params": X})]}),
        f"[TOOL_CALLS]{json.dumps([{'name': 'p', 'arguments': {'proposals': [{'params': X}]}}])}",
        f"<answer>{WHOLE}</answer>\nI had thought of {json.dumps({'proposals': [{'params': Y}]})}",
        f"<pre><code>{PAGE}</code></pre>",
        WHOLE.replace('"', "”"),
        WHOLE.replace(":", "：").replace(",", "，"),
        f'```json\n{{"proposals": [ ... ]}}\n```\nfilled in:\n```json\n{WHOLE}\n```',
    ],
)
def test_other_words_and_signs_for_an_answer_are_read(text):
    (proposal,) = read_answer(text, names=NAMES).proposals
    assert proposal.params == X


def test_of_json_lines_every_line_is_a_proposal():
    for one, two in ((X, Y), ({"params": X}, {"params": Y})):
        answer = read_answer(f"{json.dumps(one)}\n{json.dumps(two)}\n", names=NAMES)
        assert [p.params for p in answer.proposals] == [X, Y]


def test_an_answer_in_a_fence_does_not_count_where_json_follows_it():
    with pytest.raises(ModelAnswerInvalid):
        read_answer(f'```json\n{WHOLE}\n```\nNo, better: {{"proposals": [{{"params": {{"x"', names=NAMES)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    ["*", "_", "`", "'", '"', "*_", "x: ", ": ", "= ", " ", "\n ", "|", "-", "|-", "- ", "1. ", "```", "[", "{", "\\", "&lt;",
     "<answer>", "</answer>", "##", "# ", "x", "1", "1e", "x 10", "\u00a0", "²", "x: 1\n", "|1|2|\n", "{}\n"],
)  # fmt: skip
def test_no_answer_takes_longer_to_read_than_its_length(piece):
    """A pattern that backtracks would take hours for these."""
    many = 60_000 // len(piece)
    for text in (
        "a" + piece * many,
        piece * many + "!",
        "x: " + piece * many + "y",
        "a\n" + piece * many + "z",
    ):
        with contextlib.suppress(ModelAnswerInvalid):
            read_answer(text, structured=False, names=["x", "y"])
        number_in(text)


@pytest.mark.parametrize("text", ["|---|", "|---|\n|---|", "| x |", ":", "= 1", "x:\n:"])
def test_a_table_or_list_without_content_is_no_answer(text):
    with pytest.raises(ModelAnswerInvalid):
        read_answer(text, names=["x", "y"])
