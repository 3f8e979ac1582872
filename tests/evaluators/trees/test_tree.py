"""Trees: flattened names and conditions, the nested shape and back, what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import trialogue as tl
from trialogue.evaluators.errors import InvalidParameters, InvalidSpace
from trialogue.evaluators.trees.tree import Node, Tree

NET = Tree(
    [
        tl.Float("rate", 1e-4, 1.0, log=True),
        tl.Or(
            "block",
            {
                "conv": [tl.Int("filters", 8, 64), tl.Maybe("norm", [tl.Float("eps", 1e-6, 1e-3, log=True)])],
                "dense": [tl.Int("units", 4, 512, log=True)],
                "skip": [],
            },
            default="dense",
        ),
        tl.Repeat(
            "layers",
            [
                tl.Categorical("act", ["relu", "tanh"]),
                tl.Float("slope", 0, 1, when={"act": ["relu"], "block": ["conv"]}),
            ],
            1,
            3,
        ),
    ],
    where=["`block.dense.units` >= 4"],
)


def nodes(depth: int) -> st.SearchStrategy[list[Node]]:
    """Random trees, names distinct within a list."""
    leaf = st.sampled_from(["float", "int", "categorical"])
    kinds = leaf if depth == 0 else st.one_of(leaf, st.sampled_from(["or", "repeat", "maybe"]))

    @st.composite
    def build(draw: st.DrawFn) -> list[Node]:
        return [draw(node(f"n{i}", draw(kinds))) for i in range(draw(st.integers(1, 3)))]

    @st.composite
    def node(draw: st.DrawFn, name: str, kind: str) -> Node:
        body = nodes(depth - 1) if kind in ("or", "repeat", "maybe") else st.just([])
        if kind == "or":
            return tl.Or(name, {"a": draw(body), "b": [], "c.d": draw(body)})
        if kind == "repeat":
            low = draw(st.integers(0, 2))
            return tl.Repeat(name, draw(body), low, max(1, low + draw(st.integers(0, 2))))
        if kind == "maybe":
            return tl.Maybe(name, draw(body))
        leaves: dict[str, Node] = {
            "float": tl.Float(name, 0, 1),
            "int": tl.Int(name, 1, 9),
            "categorical": tl.Categorical(name, ["x", "y"]),
        }
        return leaves[kind]

    return build()


def test_names_say_where_a_parameter_stands_and_conditions_when_it_is_active():
    space = NET.space
    assert space.names[:5] == (
        "rate",
        "block",
        "block.conv.filters",
        "block.conv.norm",
        "block.conv.norm.eps",
    )
    assert space["block.conv.norm.eps"].when == {"block.conv.norm": (True,)}
    assert space["layers.2.act"].when == {"layers": ">= 2"}


def test_a_condition_names_its_neighbour_or_what_stands_around():
    when = NET.space["layers.3.slope"].when
    assert when == {"layers": ">= 3", "layers.3.act": ("relu",), "block": ("conv",)}


@given(tree=nodes(2), seed=st.integers(0, 99))
def test_the_nested_shape_and_back(tree, seed):
    try:
        whole = Tree(tree)
        whole.space  # noqa: B018 - too many rounds in rounds
    except InvalidSpace:
        return
    for params in whole.space.sample(np.random.default_rng(seed), 5):
        assert whole.flat(whole.nested(params)) == params


def test_the_shape_is_that_of_the_tree():
    params = NET.flat(
        {"rate": 0.1, "block": {"conv": {"filters": 8, "norm": None}}, "layers": [{"act": "tanh"}]}
    )
    assert params["block.conv.norm"] is False
    assert NET.nested(params)["layers"] == [{"act": "tanh"}]


@pytest.mark.parametrize(
    ("nested", "words"),
    [
        ({"rate": 0.1, "blok": {"skip": {}}}, "blok"),
        ({"rate": 0.1, "block": {"pool": {}}}, "one of"),
        ({"rate": 0.1, "block": {"skip": {}}, "layers": []}, "1 to 3 rounds"),
    ],
)
def test_another_shape_is_refused_with_what_fits(nested, words):
    with pytest.raises(InvalidParameters, match=words):
        NET.flat(nested)


@pytest.mark.parametrize(("low", "high"), [(2, 1), (0, 0), (-1, 2), (1, 1000), (1, 2.5)])
def test_rounds_are_whole_and_few(low, high):
    with pytest.raises(InvalidSpace, match="whole numbers"):
        Tree([tl.Repeat("r", [tl.Float("x", 0, 1)], low, high)]).space  # noqa: B018


def test_a_problem_takes_a_tree():
    assert tl.Problem("net", NET).space == NET.space
