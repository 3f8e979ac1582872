import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import trialogue as tl
from tests.prompts.spaces import spaces, svm
from trialogue.prompts.errors import ModelAnswerInvalid
from trialogue.prompts.wire import Wire, shown_number

WIRE = Wire(svm().space)


def test_the_schema_is_the_contract():
    schema = WIRE.schema(4)
    assert schema["required"] == ["proposals", "abstain"]
    proposal = schema["properties"]["proposals"]["items"]
    assert proposal["required"] == ["params", "hypothesis", "expected", "confidence"]
    params = proposal["properties"]["params"]
    assert params["required"] == ["kernel", "C", "gamma", "max_iter"]
    assert params["properties"]["kernel"]["enum"] == ["linear", "rbf"]
    assert "null" in json.dumps(params["properties"]["gamma"])
    assert params["additionalProperties"] is False
    text = json.dumps(schema)
    assert not any(f'"{word}"' in text for word in ("if", "then", "oneOf"))


def test_a_configuration_on_the_wire_is_flat_with_nulls_and_four_digits():
    assert WIRE.to_wire({"kernel": "linear", "C": 12.34567, "max_iter": 1234}) == {
        "kernel": "linear",
        "C": 12.35,
        "gamma": None,
        "max_iter": 1234,
    }


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_goes_out_comes_back_whatever_the_names(data):
    space = data.draw(spaces())
    wire = Wire(space)
    seed = data.draw(st.integers(0, 1000))
    (params,) = space.sample(np.random.default_rng(seed), 1)
    sent = json.loads(json.dumps(wire.to_wire(params)))
    back = wire.from_wire(sent)
    assert set(back) == set(params)
    X, _ = space.encode([params, back])
    assert np.abs(X[0] - X[1]).max() < 1e-3
    assert list(sent) == list(
        wire.schema(1)["properties"]["proposals"]["items"]["properties"]["params"]["properties"]
    )


def test_two_hundred_parameters_and_a_hundred_choices_survive():
    parameters = [tl.Float(f"learning rate {i}", 0, 1) for i in range(200)]
    space = tl.SearchSpace([*parameters, tl.Categorical("choice", [f"a\"{i}'\n{{}}" for i in range(100)])])
    wire = Wire(space)
    (params,) = space.sample(np.random.default_rng(0), 1)
    back = wire.from_wire(json.loads(json.dumps(wire.to_wire(params))))
    assert back["choice"] == params["choice"]
    assert len(back) == 201


def test_more_choices_than_servers_take_become_text():
    space = tl.SearchSpace([tl.Categorical("n", list(range(400)))])
    wire = Wire(space)
    body = wire.schema(1)["properties"]["proposals"]["items"]["properties"]["params"]["properties"]["n"]
    assert body["type"] == "string"
    assert wire.to_wire({"n": 7}) == {"n": "7"}
    assert wire.from_wire({"n": "7"}) == {"n": 7}


GOOD = {"kernel": "rbf", "C": 1.0, "gamma": 0.1, "max_iter": 200}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"C": "large"}, "must be a number"),
        ({"C": True}, "must be a number"),
        ({"C": [1]}, "must be a number"),
        ({"C": float("inf")}, "must be a number"),
        ({"C": 10**400}, "must be a number"),
        ({"C": 1e9}, "must be in"),
        ({"C": -5}, "must be in"),
        ({"kernel": "sigmoid"}, "must be one of"),
        ({"kernel": {"x": 1}}, "must be one of"),
        ({"gamma": None}, "gamma"),
        ({"max_iter": None}, "max_iter"),
    ],
)
def test_wrong_values_are_refused_with_what_would_be_right(change, says):
    with pytest.raises(ModelAnswerInvalid, match=says):
        WIRE.from_wire({**GOOD, **change})


@pytest.mark.parametrize("raw", [None, 3, "x", [], [1], True])
def test_params_that_are_no_object_are_refused(raw):
    with pytest.raises(ModelAnswerInvalid):
        WIRE.from_wire(raw)


def test_small_slips_are_repaired():
    assert WIRE.from_wire({**GOOD, "C": 1000.5, "max_iter": 200.4}) == {**GOOD, "C": 1000.0, "max_iter": 200}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5), ("+15e-1", 1.5), ("１．５", 1.5), (" 1.5 ", 1.5), ("15×10^-1", 1.5), ("15 x 10⁻¹", 1.5),
        ("0.15*10**1", 1.5), ("2", 2), ("１２", 12),
    ],
)  # fmt: skip
def test_a_number_in_a_text_is_read_where_there_is_no_doubt(text, value):
    assert WIRE.from_wire({**GOOD, "C": text})["C"] == value
    assert WIRE.from_wire({**GOOD, "C": {"value": text}})["C"] == value


@pytest.mark.parametrize(
    "text", ["1,5", "１，５", "1.500,0", "1,500", "50%", "2k", "2 GB", "1-2", "1.5²", "3 x 103", "1.5₂", "½", "nan", "1_5", "٣"]
)  # fmt: skip
def test_a_number_in_a_text_is_refused_where_there_is_doubt(text):
    with pytest.raises(ModelAnswerInvalid, match="must be a number"):
        WIRE.from_wire({**GOOD, "C": text})


def test_names_and_choices_in_another_case_are_known_where_only_one_can_be_meant():
    assert WIRE.from_wire({"Kernel": "RBF", " c ": 1.0, "GAMMA": 0.1, "max iter": 200}) == GOOD
    with pytest.raises(ModelAnswerInvalid):
        WIRE.from_wire({"kernel": "rbf", "c": 1.0, "c ": 2.0, "gamma": 0.1, "max_iter": 200})


def test_values_of_inactive_parameters_are_dropped_even_when_wrong():
    assert WIRE.from_wire({**GOOD, "kernel": "linear", "gamma": "any"}) == {
        "kernel": "linear",
        "C": 1.0,
        "max_iter": 200,
    }


def test_a_relation_that_does_not_hold_is_told():
    space = tl.SearchSpace([tl.Float("low", 0, 1), tl.Float("high", 0, 1)], where=["low <= high"])
    with pytest.raises(ModelAnswerInvalid, match="low <= high"):
        Wire(space).from_wire({"low": 0.9, "high": 0.1})


leaves = st.none() | st.booleans() | st.floats() | st.integers() | st.text()


@given(st.recursive(leaves, lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_json_gives_a_valid_configuration_or_the_one_error(raw):
    for value in (raw, {**GOOD, "C": raw}, {**GOOD, "kernel": raw}, {"C": raw}):
        with contextlib.suppress(ModelAnswerInvalid):
            WIRE.space.validate(WIRE.from_wire(value))


def test_numbers_are_shown_with_four_significant_digits_in_their_own_scale():
    assert [shown_number(v) for v in (123456.0, 1.23456e-7, -0.00012345)] == [123500.0, 1.235e-07, -0.0001234]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_choices_let_through_lies_in_the_space(data):
    space = data.draw(spaces())
    wire = Wire(space)
    proposals = wire.schema_of_choices(2)["properties"]["proposals"]
    assert proposals["minItems"] == proposals["maxItems"] == 2
    bodies = proposals["items"]["properties"]["params"]["properties"]
    said = {name: data.draw(st.sampled_from(b["enum"])) for name, b in bodies.items() if "enum" in b}
    if set(said) < set(bodies):
        return  # more choices than an enum may have are plain text
    try:
        params = wire.from_wire(said)
    except ModelAnswerInvalid:
        assert space.where  # no schema can say a relation
        return
    assert space.validate(params) == params


def test_numbers_as_choices_follow_their_scale_and_stay_few():
    space = tl.SearchSpace([tl.Float("rate", 1e-4, 1.0, log=True), tl.Int("n", 1, 4)])
    items = Wire(space).schema_of_choices(1)["properties"]["proposals"]["items"]
    bodies = items["properties"]["params"]["properties"]
    assert bodies["n"] == {"type": "integer", "enum": [1, 2, 3, 4]}
    rates = bodies["rate"]["enum"]
    assert (rates[0], rates[16], rates[-1], len(rates)) == (1e-4, 0.01, 1.0, 33)
    many = Wire(tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(100)])).schema_of_choices(1)
    assert [len(e) for e in enums_in(many)] == [5] * 100


def enums_in(schema):
    """Return every enum inside ``schema``."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    here = [schema["enum"]] if isinstance(schema, dict) and isinstance(schema.get("enum"), list) else []
    return here + [e for value in inner for e in enums_in(value)]
