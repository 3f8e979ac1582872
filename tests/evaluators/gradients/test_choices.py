"""Weights of choices: Max-W's largest is 1, its gradient is softmax's, and gradients find the operation that fits."""

import pytest
import torch

from trialogue.evaluators.gradients.choices import Choices, choice_weights

ALPHA = torch.tensor([0.5, -1.0, 2.0])


def test_max_w_lifts_softmax_so_that_the_leading_weight_is_one() -> None:
    w, lifted = choice_weights(ALPHA, "softmax"), choice_weights(ALPHA)
    assert lifted.max() == pytest.approx(1.0)
    assert torch.allclose(lifted, 1 - w.max() + w)
    assert torch.equal(choice_weights(torch.zeros(4)), torch.ones(4)), "equal ones are all used in full"


def test_the_largest_weight_is_a_constant_for_the_gradient() -> None:
    lifted = torch.autograd.functional.jacobian(choice_weights, ALPHA)
    plain = torch.autograd.functional.jacobian(lambda a: choice_weights(a, "softmax"), ALPHA)
    assert torch.allclose(lifted, plain)


@pytest.mark.parametrize("weighting", ["max-w", "softmax"])
def test_gradients_choose_the_operation_that_fits(weighting: str) -> None:
    choices = Choices([3], weighting)  # pyright: ignore[reportArgumentType] - one of two names
    optimizer, x = torch.optim.Adam(choices.parameters(), 0.05), torch.linspace(-1, 1, 21)
    for _ in range(60):
        loss = ((choices.mixed(0, [0 * x, x**2, -x]) - x**2) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert choices.chosen() == [1]
