"""Volume coding: boxes fill the cube, every point of a box is its configuration, and equal boxes are equal."""

from fractions import Fraction
from math import prod

import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.errors import InvalidSpace
from trialogue.evaluators.trees.decisions import Decisions
from trialogue.surrogates.options.volumes import ConfigurationCount, VolumeCode

TREE = tl.Tree(
    [
        tl.Or(
            "block",
            {"plain": [], "conv": [tl.Int("filters", 1, 5), tl.Categorical("act", ["relu", "tanh", "silu"])]},
        ),
        tl.Repeat("layers", [tl.Categorical("kind", ["a", "b"])], 1, 3),
        tl.Maybe("drop", [tl.Int("rate", 0, 1)]),
    ]
).space
MIXED = tl.SearchSpace(
    [tl.Categorical("c", ["x", "y"]), tl.Float("f", 0, 1, when={"c": ["x"]}), tl.Int("n", 1, 1000)]
)
NUMBER = (1 + 5 * 3) * (2 + 4 + 8) * (1 + 2)


def configurations(space: tl.SearchSpace) -> list[tl.evaluators.spaces.space.Params]:
    return [p for rows in space.enumerated() for p in space.decode(rows)]


@pytest.mark.parametrize("counted", [False, True])
def test_boxes_fill_the_cube_and_equal_ones_are_equal(counted: bool) -> None:
    code = VolumeCode.of(TREE, counted=counted)
    volumes = {TREE.key(p): prod(high - low for low, high in code.box(p)) for p in configurations(TREE)}
    assert len(volumes) == NUMBER
    assert sum(volumes.values()) == 1
    assert (set(volumes.values()) == {Fraction(1, NUMBER)}) == counted


@pytest.mark.parametrize("counted", [False, True])
def test_every_point_of_a_box_is_its_configuration(counted: bool) -> None:
    code, rng = VolumeCode.of(TREE, counted=counted), np.random.default_rng(0)
    for params in TREE.sample(rng, 30):
        box = code.box(params)
        inside = [low + (high - low) * Fraction(float(rng.random())) for low, high in box]
        for point in (inside, [low for low, _ in box]):
            assert TREE.key(TREE.from_unit(code.decode(point, rng))) == TREE.key(params)


def test_ranges_are_coded_to_a_32nd_and_what_is_long_counts_once() -> None:
    code, rng = VolumeCode.of(MIXED, counted=True), np.random.default_rng(1)
    for params in MIXED.sample(rng, 40):
        again = MIXED.from_unit(code.decode([(low + high) / 2 for low, high in code.box(params)], rng))
        assert again["c"] == params["c"]
        assert abs(float(again["n"] or 0) - float(params["n"] or 0)) <= 1000 / 32
        assert abs(float(again.get("f") or 0) - float(params.get("f") or 0)) <= 1 / 32
    assert ConfigurationCount(Decisions(MIXED)).total() == 2


def test_random_points_find_all_configurations_alike_and_spread_ones_sooner() -> None:
    code, rng = VolumeCode.of(TREE, counted=True), np.random.default_rng(2)
    X, _ = TREE.canonical(code.random_rows(rng, NUMBER))
    random = len(np.unique(X, axis=0)) / NUMBER
    spread = len(np.unique(TREE.canonical(code.spread_rows(rng, NUMBER, 0))[0], axis=0)) / NUMBER
    assert random == pytest.approx(1 - np.exp(-1), abs=0.05)
    assert spread > random


def test_too_many_cases_are_refused() -> None:
    parents = [tl.Int(f"p{i}", 0, 31) for i in range(6)]
    children = [tl.Int(f"c{i}", 0, 1, when={f"p{i}": [3]}) for i in range(6)]
    code = VolumeCode.of(tl.SearchSpace([*parents, *children]), counted=True)
    with pytest.raises(InvalidSpace, match="put children next to"):
        code.random_rows(np.random.default_rng(0), 1)


def test_values_are_not_listed_where_there_are_billions() -> None:
    n, rng = tl.Int("n", 1, 10**12), np.random.default_rng(0)
    alone = VolumeCode.of(tl.SearchSpace([n, tl.Categorical("c", ["x", "y"])]), counted=True)
    assert alone.random_rows(rng, 3).shape == (3, 2)
    parent = VolumeCode.of(tl.SearchSpace([n, tl.Int("c", 0, 1, when={"n": ">= 2"})]), counted=True)
    with pytest.raises(InvalidSpace, match="cases to count"):
        parent.random_rows(rng, 1)


def test_a_design_goes_to_every_branch() -> None:
    study = tl.Study(
        tl.Problem("p", TREE), strategy="surrogate", engine=tl.EngineOptions(design="ariel", design_trials=7)
    )
    study.run(lambda p: float(len(p)), n_trials=7)
    drawn = [t for t in study.trials if t.source == "initial_design"]
    assert len(drawn) == 6
    assert {t.params["block"] for t in drawn} == {"plain", "conv"}
    assert {t.params["layers"] for t in drawn} == {1, 2, 3}
