"""Fine-tuning in a random subspace: how many directions are enough, and from which start.

Notation: θ = θ₀ + P z with a fixed random P (n, d) whose columns have length 1 and trained z (d,) · d90 is the smallest d
whose accuracy is nine tenths of that of all n weights.
Source: Aghajanyan et al. 2021, Intrinsic Dimensionality Explains the Effectiveness of Language Model Fine-Tuning (arXiv
2012.13255); Li et al. 2018 for the measure.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...gradients.fastfood import Fastfood
from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import accuracy, adam, digits, fit
from ..networks import generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim

TUNED_ON = 400
DIMENSIONS = (5, 10, 20, 40, 80, 160, 320)


def target() -> GalleryTarget:
    """Return the target ``intrinsic-dimension``."""
    space = SearchSpace(
        [
            Int("dimension", 2, 400, log=True, default=50, unit="directions", description="d, what is trained"),
            Categorical("projection", ["dense", "sparse", "fastfood"], default="dense", description="kind of P"),
            Int("pretraining", 0, 10, default=5, unit="epochs", description="on digits that are moved and noisy"),
            Int("width", 16, 96, log=True, default=48, unit="units", description="of the hidden layer"),
            Float("lr", 1e-3, 0.3, log=True, default=0.03, description="learning rate of z"),
            Int("epochs", 3, 40, log=True, default=15, unit="epochs", description="in the subspace"),
        ]
    )  # fmt: skip
    problem = Problem(
        "intrinsic-dimension",
        space,
        [
            Objective("accuracy", "maximize", "%", "on test images"),
            Objective("dimension", "minimize", "directions", "that were trained"),
        ],
        description="Fine-tune a classifier of digits in few random directions of its weights.",
        context={"images": TUNED_ON},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "finetuning",
        "Aghajanyan et al. 2021, arXiv 2012.13255",
        region={"pretraining": (5, 10)},
        claim=SourceClaim("Pretraining lowers the intrinsic dimension d90 of the fine-tuning task.", check),
        seconds=1.0,
        low_fidelity=0.2,
    )


class Subspace:
    """A network whose weights move in d random directions only."""

    def __init__(self, network: nn.Module, dimension: int, kind: str, stream: torch.Generator) -> None:
        self._network = network
        self._start = {name: p.detach() for name, p in network.named_parameters()}
        n = sum(p.numel() for p in self._start.values())
        self._project = _projection(n, dimension, kind, stream)
        self.z = torch.zeros(dimension, requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the network's output at the present point."""
        moves = self._project(self.z).split([p.numel() for p in self._start.values()])
        at = {name: p + m.view_as(p) for (name, p), m in zip(self._start.items(), moves, strict=True)}
        return functional_call(self._network, at, (x,))


def _projection(n: int, d: int, kind: str, stream: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Return P, whose columns are longer the fewer they are, as what maps z (d,) to P z (n,)."""
    if kind == "fastfood":
        structured = Fastfood(n, d, stream)
        return lambda z: structured(z) * (n / d) ** 0.5 / 10
    P = torch.randn(n, d, generator=stream)
    if kind == "sparse":
        P = P.sign() * (torch.rand(n, d, generator=stream) < 1 / d**0.5)
    return (P / P.norm(dim=0).clamp(min=1e-12) * (n / d) ** 0.5 / 10).mv


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy and the dimension."""
    train, _, test = digits()
    stream = generator(run.seed)
    network = mlp([64, params["width"], 10], stream)
    fit(
        network, train.shifted(stream), adam(network.parameters(), 3e-3), stream, epochs=params["pretraining"]
    )
    subspace = Subspace(network, params["dimension"], params["projection"], stream)
    epochs = max(1, round(params["epochs"] * run.fidelity))
    fit(subspace, train.first(TUNED_ON), adam([subspace.z], params["lr"]), stream, epochs=epochs, batch=32)
    before = accuracy(network, test)
    return Measurement((accuracy(subspace, test), params["dimension"]), metrics={"before": before})


def d90(pretraining: int, seed: int) -> int:
    """Return the smallest dimension of ``DIMENSIONS`` with nine tenths of the whole network's accuracy, or one above."""
    train, _, test = digits()
    whole = mlp([64, 48, 10], generator(seed))
    fit(whole, train.first(TUNED_ON), adam(whole.parameters(), 3e-3), generator(seed), epochs=30, batch=32)
    default = target().problem.space.default() | {"pretraining": pretraining, "epochs": 25}
    for d in DIMENSIONS:
        if evaluate(default | {"dimension": d}, Run(seed=seed)).value >= 0.9 * accuracy(whole, test):
            return d
    return 2 * DIMENSIONS[-1]


def check() -> Evidence:
    """Measure d90 after the default's pretraining and without, three seeds."""
    before, none = ([d90(epochs, seed) for seed in range(3)] for epochs in (5, 0))
    return Evidence(f"d90 {before} with, {none} without", bool(np.mean(before) < np.mean(none)))
