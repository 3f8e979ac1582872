"""The grid of shapes and requests at once: its cells, its front, and what is said of a wrong one. No server."""

import pytest

from trialogue.evaluators.engines.grid import Cell, by_shape, cells, front
from trialogue.serving.errors import InvalidInput


def cell(concurrency: int, tok_s: float, **more: float) -> Cell:
    return Cell(128, 32, concurrency, {"output_tok_s": tok_s, **more})


def test_a_grid_is_every_shape_with_every_concurrency() -> None:
    grid = cells([64, 8], [16], [4, 1, 4])
    assert [c.key for c in grid] == [(8, 16, 1), (8, 16, 4), (64, 16, 1), (64, 16, 4)]
    assert [(shape, len(of)) for shape, of in by_shape(grid)] == [("8→16", 2), ("64→16", 2)]


def test_a_cell_is_a_load_of_its_lengths_that_takes_every_place_several_times() -> None:
    workload = Cell(50, 7, 8).workload()
    rows = workload.rows()
    assert (len(rows), workload.concurrency) == (32, 8)
    assert {(r["input_len"], r["output_len"]) for r in rows} == {(50, 7)}
    assert len(Cell(50, 7, 1).workload().rows()) == 16


def test_speed_is_told_per_user_and_per_device() -> None:
    one = cell(4, 100.0, devices=2.0)
    assert (one.user_tok_s, one.device_tok_s) == (25.0, 50.0)


def test_the_front_is_what_no_other_cell_beats_in_both() -> None:
    grid = [cell(1, 50.0), cell(2, 90.0), cell(4, 80.0), cell(8, 200.0), Cell(128, 32, 16, failed="it died")]
    assert [c.concurrency for c in front(grid)] == [1, 2, 8]
    assert front([Cell(1, 1, 1, failed="it died")]) == []


@pytest.mark.parametrize(
    ("axes", "told"),
    [(([], [1], [1]), "--input"), (([1], [0], [1]), "--output"), (([1], [1], range(1, 500)), "400")],
)
def test_a_grid_that_cannot_be_is_refused_in_a_sentence(axes: tuple, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        cells(*axes)
