"""The 8 × 8 digits of scikit-learn as a small task of classification, and training of a network on it.

1,797 images: 1,000 to train on, 300 to choose by, the rest to test on; the split is fixed. ``shifted`` images are the same
task seen differently: what a network is pretrained on. Knows nothing of targets.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from .networks import batches

CLASSES, PIXELS = 10, 64


@dataclass(frozen=True)
class Images:
    """Images (n, 64) with values in [0, 1], and their classes (n,)."""

    x: Tensor
    y: Tensor

    def first(self, n: int) -> "Images":
        """Return the first n of them."""
        return Images(self.x[:n], self.y[:n])

    def noisy(self, share: float, stream: torch.Generator) -> "Images":
        """Return them with the classes of a share drawn anew."""
        labels = torch.randint(0, CLASSES, self.y.shape, generator=stream)
        return Images(self.x, torch.where(torch.rand(len(self.y), generator=stream) < share, labels, self.y))

    def shifted(self, stream: torch.Generator) -> "Images":
        """Return each image moved by up to a pixel in both directions, around the edge, with noise."""
        grids = self.x.reshape(-1, 8, 8)
        moves = torch.randint(-1, 2, (len(grids), 2), generator=stream)
        images = torch.stack(
            [g.roll((int(a), int(b)), (0, 1)) for g, (a, b) in zip(grids, moves, strict=True)]
        )
        noise = 0.1 * torch.randn(images.shape, generator=stream)
        return Images((images + noise).reshape(-1, PIXELS), self.y)


@cache
def digits() -> tuple[Images, Images, Images]:
    """Return the images to train on, to choose by, and to test on."""
    values, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(classes))
    x = torch.from_numpy(np.asarray(values)[order] / 16).float()
    y = torch.from_numpy(np.asarray(classes)[order]).long()
    return Images(x[:1000], y[:1000]), Images(x[1000:1300], y[1000:1300]), Images(x[1300:], y[1300:])


def adam(parameters: Iterable[Tensor], lr: float, decay: float = 0.0) -> torch.optim.Optimizer:
    """Return Adam in its fast form; ``decay`` pulls weights to zero, decoupled from the gradient."""
    return torch.optim.AdamW(list(parameters), lr=lr, weight_decay=decay, fused=True)


def fit(
    network: Callable[[Tensor], Tensor],
    images: Images,
    optimizer: torch.optim.Optimizer,
    stream: torch.Generator,
    *,
    epochs: int,
    batch: int = 64,
    after_step: Callable[[], None] = lambda: None,
) -> None:
    """Train by cross-entropy; ``after_step`` runs after every update."""
    for _ in range(epochs):
        for rows in batches(len(images.y), batch, stream):
            loss = functional.cross_entropy(network(images.x[rows]), images.y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            after_step()


def accuracy(network: Callable[[Tensor], Tensor], images: Images) -> float:
    """Return the share of images that are classified right, in percent."""
    with torch.no_grad():
        return 100 * float((network(images.x).argmax(1) == images.y).double().mean())


def copied(network: nn.Sequential) -> nn.Sequential:
    """Return a network of its own with the same weights; layers without weights are shared."""
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.Linear):
            twin = nn.Linear(layer.in_features, layer.out_features, device="meta").to_empty(device="cpu")
            twin.load_state_dict(layer.state_dict())
            layers.append(twin)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)
