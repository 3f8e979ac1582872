"""Bilevel optimization against a problem whose solutions have a closed form."""

import pytest
import torch
from torch import Tensor

import trialogue as tl
from trialogue.serving.errors import InvalidInput

M, Q = 12, 3
TARGETS = torch.linspace(-1, 1, M * Q, dtype=torch.float64).reshape(M, Q)
WANTED = TARGETS.flip(0) + 0.5
CURVATURE = torch.tensor([1.0, 1.5, 2.0], dtype=torch.float64)
ZERO_X, ZERO_Y = torch.zeros(Q, dtype=torch.float64), torch.zeros(M, Q, dtype=torch.float64)


def lower(x: Tensor, y: Tensor, blocks: Tensor, rows: Tensor) -> Tensor:
    """y_i = target_i + x / curvature, whatever the rows."""
    return (0.5 * CURVATURE * (y - TARGETS[blocks]) ** 2 - x * y).sum(1)


def upper(x: Tensor, y: Tensor, blocks: Tensor, rows: Tensor) -> Tensor:
    return (0.5 * (y - WANTED[blocks]) ** 2).sum(1) + 0.05 * (x**2).sum()


def solution() -> Tensor:
    gap = (WANTED - TARGETS).mean(0)
    return (gap / CURVATURE) / (1 / CURVATURE**2 + 0.1)


def test_x_and_all_blocks_reach_the_closed_form() -> None:
    how = tl.BilevelSteps(500, blocks=M, batch=1, rate=0.3, inner_rate=0.3)
    found = tl.bilevel(lower, upper, ZERO_X, ZERO_Y, rows=(1, 1), how=how)
    assert torch.allclose(found.x, solution(), atol=1e-4)
    assert torch.allclose(found.y, TARGETS + found.x / CURVATURE, atol=1e-4)
    assert torch.allclose(found.v, (found.y - WANTED) / CURVATURE, atol=1e-4)
    assert float(found.hypergradient.norm()) < 1e-4


def test_half_of_the_blocks_in_a_step_end_near_it_too() -> None:
    how = tl.BilevelSteps(400, blocks=6, batch=1, rate=0.02, inner_rate=0.2, momentum=0.5)
    found = tl.bilevel(lower, upper, ZERO_X, ZERO_Y, rows=(1, 1), how=how)
    assert torch.allclose(found.x, solution(), atol=0.1)


def test_the_same_seed_gives_the_same_run() -> None:
    how = tl.BilevelSteps(5, blocks=2)
    first, again = (tl.bilevel(lower, upper, ZERO_X, ZERO_Y, rows=(3, 2), how=how, seed=4) for _ in range(2))
    assert torch.equal(first.x, again.x)


def test_only_drawn_blocks_move() -> None:
    found = tl.bilevel(lower, upper, ZERO_X, ZERO_Y, rows=(1, 1), how=tl.BilevelSteps(1, blocks=2))
    assert int((found.y != 0).any(1).sum()) == 2


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"rate": -1.0}, {"momentum": 1.5}])
def test_steps_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        tl.BilevelSteps(**wrong)  # pyright: ignore[reportArgumentType] - that is the test


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"y \(m, q\)"):
        tl.bilevel(lower, upper, ZERO_X, ZERO_X, rows=(1, 1))
