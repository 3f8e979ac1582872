"""The expression language: what it means, what it refuses, and that it agrees with Python."""

import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from trialogue.evaluators.errors import InvalidSpace
from trialogue.evaluators.spaces.expressions import parse

MEANINGS: list[tuple[str, dict[str, Any], Any]] = [
    ("low <= high", {"low": 1, "high": 1}, True),
    ("a < b < c", {"a": 1, "b": 2, "c": 3}, True),
    ("a < b < c", {"a": 1, "b": 2, "c": 2}, False),
    ("1 + 2 * 3 == 7", {}, True),
    ("(1 + 2) * 3 == 9", {}, True),
    ("10 - 3 - 2 == 5", {}, True),
    ("8 / 4 / 2 == 1", {}, True),
    ("-x + 3 > 0", {"x": 2}, True),
    ("- -x == x", {"x": 2}, True),
    ("2 * -3 == -6", {}, True),
    ("not a or b", {"a": True, "b": True}, True),
    ("not (a or b)", {"a": True, "b": True}, False),
    ("a or b and c", {"a": True, "b": False, "c": False}, True),
    ("not x == 3", {"x": 3}, False),
    ("kernel == 'rbf'", {"kernel": "rbf"}, True),
    ('kernel != "rbf"', {"kernel": "rbf"}, False),
    ("x == None", {"x": None}, True),
    ("x == None", {"x": 3}, False),
    ("x != null", {"x": "a"}, True),
    ("x == None or x <= 8", {"x": 9}, False),
    ("flag == true", {"flag": True}, True),
    ("`learning-rate` < 1e-1", {"learning-rate": 0.05}, True),
    ("größe >= .5", {"größe": 0.5}, True),
    ("x == y", {"x": None, "y": None}, True),
    ("x != y", {"x": None, "y": None}, False),
    ("x == y", {"x": None, "y": 3}, False),
    ("x / y > 1", {"x": 1, "y": 0}, False),
    ("x / y < 1", {"x": 1, "y": 0}, False),
]


@pytest.mark.parametrize(("text", "values", "expected"), MEANINGS)
def test_expressions_mean_what_they_say(text: str, values: dict[str, Any], expected: bool) -> None:
    assert parse(text).holds(values) is expected


REFUSED = [
    ("", "must be text such as"),
    ("   ", "must be text such as"),
    ("a <", "ends too early"),
    ("< a", "not understood at character 1"),
    ("a b", "not understood at character 3"),
    ("(a < b", "not closed"),
    ("a < b)", "not understood at character 6"),
    ("f(x) < 1", "there are no calls"),
    ("__import__('os')", "there are no calls"),
    ("x ** 2 < 1", "not understood"),
    ("x.y < 1", "not understood"),
    ("x[0] < 1", "not understood"),
    ("x = 1", "not understood at character 3"),
    ("x < 1; y", "not understood"),
    ("lambda: 1", "not understood"),
    ("'a' + 'b' == 'ab'", "works on numbers only"),
    ("x < 'a'", "works on numbers only"),
    ("x < None", "works on numbers only"),
    ("(a < b) + 1 > 0", "works on numbers only"),
    ("-'a' == 1", "works on numbers only"),
    ("x < 'a", "not understood"),
    ("x < " + "1 + " * 200 + "1", "at most 500 characters"),
    ("x<" + "1+" * 120 + "1", "at most 100 terms"),
    ("(" * 99 + "x", "not closed"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_no_expression_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidSpace, match=message):
        parse(text)


def test_only_text_is_an_expression() -> None:
    with pytest.raises(InvalidSpace, match="got 3"):
        parse(3)  # pyright: ignore[reportArgumentType]


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        expression = parse(text)
    except InvalidSpace:
        return
    assert isinstance(expression.names, tuple)


NAMES = ("a", "b", "c")
_numbers = st.one_of(st.sampled_from(NAMES), st.integers(0, 9).map(str))
_arithmetic = st.recursive(
    _numbers,
    lambda s: st.tuples(s, st.sampled_from("+-*"), s).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=6,
)
_comparisons = st.tuples(_arithmetic, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _arithmetic).map(
    " ".join
)
_logic = st.recursive(
    _comparisons,
    lambda s: st.one_of(
        st.tuples(s, st.sampled_from([" and ", " or "]), s).map("".join),
        s.map(lambda t: f"not {t}"),
        s.map("({})".format),
    ),
    max_leaves=4,
)


@given(_logic, st.tuples(*[st.integers(-5, 5)] * 3))
def test_it_agrees_with_python(text: str, numbers: tuple[int, ...]) -> None:
    if len(text) > 400:
        return
    values = dict(zip(NAMES, numbers, strict=True))
    try:
        expression = parse(text)
    except InvalidSpace:  # too many terms
        return
    expected = bool(eval(text, {}, dict(values)))
    assert expression.holds(values) is expected
    columns = {name: np.array([value, value], float) for name, value in values.items()}
    assert np.broadcast_to(expression.evaluate(columns), 2).tolist() == [expected, expected]


def test_columns_are_evaluated_at_once() -> None:
    expression = parse("kernel == 'rbf' and C / gamma > 2 or size == None")
    kernel = np.array(["rbf", "rbf", "linear", "linear"], object)
    columns = {
        "kernel": kernel,
        "C": np.array([9.0, 1.0, 9.0, 9.0]),
        "gamma": np.array([1.0, 1.0, 1.0, 0.0]),
        "size": np.array([1.0, 1.0, 1.0, math.nan]),
    }
    assert expression.evaluate(columns).tolist() == [True, False, False, True]
    assert expression.names == ("kernel", "C", "gamma", "size")
    assert expression.numeric_names == {"C", "gamma"}
    assert parse("x == None").evaluate({"x": np.array(["a", None], object)}).tolist() == [False, True]


def test_boolean_expressions_are_told_from_numbers() -> None:
    assert parse("a < b").is_boolean
    assert parse("not a").is_boolean
    assert not parse("a + b").is_boolean
    assert operator.eq(parse("a<b"), parse("a<b"))
