"""Dropping and rescaling of a change of weights."""

import pytest
import torch
from torch import Tensor, nn

from trialogue.evaluators.targets.compression.delta_pruning import DROPPED, pruned
from trialogue.evaluators.targets.networks import generator, mlp


def first(network: nn.Module) -> Tensor:
    return next(network.parameters())


def test_a_twentieth_is_kept_and_divided_so_that_the_mean_stays() -> None:
    base, tuned = mlp([64, 256, 10], generator(0)), mlp([64, 256, 10], generator(1))
    change = (first(tuned) - first(base)).detach()
    kept = (first(pruned(base, tuned, 1 - DROPPED, generator(2))) - first(base)).detach()
    assert (kept != 0).double().mean().item() == pytest.approx(1 - DROPPED, abs=0.01)
    on = kept != 0
    assert torch.allclose(kept[on], change[on] / (1 - DROPPED), atol=1e-4)


def test_neither_network_is_changed() -> None:
    base, tuned = mlp([64, 8, 10], generator(0)), mlp([64, 8, 10], generator(1))
    before = first(base).clone(), first(tuned).clone()
    pruned(base, tuned, 0.1, generator(2))
    assert torch.equal(first(base), before[0])
    assert torch.equal(first(tuned), before[1])
