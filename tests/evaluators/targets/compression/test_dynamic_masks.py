"""True masks by hand, and the cost of a network that computes everything."""

import pytest
import torch

from trialogue.evaluators.targets.compression.dynamic_masks import MaskedNetwork
from trialogue.evaluators.targets.networks import generator


def test_a_mask_is_the_fewest_filters_that_hold_the_mass() -> None:
    network = MaskedNetwork(4, "max", generator(0))
    heat = torch.tensor([[6.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]])[:, :, None, None]
    assert network.true_mask(heat, 0.5).sum(1).tolist() == [1, 2]
    assert network.true_mask(heat, 0.75).tolist()[0] == [True, False, True, False]


def test_all_filters_cost_the_whole_network_and_none_cost_its_heads() -> None:
    network = MaskedNetwork(8, "max", generator(0))
    x = torch.rand(5, 64, generator=generator(1))
    whole = 9 * 64 * 8 + 9 * 16 * 8 * 8 + 40 * 8
    heads = 4 * 8 + 8 * 8
    with torch.no_grad():
        assert network.kilo_products(x) == pytest.approx(whole / 1000)
        assert network.kilo_products(x, threshold=1.1) == pytest.approx(heads / 1000)
        assert network.kilo_products(x, threshold=1e-9) == pytest.approx((whole + heads) / 1000)


def test_masks_that_keep_everything_change_nothing() -> None:
    network = MaskedNetwork(8, "mean", generator(0))
    x = torch.rand(5, 64, generator=generator(1))
    with torch.no_grad():
        assert torch.equal(network(x), network(x, 0.0))
