"""Layers that respond: no response at h = 0, the best response learnt where it is linear, spread that shrinks."""

import torch
from torch.nn import functional

from trialogue.evaluators.gradients.responses import ResponsiveLinear, SelfTuner


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_at_zero_it_is_a_plain_linear_layer() -> None:
    layer, x = ResponsiveLinear((4, 3), 2, stream()), torch.randn(5, 4, generator=stream(1))
    assert torch.equal(layer(x, torch.zeros(5, 2)), functional.linear(x, layer.weight, layer.bias))


def test_the_response_is_linear_in_h() -> None:
    layer, x = ResponsiveLinear((4, 3), 2, stream()), torch.randn(5, 4, generator=stream(1))
    h = torch.randn(5, 2, generator=stream(2))
    plain = layer(x, torch.zeros(5, 2))
    assert torch.allclose(layer(x, 2 * h) - plain, 2 * (layer(x, h) - plain), atol=1e-6)


def test_it_finds_the_hyperparameter_whose_best_response_is_wanted() -> None:
    """Training makes the output h, held-out data want it to be 1.5: the tuner must go there through the response."""
    layer, tuner, draws = (
        ResponsiveLinear((1, 1), 1, stream()),
        SelfTuner(torch.zeros(1), rate=0.05),
        stream(1),
    )
    optimizer, x = torch.optim.SGD(layer.parameters(), 0.1), torch.ones(32, 1)
    for _ in range(150):
        for _ in range(2):
            h = tuner.perturbed(32, draws).detach()
            loss = ((layer(x, h) - h) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        tuner.tune(lambda h: ((layer(x, h) - 1.5) ** 2).mean(), 32, draws)
    assert abs(float(tuner.h.detach()) - 1.5) < 0.2
    assert float(tuner.spread.detach()) < 0.9, "a wide spread costs held-out loss"


def test_a_state_comes_back() -> None:
    tuner, again = SelfTuner(torch.tensor([0.3])), SelfTuner(torch.tensor([0.0]))
    tuner.tune(lambda h: (h**2).mean(), 4, stream())
    again.load_state_dict(tuner.state_dict())
    assert torch.equal(again.h, tuner.h)
    assert torch.equal(again.spread, tuner.spread)
