"""Networks that compute only the filters which an image needs: a small head predicts a mask in front of each layer.

Notation: the heatmap of an image is each filter's activation · its true mask is the fewest filters that hold a share r of the
heatmap's mass · a head (global maximum of the layer's input, then one linear map) learns it by binary cross-entropy. Cost
is the multiplications of the masked layers and of the heads, relative to the whole network.
Source: Elkerdawy et al. 2022, Fire Together Wire Together (arXiv 2110.08232): a dynamic number of filters, self-supervised
masks, and the cost known before the heads are trained.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import Images, accuracy, adam, digits, fit
from ..networks import batches, generator, linear
from ..target import Evidence, GalleryTarget, SourceClaim

EPOCHS, MASK_EPOCHS = 8, 4


def target() -> GalleryTarget:
    """Return the target ``dynamic-masks``."""
    space = SearchSpace(
        [
            Int("filters", 8, 48, log=True, default=24, unit="filters", description="of both convolutions"),
            Float("mass", 0.5, 1.0, default=0.9, description="share r of the heatmap that a mask holds"),
            Categorical("heatmap", ["max", "mean"], default="max", description="of a filter's activations"),
            Categorical("training", ["decoupled", "joint"], default="decoupled",
                        description="heads after the network, or both after a start of the network alone"),
            Float("threshold", 0.2, 0.8, default=0.5, description="probability above which a filter is computed"),
            Float("lr", 5e-4, 2e-2, log=True, default=4e-3, description="learning rate of the network"),
            Float("mask_lr", 5e-4, 5e-2, log=True, default=1e-2, description="learning rate of the heads"),
            Float("mask_weight", 0.1, 10.0, log=True, default=1.0, when={"training": "joint"}, description="of their loss"),
        ]
    )  # fmt: skip
    problem = Problem(
        "dynamic-masks",
        space,
        [
            Objective("accuracy", "maximize", "%", "on test images, with predicted masks"),
            Objective("cost", "minimize", "kMAC", "multiplications per image, heads included"),
        ],
        description="Train a small convolutional network and heads that switch off filters image by image.",
        context={"epochs": EPOCHS, "mask_epochs": MASK_EPOCHS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "compression",
        "Elkerdawy et al. 2022, Fire Together Wire Together, arXiv 2110.08232",
        region={"training": ("decoupled",), "mass": (0.8, 0.99)},
        claim=SourceClaim(
            "The cost that heads will reach is known before they are trained: the true masks of the trained network predict it "
            "within five points of the whole network's cost.",
            check,
        ),
        seconds=3.0,
        low_fidelity=0.2,
    )


class MaskedNetwork(nn.Module):
    """Two convolutions and a classifier; a head per convolution says which of its filters an image needs."""

    def __init__(self, filters: int, heatmap: str, stream: torch.Generator) -> None:
        super().__init__()
        self.filters, self._heatmap = filters, heatmap
        self.inputs = nn.ParameterList([linear(c * 9, filters, stream).weight for c in (1, filters)])
        self.last = linear(filters * 4, 10, stream)
        self.heads = nn.ModuleList([linear(c, filters, stream) for c in (4, filters)])

    def layer(self, i: int, x: Tensor) -> Tensor:
        """Return the activations (n, filters, side, side) of a convolution."""
        return functional.relu(functional.conv2d(x, self.inputs[i].view(self.filters, -1, 3, 3), padding=1))

    def needed(self, i: int, x: Tensor) -> Tensor:
        """Return the logits (n, filters) of a layer's head; the first sees the maxima of the image's four quarters."""
        pooled = functional.adaptive_max_pool2d(x.detach(), 2 if i == 0 else 1).flatten(1)
        return self.heads[i](pooled)

    def true_mask(self, activations: Tensor, mass: float) -> Tensor:
        """Return the fewest filters (n, filters) that hold the share of the heatmap's mass."""
        heat = activations.detach().flatten(2)
        heat = heat.amax(2) if self._heatmap == "max" else heat.mean(2)
        shares, order = (heat / heat.sum(1, keepdim=True).clamp(min=1e-12)).sort(1, descending=True)
        mask = shares.cumsum(1) - shares < mass
        return torch.zeros_like(heat, dtype=torch.bool).scatter(1, order, mask)

    def forward(self, x: Tensor, threshold: float | None = None) -> Tensor:
        """Return the logits; with a threshold, filters that the heads do not ask for are zero."""
        x = x.view(-1, 1, 8, 8)
        for i in range(2):
            out = self.layer(i, x)
            if threshold is not None:
                out = out * (self.needed(i, x).sigmoid() > threshold)[:, :, None, None]
            x = functional.max_pool2d(out, 2)
        return self.last(x.flatten(1))

    def mask_loss(self, x: Tensor, mass: float) -> Tensor:
        """Return the cross-entropy of both heads to the true masks."""
        x, loss = x.view(-1, 1, 8, 8), torch.zeros(())
        for i in range(2):
            out = self.layer(i, x)
            truth = self.true_mask(out, mass).float()
            loss = loss + functional.binary_cross_entropy_with_logits(self.needed(i, x), truth)
            x = functional.max_pool2d(out, 2)
        return loss

    def kilo_products(self, x: Tensor, *, threshold: float | None = None, mass: float | None = None) -> float:
        """Return the mean multiplications per image in thousands: with predicted masks, with true ones, or with none."""
        x, total, before = x.view(-1, 1, 8, 8), torch.zeros(len(x)), torch.ones(len(x))
        for i, side in enumerate((8, 4)):
            out, on = self.layer(i, x), torch.ones(len(x), self.filters)
            if mass is not None:
                on = self.true_mask(out, mass).float()
            elif threshold is not None:
                on = (self.needed(i, x).sigmoid() > threshold).float()
            total += 9 * side**2 * before * on.sum(1) + (
                (4, self.filters)[i] * self.filters if threshold or mass else 0
            )
            x, before = functional.max_pool2d(out * on[:, :, None, None], 2), on.sum(1)
        return float((total + 40 * before).mean()) / 1000


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy and the cost with predicted masks."""
    test, network = digits()[2], trained(params, run)
    with torch.no_grad():
        cost, whole = (
            network.kilo_products(test.x, threshold=params["threshold"]),
            network.kilo_products(test.x),
        )
    masked = accuracy(lambda x: network(x, params["threshold"]), test)
    return Measurement((masked, cost), metrics={"unmasked": accuracy(network, test), "whole_cost": whole})


def trained(params: Mapping[str, Any], run: Run) -> MaskedNetwork:
    """Return the network with trained heads."""
    train, stream = digits()[0], generator(run.seed)
    network = MaskedNetwork(params["filters"], params["heatmap"], stream)
    epochs, mask_epochs = (max(1, round(n * run.fidelity)) for n in (EPOCHS, MASK_EPOCHS))
    body = [*network.inputs.parameters(), *network.last.parameters()]
    fit(network, train, adam(body, params["lr"]), stream, epochs=epochs)
    _fit_heads(network, train, params, stream, mask_epochs)
    return network


def _fit_heads(
    network: MaskedNetwork, images: Images, params: Mapping[str, Any], stream: torch.Generator, epochs: int
) -> None:
    """Train the heads, and the network with them where training is joint."""
    joint, heads = params["training"] == "joint", list(network.heads.parameters())
    body = [p for name, p in network.named_parameters() if not name.startswith("heads")]
    groups = [
        {"params": heads, "lr": params["mask_lr"]},
        {"params": body, "lr": params["lr"] if joint else 0.0},
    ]
    optimizer = torch.optim.Adam(groups, fused=True)
    for _ in range(epochs):
        for rows in batches(len(images.y), 64, stream):
            x, y = images.x[rows], images.y[rows]
            loss = params.get("mask_weight", 1.0) * network.mask_loss(x, params["mass"])
            if joint:
                loss = loss + functional.cross_entropy(network(x, params["threshold"]), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def check() -> Evidence:
    """Compare the cost of true masks with that of trained heads at three shares of the mass, two seeds."""
    default, test, gaps = target().problem.space.default(), digits()[2], []
    for mass in (0.7, 0.8, 0.9):
        for seed in range(2):
            network = trained(default | {"mass": mass}, Run(seed=seed))
            with torch.no_grad():
                whole = network.kilo_products(test.x)
                true, reached = (
                    network.kilo_products(test.x, mass=mass),
                    network.kilo_products(test.x, threshold=0.5),
                )
            gaps.append(100 * (reached - true) / whole)
    worst = float(np.max(np.abs(gaps)))
    return Evidence(
        f"predicted cost off by {np.mean(np.abs(gaps)):.1f} points on average, {worst:.1f} at most", worst < 5
    )
