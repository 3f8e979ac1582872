"""Whatever stands in the ledger can be sent as JSON."""

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hypothesis import given, strategies as st

from trialogue.api.http.rendering import Json, cleaned, rendered


@dataclass
class Pair:
    left: int
    right: str


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(TREES)
def test_any_value_becomes_strict_json(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = Json(value).body.decode()
    json.loads(text, parse_constant=refuse)
    cleaned_text = rendered(cleaned(value))
    assert json.loads(cleaned_text) == json.loads(text)


def test_what_json_has_no_word_for_is_told_as_near_as_it_gets() -> None:
    value = {
        "s": frozenset({"b", "a"}),
        "p": Pair(1, "x"),
        "m": MappingProxyType({"k": (1, 2)}),
        "n": float("nan"),
    }
    assert json.loads(rendered(value)) == {
        "s": ["a", "b"],
        "p": {"left": 1, "right": "x"},
        "m": {"k": [1, 2]},
        "n": None,
    }
    assert cleaned("a\ud800b").strip("\ufffd") == "a\ufffd\ufffd\ufffdb"
