"""Mappings of weights to a store: how often an entry is read, and the plain network where nothing is shared."""

from typing import Any

import pytest
import torch

from trialogue.evaluators.targets.compression.shared_weights import SharedNetwork, mapping, target
from trialogue.evaluators.targets.networks import generator


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


def test_folding_reads_each_entry_equally_often() -> None:
    reads = torch.bincount(mapping("fold", 1000, 100, generator(0)), minlength=100)
    assert reads.min() == reads.max() == 10
    assert torch.bincount(mapping("fold", 950, 100, generator(0)), minlength=100).max() <= 10


def test_hashing_collides_even_in_a_store_as_large_as_the_network() -> None:
    assert len(mapping("hash", 1000, 1000, generator(0)).unique()) < 700
    assert len(mapping("fold", 1000, 1000, generator(0)).unique()) == 1000


def test_scaled_gradients_make_one_step_the_same_whatever_the_store_began_with() -> None:
    steps = []
    for init in (0.01, 1.0):
        network = SharedNetwork(params(init=init, gradient_scaling=True, store=300), generator(0))
        x = torch.rand(8, 64, generator=generator(1))
        network(x).sum().backward()
        assert network.store.grad is not None
        steps.append(network.store.grad / init)
    assert torch.allclose(steps[0], steps[1], rtol=1e-3, atol=1e-5)


def test_the_network_begins_at_the_scale_of_a_plain_one() -> None:
    network = SharedNetwork(params(store=8000), generator(0))
    assert network(torch.rand(64, 64, generator=generator(1))).std().item() == pytest.approx(0.5, abs=0.4)
