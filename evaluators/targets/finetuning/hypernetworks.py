"""A hypernetwork: one network that makes the weights of another for every setting γ, trained for all at once.

Notation: γ in [0, 1] is the quantile that the primary network (1-24-24-1) must predict of noisy data · θ(γ) = θ₀ + h(E(γ)).
MIP: E(γ) = (cos πγ/2, sin πγ/2), of constant norm, and θ₀ learnt; else E(γ) = γ and θ₀ = 0, whose weights grow with γ.
Source: Ortiz et al. 2023, Magnitude Invariant Parametrizations Improve Hypernetwork Learning (arXiv 2304.07645).
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..networks import generator, linear, mlp
from ..target import Evidence, GalleryTarget, SourceClaim

SIZES = (1, 24, 24, 1)
UPDATES, BATCH = 400, 128
SETTINGS = (0.1, 0.3, 0.5, 0.7, 0.9)


def target() -> GalleryTarget:
    """Return the target ``hypernetwork``."""
    space = SearchSpace(
        [
            Categorical("encoding", ["plain", "circle"], default="plain", description="of γ"),
            Categorical("output", ["direct", "residual"], default="direct", description="weights, or changes of learnt ones"),
            Int("width", 8, 128, log=True, default=32, unit="units", description="of the hypernetwork's hidden layer"),
            Int("depth", 1, 3, default=1, unit="layers", description="hidden layers of the hypernetwork"),
            Categorical("optimizer", ["adam", "sgd"], default="adam", description="sgd has momentum 0.9"),
            Float("lr", 1e-4, 0.1, log=True, default=3e-3, description="learning rate"),
        ]
    )  # fmt: skip
    problem = Problem(
        "hypernetwork",
        space,
        [
            Objective(
                "excess",
                "minimize",
                description="mean pinball loss over five quantiles, less that of the true ones",
            )
        ],
        description="Train a network that makes networks: quantile regression for every quantile, in 400 updates.",
        context={"updates": UPDATES, "batch": BATCH},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "finetuning",
        "Ortiz et al. 2023, Magnitude Invariant Parametrizations, arXiv 2304.07645",
        region={"encoding": ("circle",), "output": ("residual",)},
        claim=SourceClaim(
            "An encoding of constant norm with residual weights ends at a lower loss than plain γ with direct weights.",
            check,
        ),
        seconds=0.8,
        low_fidelity=0.2,
    )


class Hypernetwork(nn.Module):
    """θ(γ) and the primary network's output under it."""

    def __init__(self, params: Mapping[str, Any], stream: torch.Generator) -> None:
        super().__init__()
        self._circle = params["encoding"] == "circle"
        self._shapes = [(b, a) for a, b in itertools.pairwise(SIZES)]
        n = sum(a * b + a for a, b in self._shapes)
        self.body = mlp(
            [1 + self._circle, *[params["width"]] * params["depth"], n], stream, activation=nn.LeakyReLU
        )
        first = torch.cat(
            [torch.cat([w.flatten() for w in linear(b, a, stream).parameters()]) for a, b in self._shapes]
        )
        residual = params["output"] == "residual"
        self.base = nn.Parameter(first.detach() if residual else torch.zeros(n), requires_grad=residual)

    def weights(self, gamma: float) -> Tensor:
        """Return θ(γ), all in a row."""
        angle = torch.tensor(gamma * np.pi / 2, dtype=torch.float32)
        encoded = torch.stack([angle.cos(), angle.sin()]) if self._circle else torch.tensor([gamma])
        return self.base + self.body(encoded)

    def forward(self, x: Tensor, gamma: float) -> Tensor:
        """Return the predicted quantile (n, 1)."""
        theta, at = self.weights(gamma), 0
        for i, (a, b) in enumerate(self._shapes):
            weight, bias = theta[at : at + a * b].view(a, b), theta[at + a * b : at + a * b + a]
            x, at = nn.functional.linear(x.relu() if i else x, weight, bias), at + a * b + a
        return x


def data(n: int, stream: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs, noisy outputs and the noise's width at each; (n, 1)."""
    x = 2 * torch.rand(n, 1, generator=stream) - 1
    width = 0.2 + 0.3 * (x + 1)
    return x, (3 * x).sin() + width * torch.randn(n, 1, generator=stream), width


def pinball(gap: Tensor, gamma: float) -> Tensor:
    """Return the mean loss whose minimum is the quantile γ; gap: outcome less prediction."""
    return torch.maximum(gamma * gap, (gamma - 1) * gap).mean()


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the mean excess loss on fresh data."""
    stream, rng = generator(run.seed), np.random.default_rng(run.seed)
    network = Hypernetwork(params, stream)
    sgd = params["optimizer"] == "sgd"
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = (
        torch.optim.SGD(trained, params["lr"], momentum=0.9)
        if sgd
        else torch.optim.Adam(trained, params["lr"])
    )
    for _ in range(max(40, round(UPDATES * run.fidelity))):
        x, y, _ = data(BATCH, stream)
        gammas = rng.random(3)
        loss = torch.stack([pinball(y - network(x, g), g) for g in gammas.tolist()]).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 10.0)
        optimizer.step()
    return Measurement(float(np.mean([excess(network, gamma, run.seed) for gamma in SETTINGS])))


def excess(network: Hypernetwork, gamma: float, seed: int) -> float:
    """Return by how much the loss on fresh data is above that of the true quantile, at most 100."""
    x, y, width = data(2000, generator(seed + 1_000_000))
    true = (3 * x).sin() + width * torch.special.ndtri(torch.tensor(gamma))
    with torch.no_grad():
        value = float(pinball(y - network(x, gamma), gamma) - pinball(y - true, gamma))
    return min(value, 100.0) if np.isfinite(value) else 100.0


def check() -> Evidence:
    """Train both at three learning rates and three seeds; the best rate of each counts."""
    default = target().problem.space.default()

    def best(**way: str) -> float:
        rates = (1e-3, 3e-3, 1e-2)
        return min(
            float(np.mean([evaluate({**default, **way, "lr": lr}, Run(seed=s)).value for s in range(3)]))
            for lr in rates
        )

    mip, plain = best(encoding="circle", output="residual"), best(encoding="plain", output="direct")
    return Evidence(f"excess loss {mip:.4f} with constant norm and residuals, {plain:.4f} plain", mip < plain)
