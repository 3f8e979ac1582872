import contextlib
import json
import time

import pytest
from hypothesis import given, strategies as st

from trialogue.prompts.json_in_text import folded, read_json, values_in, whole_items, written_out

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, min_size=1)


@given(st.lists(OBJECTS, max_size=3))
def test_objects_are_found_in_prose_and_in_their_order(objects):
    assert values_in(" and ".join(["I think", *map(json.dumps, objects), "is best"])) == objects


@given(OBJECTS)
def test_python_s_notation_and_a_second_encoding_change_nothing(value):
    assert values_in(repr(value)) == [value]
    assert values_in(json.dumps(json.dumps(value))) == [value]


def test_a_second_encoding_is_seen_in_prose_too():
    assert values_in(f"```json\n{json.dumps(json.dumps({'a': 1}))}\n``` as said") == [{"a": 1}]


@pytest.mark.parametrize(
    "text",
    ["{'a': 1, 'b': [true, null,],}", '{"a": 1, /* one */ "b": [true, null]}', "{a: 1, b: [true, null]}"],
)
def test_json5_is_read(text):
    assert values_in(text) == [{"a": 1, "b": [True, None]}]


@pytest.mark.parametrize(
    "text", ['{"a": 1', '{"a": [1, 2}', '[{"a": 1}, {"b"', "{'a': {1, 2}}", '{"a": NaN}']
)
def test_what_is_broken_is_an_error_and_no_part_of_it_is_found(text):
    with pytest.raises(ValueError, match="broken"):
        values_in(text)


def test_brackets_of_prose_are_none():
    assert values_in("as [note] in {x}, [sic]") == []


def test_items_that_are_whole_are_found_in_a_list_that_is_cut_off():
    assert whole_items('{"n": 0, "many": [{"a": 1}, {"a": 2}, {"a"', "many") == [{"a": 1}, {"a": 2}]
    assert whole_items('[{"a": 1}, {"a', "many") == [{"a": 1}]
    assert whole_items("nothing", "many") == []


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 50_000, "{a:" * 50_000, "{" * 200_000, "[x" * 100_000]
)
def test_no_text_takes_long(text):
    started = time.monotonic()
    with contextlib.suppress(ValueError):
        values_in(text)
    assert time.monotonic() - started < 2


def test_constants_that_json_has_not_are_refused():
    for text in ("NaN", "[Infinity]", '{"a": -Infinity}'):
        with pytest.raises(ValueError, match="not JSON"):
            read_json(text)


NAMES = ("x", "rate", "method", "depth")
ROW = {"x": "1.5", "rate": "0.003", "method": "plain"}


@pytest.mark.parametrize(
    "text",
    [
        "| x | rate | method |\n|---|:-:|---|\n| 1.5 | 0.003 | `plain` |",
        "| parameter | value |\n|---|---|\n| x | 1.5 |\n| rate | 0.003 |\n| method | plain |",
        "proposals:\n  - params:\n      x: 1.5\n      rate: 0.003\n      method: plain\nabstain: false",
        "```yaml\nx: 1.5\nrate: 0.003\nmethod: 'plain'\n```",
        '[[proposals]]\n[proposals.params]\nx = 1.5\nrate = 0.003\nmethod = "plain"',
        "1. x = 1.5\n2. rate = 0.003\n3. method = plain",
        "- **x**: 1.5\n- **rate**: 0.003\n* `method`: `plain`",
        "x: 1.5\nrate: 0.003\nmethod: plain",
    ],
)
def test_what_is_written_out_as_a_whole_is_read(text):
    assert written_out(text, NAMES) == [ROW]


def test_a_name_told_again_begins_another_configuration():
    text = "| x | rate | method |\n|---|---|---|\n| 1.5 | 0.003 | plain |\n| 2 | 0.01 | fast |"
    assert written_out(text, NAMES) == [ROW, {"x": "2", "rate": "0.01", "method": "fast"}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would lower it.",
        "I tried this:\nx: 1.5\nrate: 0.003\nmethod: plain",
        "Draft:\nx: 1.5\nrate: 0.003\nmethod: plain\nBetter:\nx: 2\nrate: 0.003\nmethod: plain",
        "# Draft\nx: 1.5\nrate: 0.003\nmethod: plain",
        "x: 1.5",
        "| x | rate |\n| 1.5 |",
    ],
)
def test_nothing_is_picked_out_of_prose_or_of_pieces(text):
    assert written_out(text, NAMES) == []


def test_without_names_nothing_is_read():
    assert written_out("x: 1.5", ()) == []


def test_names_are_compared_without_case_and_spaces():
    assert folded(" Learning  Rate ") == folded("learning-rate") == "learning_rate"
