"""A hypernetwork's weights: of constant norm at the input, and a start that does not depend on γ where they are residual."""

from typing import Any

import pytest
import torch

from trialogue.evaluators.targets.finetuning.hypernetworks import Hypernetwork, data, pinball, target
from trialogue.evaluators.targets.networks import generator


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


def test_direct_weights_have_no_base_to_learn() -> None:
    direct, residual = (Hypernetwork(params(output=o), generator(0)) for o in ("direct", "residual"))
    assert not direct.base.requires_grad
    assert direct.base.abs().sum() == 0
    assert residual.base.requires_grad
    assert residual.base.abs().sum() > 0


@pytest.mark.parametrize("depth", [1, 3])
def test_every_setting_has_its_own_network(depth: int) -> None:
    network = Hypernetwork(params(encoding="circle", depth=depth), generator(0))
    x = torch.rand(4, 1, generator=generator(1))
    assert network(x, 0.1).shape == (4, 1)
    assert not torch.allclose(network(x, 0.1), network(x, 0.9))


def test_the_true_quantile_has_the_least_loss() -> None:
    x, y, width = data(20_000, generator(0))
    true = (3 * x).sin() + width * torch.special.ndtri(torch.tensor(0.8))
    losses = [pinball(y - true - shift, 0.8).item() for shift in (-0.1, 0.0, 0.1)]
    assert losses[1] < min(losses[0], losses[2])
