"""Consistency training: a network that maps noise to data in one call, trained without a teacher.

Notation: σ from 80 down to 0.002 on Karras's grid of N + 1 levels, ρ = 7 · f(x, σ) = c_skip x + c_out F(x, σ) with
σ_data = 0.7 · the loss compares f at neighbouring levels of one noise, the lower one without gradient.
Source: Song & Dhariwal 2023, Improved Techniques for Training Consistency Models (arXiv 2310.14189): lognormal noise
levels, pseudo-Huber loss, weights 1/(σ_{i+1} - σ_i), N doubling in stages; Song et al. 2023 for what it improves on.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..networks import generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim
from .mixtures import energy_distance, ring

UPDATES, BATCH, SAMPLES = 600, 128, 500
LOW, HIGH, RHO, DATA_STD = 0.002, 80.0, 7.0, 0.7


def target() -> GalleryTarget:
    """Return the target ``consistency-training``."""
    space = SearchSpace(
        [
            Float("lr", 1e-4, 3e-2, log=True, default=1e-3, description="learning rate of Adam"),
            Int("s0", 2, 40, log=True, default=10, unit="levels", description="noise levels at the beginning"),
            Int("doublings", 0, 7, default=3, description="how often the number of levels doubles during training"),
            Categorical("levels", ["lognormal", "uniform"], default="lognormal", description="how levels are drawn"),
            Float("P_mean", -3.0, 1.0, default=-1.1, when={"levels": "lognormal"}, description="mean of log σ"),
            Float("P_std", 0.3, 3.0, default=2.0, when={"levels": "lognormal"}, description="its standard deviation"),
            Categorical("loss", ["pseudo-huber", "l2"], default="pseudo-huber", description="between neighbours"),
            Float("c", 1e-4, 1.0, log=True, default=8e-4, when={"loss": "pseudo-huber"},
                  description="where the loss turns from square to absolute; the source's 0.00054 √d"),
            Categorical("weighting", ["inverse-gap", "none"], default="inverse-gap", description="of the levels"),
            Float("ema", 0.9, 0.999, default=0.99, description="decay of the averaged weights that sample"),
        ]
    )  # fmt: skip
    problem = Problem(
        "consistency-training",
        space,
        [
            Objective(
                "distance",
                "minimize",
                description="energy distance of samples of one call to the distribution",
            )
        ],
        description="Train a network that samples 8 Gaussians on a circle in one call, in 600 updates.",
        context={"updates": UPDATES, "batch": BATCH, "network": "3-64-64-2"},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "diffusion",
        "Song & Dhariwal 2023, Improved Techniques for Training Consistency Models, arXiv 2310.14189",
        region={
            "levels": ("lognormal",),
            "loss": ("pseudo-huber",),
            "weighting": ("inverse-gap",),
            "s0": (10, 10),
        },
        claim=SourceClaim(
            "The improved techniques (lognormal levels, pseudo-Huber, inverse gaps, doubling) end nearer to the data than "
            "the first ones (uniform, squared, unweighted).",
            check,
        ),
        seconds=1.5,
        low_fidelity=0.1,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the energy distance of one-call samples after training; reports it four times."""
    stream, rng = generator(run.seed), np.random.default_rng(run.seed)
    network = mlp([3, 64, 64, 2], stream, activation=nn.SiLU)
    averaged = [p.detach().clone() for p in network.parameters()]
    optimizer = torch.optim.Adam(network.parameters(), lr=params["lr"], fused=True)
    updates = max(40, round(UPDATES * run.fidelity))
    fresh, distance = ring().sample(1500, rng), np.inf
    for update in range(updates):
        loss = _loss(network, params, update / updates, rng, stream)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            decay = min(params["ema"], (1 + update) / (10 + update))
            for mean, parameter in zip(averaged, network.parameters(), strict=True):
                mean.lerp_(parameter, 1 - decay)
        if (update + 1) % -(-updates // 4) == 0 or update + 1 == updates:
            distance = energy_distance(_samples(network, averaged, run.seed), fresh)
            if run.report(update + 1, distance):
                break
    return Measurement(distance)


def _loss(
    network: nn.Module,
    params: Mapping[str, Any],
    progress: float,
    rng: np.random.Generator,
    stream: torch.Generator,
) -> Tensor:
    """Return the loss of one batch: how far the network is from itself at the next lower level."""
    stage = min(int(progress * (params["doublings"] + 1)), params["doublings"])
    sigmas = _grid(params["s0"] * 2**stage)
    index = _drawn(params, sigmas, rng)
    low, high = (torch.from_numpy(sigmas[index + k]).float()[:, None] for k in (0, 1))
    data = torch.from_numpy(ring().sample(BATCH, rng)).float()
    noise = torch.randn(BATCH, 2, generator=stream)
    with torch.no_grad():
        goal = _consistent(network, data + low * noise, low)
    squared = ((_consistent(network, data + high * noise, high) - goal) ** 2).sum(1)
    if params["loss"] == "pseudo-huber":
        squared = torch.sqrt(squared + params["c"] ** 2) - params["c"]
    weights = 1 / (high - low)[:, 0] if params["weighting"] == "inverse-gap" else torch.ones(BATCH)
    return (weights * squared).mean()


def _grid(n: int) -> np.ndarray:
    """Return n + 1 noise levels in rising order."""
    ends = LOW ** (1 / RHO), HIGH ** (1 / RHO)
    return np.linspace(ends[0], ends[1], n + 1) ** RHO


def _drawn(params: Mapping[str, Any], sigmas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which pair of neighbouring levels each example of a batch gets."""
    if params["levels"] == "uniform":
        return rng.integers(0, len(sigmas) - 1, BATCH)
    logs = np.log(rng.lognormal(params["P_mean"], params["P_std"], 4 * BATCH))
    inside = logs[(logs > np.log(LOW)) & (logs < np.log(HIGH))]
    inside = np.resize(inside, BATCH) if len(inside) else np.zeros(BATCH)
    return np.clip(np.searchsorted(np.log(sigmas), inside) - 1, 0, len(sigmas) - 2)


def _consistent(network: Callable[[Tensor], Tensor], x: Tensor, sigma: Tensor) -> Tensor:
    """Return f(x, σ), which is x at the lowest level whatever the network says."""
    gap = sigma - LOW
    skip = DATA_STD**2 / (gap**2 + DATA_STD**2)
    out = DATA_STD * gap / torch.sqrt(sigma**2 + DATA_STD**2)
    inputs = torch.cat([x / torch.sqrt(sigma**2 + DATA_STD**2), sigma.log() / 4], 1)
    return skip * x + out * network(inputs)


def _samples(network: nn.Module, averaged: list[Tensor], seed: int) -> np.ndarray:
    """Return one-call samples of the averaged network."""
    weights = dict(zip((n for n, _ in network.named_parameters()), averaged, strict=True))
    sigma = torch.full((SAMPLES, 1), HIGH)
    x = HIGH * torch.randn(SAMPLES, 2, generator=generator(seed + 1))

    def averaged_network(inputs: Tensor) -> Tensor:
        return torch.func.functional_call(network, weights, (inputs,))

    with torch.no_grad():
        return _consistent(averaged_network, x, sigma).double().numpy()


def check() -> Evidence:
    """Train both recipes at four seeds."""
    improved = target().problem.space.default()
    first = {**improved, "levels": "uniform", "loss": "l2", "weighting": "none"}
    ours, theirs = (np.array([evaluate(p, Run(seed=s)).value for s in range(4)]) for p in (improved, first))
    return Evidence(
        f"distance {ours.mean():.3f} (worst {ours.max():.3f}) improved, {theirs.mean():.3f} (best {theirs.min():.3f}) first",
        bool(ours.mean() < theirs.mean()),
    )
