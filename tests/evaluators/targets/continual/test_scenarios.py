"""The scenario: five tasks, every class once, training images and others for tests; orders by seed."""

import pytest
import torch

from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.targets.continual.scenarios import DATA, glyphs, scenario


@pytest.mark.parametrize("data", DATA)
def test_every_class_comes_once_with_its_images(data: str) -> None:
    parts = scenario(data, 0)
    assert sorted(c for part in parts for c in part.classes) == list(range(10))
    for part in parts:
        assert set(part.train.y.tolist()) == set(part.test.y.tolist()) == set(part.classes)
        assert len(part.train.y) > 100
        assert bool((part.train.x >= 0).all() and (part.train.x <= 1).all())


def test_the_seed_draws_the_order_and_the_data_only_the_images() -> None:
    orders = [
        [part.classes for part in scenario(data, seed)]
        for data, seed in (("digits", 0), ("glyphs", 0), ("digits", 1))
    ]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_glyphs_are_always_the_same() -> None:
    first = glyphs()[0].x
    glyphs.cache_clear()
    assert torch.equal(glyphs()[0].x, first)


def test_other_data_are_refused() -> None:
    with pytest.raises(EvaluationFailed, match="digits, glyphs, got 'faces'"):
        scenario("faces", 0)
