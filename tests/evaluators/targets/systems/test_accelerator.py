"""The accelerator's traffic against bounds that hold for every mapping, and the monotone directions of its sizes."""

from typing import Any

import pytest

from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.systems.accelerator import (
    LAYERS,
    Convolution,
    area_mm2,
    evaluate,
    layer_costs,
    mapped,
    target,
)


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


def test_a_layer_that_fits_whole_moves_each_word_once() -> None:
    layer = Convolution(4, 4, 1, 4)
    held, traffic = layer.tiles
    assert traffic.min() == 4 * 4 + 2 * 4 * 16
    assert held[traffic.argmin()] <= 4 * 4 + 2 * 4 * 16 + 16


@pytest.mark.parametrize("dataflow", ["weight", "output", "row"])
def test_no_more_elements_work_than_there_are(dataflow: str) -> None:
    for layer in LAYERS:
        busy, words = mapped(params(dataflow=dataflow), layer)
        assert 0 < busy <= 14 * 12
        assert words > 0


def test_more_ports_are_never_slower_and_more_memory_never_moves_more() -> None:
    for layer in LAYERS:
        slow, fast = (layer_costs(params(dram_ports=n), layer)[0] for n in (1, 16))
        assert fast <= slow
        assert layer.tiles[1].min() <= min(t for h, t in zip(*layer.tiles, strict=True) if h <= 20_000)


def test_the_default_has_about_the_area_of_eyeriss() -> None:
    assert area_mm2(params()) == pytest.approx(12.25, rel=0.2)


def test_few_layers_stand_for_all() -> None:
    whole, part = (evaluate(params(), Run(fidelity=f)).value for f in (1.0, 0.5))
    assert part == pytest.approx(whole, rel=0.5)
