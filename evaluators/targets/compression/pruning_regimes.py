"""Magnitude pruning, and the training before it: temperature and load decide together.

Temperature is how noisy training is: few epochs and small batches are hot. Load is the density that pruning leaves. A fifth of
the training labels is wrong, so that a network can be trained too well.
Source: Zhou et al. 2023, A Three-regime Model of Network Pruning (arXiv 2305.18383): the dense network that is best for
pruning is not the one that was trained longest.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ...problems.measurement import Measurement
from ...problems.problem import Constraint, Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import accuracy, adam, digits, fit
from ..networks import generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim

MAX_WEIGHTS = 1500
WRONG = 0.2
RETRAIN = 5
"""Epochs after pruning."""


def target() -> GalleryTarget:
    """Return the target ``pruning-regimes``."""
    space = SearchSpace(
        [
            Int("width", 32, 256, log=True, default=128, unit="units", description="of both hidden layers"),
            Float("density", 0.01, 0.5, log=True, default=0.05, description="share of the weights that is kept"),
            Categorical("scope", ["global", "uniform"], default="global", description="weights compete in all or one layer"),
            Int("epochs", 2, 80, log=True, default=40, unit="epochs", description="of the dense network: fewer is hotter"),
            Int("batch", 16, 256, log=True, default=64, unit="images", description="per update: smaller is hotter"),
            Float("lr", 2e-4, 2e-2, log=True, default=2e-3, description="learning rate of the dense network"),
            Float("retrain_lr", 2e-4, 2e-2, log=True, default=2e-3, description="learning rate after pruning"),
            Float("decay", 1e-4, 1.0, log=True, default=1e-2, description="weight decay of the dense network"),
        ]
    )  # fmt: skip
    problem = Problem(
        "pruning-regimes",
        space,
        [Objective("accuracy", "maximize", "%", "on test images, after pruning and five epochs more")],
        [Constraint("weights", upper=MAX_WEIGHTS, unit="weights")],
        description="Train, prune and retrain a classifier of digits with wrong labels so that 1,500 weights are enough.",
        context={"wrong_labels": WRONG, "retrain_epochs": RETRAIN},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "compression",
        "Zhou et al. 2023, A Three-regime Model of Network Pruning, arXiv 2305.18383",
        region={"epochs": (5, 20)},
        claim=SourceClaim(
            "The dense network that is best for pruning is not the one trained longest: 12 epochs end above 80 both at "
            "density 0.5 and at 0.05.",
            check,
        ),
        seconds=1.5,
        low_fidelity=0.2,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy after pruning and retraining, and how many weights are left."""
    train, _, test = digits()
    stream = generator(run.seed)
    images = train.noisy(WRONG, stream).first(max(200, round(len(train.y) * run.fidelity)))
    network = mlp([64, params["width"], params["width"], 10], stream)
    dense = adam(network.parameters(), params["lr"], params["decay"])
    fit(network, images, dense, stream, epochs=params["epochs"], batch=params["batch"])
    before = accuracy(network, test)
    masks = largest(network, params["density"], params["scope"])
    keep = _kept(network, masks)
    keep()
    sparse = adam(network.parameters(), params["retrain_lr"])
    fit(network, images, sparse, stream, epochs=RETRAIN, batch=params["batch"], after_step=keep)
    left = int(sum(mask.sum() for mask in masks))
    return Measurement(accuracy(network, test), constraints={"weights": left}, metrics={"dense": before})


def largest(network: nn.Sequential, density: float, scope: str) -> list[torch.Tensor]:
    """Return a mask per weight matrix of the entries that are largest, in all of the network or in each."""
    sizes = [layer.weight.detach().abs() for layer in network if isinstance(layer, nn.Linear)]
    everywhere = torch.quantile(torch.cat([s.ravel() for s in sizes]), 1 - density)
    limits = [everywhere if scope == "global" else torch.quantile(s, 1 - density) for s in sizes]
    return [s > limit for s, limit in zip(sizes, limits, strict=True)]


def _kept(network: nn.Sequential, masks: list[torch.Tensor]) -> Callable[[], None]:
    """Return a function that sets to zero what the masks leave out."""
    weights = [layer.weight for layer in network if isinstance(layer, nn.Linear)]

    def apply() -> None:
        with torch.no_grad():
            for weight, mask in zip(weights, masks, strict=True):
                weight.mul_(mask)

    return apply


def check() -> Evidence:
    """Train three seeds each, 12 and 80 epochs, both densities."""
    default = target().problem.space.default()

    def mean(epochs: int, density: float) -> float:
        params = default | {"epochs": epochs, "density": density}
        return float(np.mean([evaluate(params, Run(seed=s)).value for s in range(3)]))

    ends = {d: (mean(12, d), mean(80, d)) for d in (0.5, 0.05)}
    words = "; ".join(f"density {d}: {a:.1f} % after 12, {b:.1f} % after 80" for d, (a, b) in ends.items())
    return Evidence(words, all(a > b for a, b in ends.values()))
