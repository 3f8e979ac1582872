"""The schema for structured output: it accepts every configuration and little else."""

import json
from typing import Any

import numpy as np
from contracts.spaces import spaces
from hypothesis import given, strategies as st

from trialogue.evaluators.spaces.parameters import Categorical, Float, Int
from trialogue.evaluators.spaces.space import SearchSpace


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """A check of exactly the keywords that our schemas use; another keyword is an error of the test."""
    known = {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "anyOf",
        "enum",
        "minimum",
        "maximum",
        "description",
    }
    assert set(schema) <= known, schema
    if "anyOf" in schema:
        return any(accepts(s, value) for s in schema["anyOf"])
    if "enum" in schema and not any(type(value) is type(e) and value == e for e in schema["enum"]):
        return False
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return any(_is(kind, value, schema) for kind in kinds)


def _is(kind: str, value: Any, schema: dict[str, Any]) -> bool:
    if kind == "object":
        inside = isinstance(value, dict) and list(value) == schema["required"] == list(schema["properties"])
        return inside and all(accepts(schema["properties"][k], v) for k, v in value.items())
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in {"number", "integer"}:
        fits = numeric and (kind == "number" or isinstance(value, int))
        return fits and schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return {"string": str, "boolean": bool, "null": type(None)}[kind] is type(value)


@given(spaces(), st.integers(0, 2**31))
def test_every_sample_is_accepted(space: SearchSpace, seed: int) -> None:
    schema = json.loads(json.dumps(space.json_schema()))
    assert schema["additionalProperties"] is False
    for params in space.sample(np.random.default_rng(seed), 5):
        wire = {space.wire_names[n]: params.get(n) for n in space.names}
        assert accepts(schema, wire), (schema, wire)


def test_unsafe_names_get_safe_ones_that_collide_with_none() -> None:
    space = SearchSpace([Float("a b", 0, 1), Float("p0", 0, 1), Float("größe", 0, 1), Float("x" * 65, 0, 1)])
    assert space.wire_names == {"a b": "p0_", "p0": "p0", "größe": "p2", "x" * 65: "p3"}
    properties = space.json_schema()["properties"]
    assert properties["p2"]["description"] == "größe"


def test_conditional_parameters_may_be_null_and_say_when() -> None:
    space = SearchSpace(
        [
            Categorical("k", ["a", "b"]),
            Float("x", 0, 1, when={"k": "a"}, unit="s", description="wait"),
            Categorical("c", [1, 2], when={"k": ["a", "b"]}),
            Categorical("n", [None, 2], when={"k": ["a"]}),
        ]
    )
    properties = space.json_schema()["properties"]
    assert properties["x"]["anyOf"] == [{"type": "number", "minimum": 0.0, "maximum": 1.0}, {"type": "null"}]
    assert properties["x"]["description"] == "wait; in s; only when k is a, else null"
    assert properties["c"]["enum"] == [1, 2, None]
    assert properties["n"]["enum"] == [None, 2]


def test_enums_beyond_the_limits_of_servers_become_text() -> None:
    many = Categorical("m", list(range(300)))
    wide = [Categorical(f"w{i}", [f"v{j}" for j in range(200)]) for i in range(3)]
    space = SearchSpace([many, *wide, Categorical("long", ["x" * 9000, "y"])])
    properties = space.json_schema()["properties"]
    assert properties["m"] == {"type": "string"}
    assert "enum" in properties["w1"]
    assert properties["w2"] == {"type": "string"}
    assert properties["long"] == {"type": "string"}


def test_steps_and_scales_are_told_in_words() -> None:
    properties = SearchSpace([Int("n", 8, 64, step=8, log=True)]).json_schema()["properties"]
    assert properties["n"] == {
        "type": "integer",
        "minimum": 8,
        "maximum": 64,
        "description": "steps of 8 from 8; log scale",
    }
