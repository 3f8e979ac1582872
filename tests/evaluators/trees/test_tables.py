"""Nested tables of study files: the same space as the tree in Python, and one sentence for what is wrong."""

import tomllib

import pytest

import trialogue as tl
from trialogue.evaluators.errors import InvalidSpace
from trialogue.evaluators.trees.tables import space_from_tables

TEXT = """
[parameters.rate]
type = "float"
low = 0.0001
high = 1.0
log = true
[parameters.block]
type = "categorical"
choices = ["conv", "skip"]
default = "skip"
[parameters.block.conv.filters]
type = "int"
low = 8
high = 64
[parameters.block.conv.norm]
type = "maybe"
[parameters.block.conv.norm.parameters.eps]
type = "float"
low = 0.0
high = 0.1
[parameters.layers]
type = "repeat"
low = 1
high = 2
default = 2
[parameters.layers.parameters.units]
type = "int"
low = 1
high = 9
"""


def test_tables_describe_the_same_space_as_nodes():
    tree = tl.Tree(
        [
            tl.Float("rate", 0.0001, 1.0, log=True),
            tl.Or(
                "block",
                {"conv": [tl.Int("filters", 8, 64), tl.Maybe("norm", [tl.Float("eps", 0, 0.1)])], "skip": []},
                default="skip",
            ),
            tl.Repeat("layers", [tl.Int("units", 1, 9)], 1, 2, default=2),
        ]
    )
    assert space_from_tables(tomllib.loads(TEXT)) == tree.space


def test_a_problem_reads_nested_tables_and_keeps_the_flat_space():
    problem = tl.Problem.from_dict({"name": "net", "space": tomllib.loads(TEXT)})
    assert tl.Problem.from_dict(problem.to_dict()).space == problem.space


def test_flat_tables_are_read_as_before():
    plain = {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}
    assert space_from_tables(plain) == tl.SearchSpace.from_dict(plain)


INT = {"type": "int", "low": 1, "high": 2}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"type": "categorical", "choices": ["a", 1], "a": {"x": INT}}, "must be texts"),
        ({"type": "categorical", "choices": ["a", "unit"], "a": {"x": INT}}, "rename"),
        ({"type": "categorical", "choices": ["a"], "a": {"x": INT}, "b": {"x": INT}}, "Unknown key 'b'"),
        ({"type": "categorical", "choices": ["a"], "a": {"x": INT}, "ordered": True}, "takes no `ordered`"),
        ({"type": "repeat", "low": 1, "parameters": {"x": INT}}, "high missing"),
        ({"type": "repeat", "low": 1, "high": 2}, "at least one parameter"),
        ({"type": "maybe", "parameters": {}}, "at least one parameter"),
        ({"type": "maybe", "parameters": {"x": INT}, "low": 1}, "Unknown key 'low'"),
    ],
)
def test_a_wrong_table_is_refused_with_the_cure(table, words):
    with pytest.raises(InvalidSpace, match=words):
        space_from_tables({"parameters": {"p": table}})
