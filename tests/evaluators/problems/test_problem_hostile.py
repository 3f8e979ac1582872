"""Whatever stands in a problem's description: it is refused in words, or it can be written, read and shown again."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from trialogue.evaluators.errors import InvalidProblem, InvalidSpace
from trialogue.evaluators.problems.problem import Constraint, Objective, Problem
from trialogue.evaluators.spaces.parameters import Categorical, Float
from trialogue.serving.errors import InvalidInput

PLAIN: dict[str, Any] = {
    "name": "p",
    "description": "words",
    "objectives": [{"name": "f", "direction": "maximize", "unit": "s", "description": "d"}],
    "constraints": [{"name": "c", "upper": 1.0, "lower": 0.0, "unit": "s"}, "g <= 2"],
    "context": {"n": 1, "deep": [{"x": "y"}]},
    "fidelity": {"name": "x", "low": 0.5, "high": 1.0, "eta": 2},
    "space": {
        "parameters": {
            "x": {"type": "float", "low": 0.5, "high": 1.0, "log": True, "default": 0.7, "description": "d", "unit": "u"},
            "i": {"type": "int", "low": 1, "high": 9, "step": 2},
            "k": {"type": "categorical", "choices": ["a", 1, None, True], "ordered": True, "default": 1},
            "l": {"type": "categorical", "choices": {"one": {"n": 1}, "two": [2]}, "when": {"k": ["a"], "i": ">= 3"}},
        },
        "where": ["x * 2 < i"],
    },
}  # fmt: skip
ODD = st.one_of(
    st.sampled_from(
        [
            None, True, False, 0, -1, 1e-320, float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 2**63, "", " ",
            "\ud800", "a\udfffb", "\x00", "\x7f", "\u202e", "\n", "=1+1", "`", "{x}", "a" * 5_000, [], {}, [[]], {"": ""},
            {"none": True}, {"\ud800": 1}, [float("nan")], {"a": {"b": {"c": float("inf")}}}, ["x", "x"], [None, None],
        ]
    ),
    st.text(max_size=5),
    st.floats(),
    st.integers(),
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.one_of(st.floats(), st.text(max_size=3)), max_size=2),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*path, key))


PLACES = [p for p in places(PLAIN) if p]


def with_odd(path: tuple[Any, ...], odd: Any, *, as_key: bool) -> dict[str, Any]:
    plain = copy.deepcopy(PLAIN)
    *way, last = path
    here: Any = plain
    for step in way:
        here = here[step]
    if as_key and isinstance(here, dict) and isinstance(odd, str):
        here[odd] = here.pop(last)
    else:
        here[last] = odd
    return plain


@settings(max_examples=500)
@given(st.sampled_from(PLACES), ODD, st.booleans())
def test_an_odd_value_is_refused_in_words_or_kept_for_good(
    path: tuple[Any, ...], odd: Any, as_key: bool
) -> None:
    try:
        problem = Problem.from_dict(with_odd(path, odd, as_key=as_key))
    except InvalidInput as error:
        str(error).encode()
        return
    written = json.dumps(problem.to_dict(), allow_nan=False, ensure_ascii=False)
    written.encode()
    assert "\x00" not in written
    again = Problem.from_dict(json.loads(written))
    assert again == problem
    assert again.to_dict() == problem.to_dict()


@pytest.mark.parametrize("text", [float("nan"), None, 3, ["s"], "\ud800", "a\x00b"])
def test_a_text_that_is_none_is_refused(text: Any) -> None:
    with pytest.raises(InvalidProblem, match="must be text"):
        Objective("f", unit=text)
    with pytest.raises(InvalidProblem, match="must be text"):
        Objective("f", description=text)
    with pytest.raises(InvalidProblem, match="must be text"):
        Constraint("f", upper=1, unit=text)
    with pytest.raises(InvalidSpace, match="must be text"):
        Float("x", 0, 1, unit=text)
    with pytest.raises(InvalidSpace, match="must be text"):
        Categorical("x", ["a"], description=text)
