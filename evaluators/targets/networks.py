"""Small networks whose every random number comes from a generator, so that a seed means the same in any thread.

Knows nothing of tasks. PyTorch's own initialisation would draw from a stream that all threads share.
"""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import nn


def generator(seed: int) -> torch.Generator:
    """Return a stream of random numbers of its own."""
    return torch.Generator().manual_seed(seed)


def linear(inputs: int, outputs: int, stream: torch.Generator) -> nn.Linear:
    """Return a linear layer, uniform in ±1/√inputs as PyTorch initialises it."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    for tensor in (layer.weight, layer.bias):
        nn.init.uniform_(tensor, -(inputs**-0.5), inputs**-0.5, generator=stream)
    return layer


def mlp(
    sizes: Sequence[int], stream: torch.Generator, *, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Return a multi-layer perceptron with these numbers of units, inputs and outputs included."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [linear(inputs, outputs, stream), activation()]
    return nn.Sequential(*layers[:-1])


def batches(n: int, size: int, stream: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield the numbers below n in random order, ``size`` at a time; a shorter rest is left out unless it is all."""
    order = torch.randperm(n, generator=stream)
    size = min(size, n)
    for first in range(0, n - size + 1, size):
        yield order[first : first + size]
