"""Random sharing of parameters: a network's n weights are read from a store of m < n by a fixed random mapping.

Notation: weight i is sign(i) · scale · store[map(i)]. ``hash``: map(i) is uniform, so that entries collide by chance even where
m = n. ``fold``: the weights in a row are cut into pieces of m, each rotated by a random offset: an entry is read ⌈n/m⌉ times
at most, and at m = n the network is the plain one.
Source: Desai & Shrivastava 2024, In Defense of Parameter Sharing for Model-Compression (arXiv 2310.11611): stability
(gradients scaled by group) and Pareto continuity of STABLE-RPS.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import accuracy, digits, fit
from ..networks import generator
from ..target import Evidence, GalleryTarget, SourceClaim

EPOCHS = 15


def target() -> GalleryTarget:
    """Return the target ``shared-weights``."""
    space = SearchSpace(
        [
            Int("store", 100, 8000, log=True, default=1000, unit="weights", description="entries of the store"),
            Int("width", 16, 128, log=True, default=64, unit="units", description="of both hidden layers"),
            Categorical("mapping", ["hash", "fold"], default="hash", description="of weights to entries"),
            Categorical("signs", [False, True], default=True, description="each weight reads with a random sign"),
            Float("init", 0.01, 1.0, log=True, default=0.1, description="standard deviation of the store at first"),
            Categorical("gradient_scaling", [False, True], default=False,
                        description="gradients divided by the scale and number of readers, so that `init` does not matter"),
            Float("lr", 1e-3, 1.0, log=True, default=0.03, description="learning rate of SGD with momentum 0.9"),
            Int("batch", 16, 128, log=True, default=32, unit="images", description="per update"),
        ]
    )  # fmt: skip
    problem = Problem(
        "shared-weights",
        space,
        [
            Objective("accuracy", "maximize", "%", "on test images"),
            Objective("store", "minimize", "weights", "entries that are stored"),
        ],
        description="Classify digits by a network whose weights share a small store: high accuracy, few entries.",
        context={"epochs": EPOCHS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "compression",
        "Desai & Shrivastava 2024, In Defense of Parameter Sharing, arXiv 2310.11611",
        region={"mapping": ("fold",), "gradient_scaling": (True,)},
        claim=SourceClaim(
            "Folding keeps inner products better than hashing at every size of the store, and exactly where it is as large as "
            "the network.",
            check,
        ),
        seconds=1.0,
        low_fidelity=0.2,
    )


def mapping(kind: str, n: int, m: int, stream: torch.Generator) -> Tensor:
    """Return the entry (n,) that each weight reads from a store of m."""
    if kind == "hash":
        return torch.randint(0, m, (n,), generator=stream)
    turns = torch.randint(0, m, (-(-n // m),), generator=stream)
    at = torch.arange(n)
    return (at + turns[at // m]) % m


class SharedNetwork:
    """A perceptron with two hidden layers whose weights are read from one store; biases are its own."""

    def __init__(self, params: Mapping[str, Any], stream: torch.Generator) -> None:
        width = params["width"]
        self._shapes = ((width, 64), (width, width), (10, width))
        n = sum(a * b for a, b in self._shapes)
        self.store = (params["init"] * torch.randn(params["store"], generator=stream)).requires_grad_()
        self.biases = [torch.zeros(a, requires_grad=True) for a, _ in self._shapes]
        self._map = mapping(params["mapping"], n, params["store"], stream)
        signs = torch.randint(0, 2, (n,), generator=stream) * 2.0 - 1 if params["signs"] else torch.ones(n)
        scales = torch.cat([torch.full((a * b,), b**-0.5 / params["init"]) for a, b in self._shapes])
        self._factors = signs * scales
        if params["gradient_scaling"]:
            power = torch.zeros(params["store"]).index_add_(0, self._map, scales**2)
            self.store.register_hook(lambda g: g / power.clamp(min=1e-12))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits (n, 10)."""
        weights = (self.store[self._map] * self._factors).split([a * b for a, b in self._shapes])
        for i, (weight, shape, bias) in enumerate(zip(weights, self._shapes, self.biases, strict=True)):
            x = functional.linear(functional.relu(x) if i else x, weight.view(shape), bias)
        return x


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy, and the entries of the store; a network that diverged guesses."""
    train, _, test = digits()
    stream = generator(run.seed)
    network = SharedNetwork(params, stream)
    optimizer = torch.optim.SGD([network.store, *network.biases], lr=params["lr"], momentum=0.9)
    epochs = max(2, round(EPOCHS * run.fidelity))
    fit(network, train, optimizer, stream, epochs=epochs, batch=params["batch"])
    return Measurement((accuracy(network, test), params["store"]))


def check() -> Evidence:
    """Compare the inner product of two vectors of 1,000 with that of their images in a store; 4,000 draws."""
    stream, n, draws = generator(0), 1000, 4000
    errors: dict[tuple[str, int], float] = {}
    for m in (1000, 500, 250, 100):
        for kind in ("hash", "fold"):
            errors[kind, m] = float(
                np.mean([_product_error(kind, n, m, stream) ** 2 for _ in range(draws)]) ** 0.5
            )
    words = ", ".join(
        f"{m}: {errors['fold', m]:.2f} against {errors['hash', m]:.2f}" for m in (1000, 500, 250, 100)
    )
    better = all(errors["fold", m] < errors["hash", m] for m in (1000, 500, 250, 100))
    return Evidence(
        f"error in units of its spread at m = n, fold against hash, store {words}",
        better and errors["fold", n] < 1e-5,
    )


def _product_error(kind: str, n: int, m: int, stream: torch.Generator) -> float:
    """Return the error of one inner product after both vectors were added up in the store, in units of its spread."""
    a, b = torch.randn(2, n, generator=stream)
    at, signs = mapping(kind, n, m, stream), torch.randint(0, 2, (n,), generator=stream) * 2.0 - 1
    stored = [torch.zeros(m).index_add_(0, at, v * signs) for v in (a, b)]
    return float((stored[0] @ stored[1] - a @ b) / (a.norm() * b.norm()) * n**0.5)
