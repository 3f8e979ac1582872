"""Pruning of what fine-tuning changed: which share of the rest is kept how large, and how to fine-tune for it.

Notation: W₀ pretrained weights · Δ what fine-tuning added · each entry of Δ is dropped with probability p = 0.95 and the rest
divided by q; DARE has q = 1 - p · AdamR is Adam with decay towards W₀ instead of zero.
Source: Deng et al. 2025, DARE the Extreme: Revisiting Delta-Parameter Pruning for Fine-Tuned Models (arXiv 2410.09344).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import Images, accuracy, adam, copied, digits, fit
from ..networks import generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim

DROPPED = 0.95
MASKS = 4
TUNED_ON = 400


def target() -> GalleryTarget:
    """Return the target ``delta-pruning``."""
    space = SearchSpace(
        [
            Categorical("rescale", ["dare", "searched", "fixed"], default="dare",
                        description="q is 1 - p, the best of a grid on the images to choose by, or given"),
            Float("q", 0.05, 1.0, log=True, default=0.05, when={"rescale": "fixed"}, description="divisor of what is kept"),
            Float("lr", 1e-4, 1e-2, log=True, default=2e-3, description="learning rate of fine-tuning"),
            Int("epochs", 2, 40, log=True, default=15, unit="epochs", description="of fine-tuning"),
            Int("batch", 16, 128, log=True, default=64, unit="images", description="per update"),
            Float("to_pretrained", 1e-3, 10.0, log=True, default=1e-3, description="decay towards the pretrained weights"),
        ]
    )  # fmt: skip
    problem = Problem(
        "delta-pruning",
        space,
        [Objective("accuracy", "maximize", "%", "on test images, of the pruned network, mean over masks")],
        description="Fine-tune on 400 digits, then drop 95 % of the change of the weights and lose little accuracy.",
        context={"dropped": DROPPED, "images": TUNED_ON, "network": "64-256-128-10"},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "compression",
        "Deng et al. 2025, DARE the Extreme, arXiv 2410.09344",
        region={"rescale": ("searched",), "to_pretrained": (0.1, 10.0)},
        claim=SourceClaim(
            "At 95 % dropped, a searched divisor and decay towards the pretrained weights each beat DARE's 1 - p.",
            check,
        ),
        seconds=1.0,
        low_fidelity=0.2,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy of the pruned network; that of the whole one is a metric."""
    train, choose, test = digits()
    stream = generator(run.seed)
    base = pretrained(train, stream, epochs=max(2, round(8 * run.fidelity)))
    tuned = copied(base)
    epochs = max(1, round(params["epochs"] * run.fidelity))
    optimizer, pull = adam(tuned.parameters(), params["lr"]), params["lr"] * params["to_pretrained"]
    fit(tuned, train.first(TUNED_ON), optimizer, stream, epochs=epochs, batch=params["batch"],
        after_step=lambda: _pull(tuned, base, min(pull, 1.0)))  # fmt: skip
    q = params.get("q", 1 - DROPPED)
    if params["rescale"] == "searched":
        q = max(
            np.geomspace(1 - DROPPED, 1, 12),
            key=lambda q: _score(base, tuned, float(q), choose, run.seed + 1),
        )
    accuracies = [
        accuracy(pruned(base, tuned, float(q), generator(run.seed + 10 + i)), test) for i in range(MASKS)
    ]
    metrics = {"unpruned": accuracy(tuned, test), "q": float(q)}
    return Measurement(
        float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / np.sqrt(MASKS)), metrics=metrics
    )


def pretrained(train: Images, stream: torch.Generator, *, epochs: int) -> nn.Sequential:
    """Return a network trained on digits that are moved and noisy."""
    network = mlp([64, 256, 128, 10], stream)
    fit(network, train.shifted(stream), adam(network.parameters(), 2e-3), stream, epochs=epochs)
    return network


def _pull(network: nn.Module, base: nn.Module, share: float) -> None:
    """Move all weights a share of the way back to the pretrained ones."""
    with torch.no_grad():
        for weight, old in zip(network.parameters(), base.parameters(), strict=True):
            weight.lerp_(old, share)


def pruned(base: nn.Sequential, tuned: nn.Sequential, q: float, stream: torch.Generator) -> nn.Sequential:
    """Return the pretrained network plus the kept part of the change, divided by q."""
    network = copied(base)
    with torch.no_grad():
        for weight, old, new in zip(network.parameters(), base.parameters(), tuned.parameters(), strict=True):
            mask = torch.rand(old.shape, generator=stream) >= DROPPED
            weight.copy_(old + mask * (new - old) / q)
    return network


def _score(base: nn.Sequential, tuned: nn.Sequential, q: float, images: Images, seed: int) -> float:
    """Return the mean accuracy over two masks."""
    return float(np.mean([accuracy(pruned(base, tuned, q, generator(seed + i)), images) for i in range(2)]))


def check() -> Evidence:
    """Fine-tune at four seeds with each."""
    default = target().problem.space.default()
    ways = [{}, {"rescale": "searched"}, {"to_pretrained": 5.0}]
    dare, searched, pulled = (
        float(np.mean([evaluate(default | way, Run(seed=s)).value for s in range(4)])) for way in ways
    )
    return Evidence(
        f"{dare:.1f} % DARE, {searched:.1f} % searched divisor, {pulled:.1f} % decay to the pretrained weights",
        min(searched, pulled) > dare,
    )
