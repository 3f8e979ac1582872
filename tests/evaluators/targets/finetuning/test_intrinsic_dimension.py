"""A subspace begins where the network is, and moves in its directions only."""

import pytest
import torch

from trialogue.evaluators.targets.finetuning.intrinsic_dimension import Subspace
from trialogue.evaluators.targets.networks import generator, mlp


@pytest.mark.parametrize("kind", ["dense", "sparse", "fastfood"])
def test_it_begins_at_the_network_and_all_of_it_moves(kind: str) -> None:
    network = mlp([64, 8, 10], generator(0))
    subspace = Subspace(network, 20, kind, generator(1))
    x = torch.rand(5, 64, generator=generator(2))
    assert torch.equal(subspace(x), network(x))
    with torch.no_grad():
        subspace.z += 1.0
    assert not torch.allclose(subspace(x), network(x))


def test_gradients_reach_the_coordinates_and_nothing_else() -> None:
    network = mlp([64, 8, 10], generator(0))
    subspace = Subspace(network, 3, "dense", generator(1))
    subspace(torch.rand(5, 64, generator=generator(2))).sum().backward()
    assert subspace.z.grad is not None
    assert subspace.z.grad.shape == (3,)
    assert all(p.grad is None for p in network.parameters())
