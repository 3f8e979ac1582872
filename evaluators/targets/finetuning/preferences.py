"""Learning from preferences: DPO, its length-normalised form and SimPO on a tiny language model with a known reward.

The model is a table of logits (a Markov chain of 8 tokens and an end), so that training is exact and fast. The reward of a
text is the mean value of its tokens; pairs of the start's own samples are labelled by Bradley and Terry's model of it, and a
longer text wins a little more often, as with human judges.
Source: Ahrabian et al. 2024, The Hitchhiker's Guide to Human Alignment with *PO (arXiv 2407.15229): length-normalised DPO, and
robustness to hyperparameters as what matters; Rafailov et al. 2023 (DPO); Meng et al. 2024 (SimPO).
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
from ..networks import generator
from ..target import Evidence, GalleryTarget, SourceClaim

TOKENS, LENGTH = 8, 24
PAIRS, SAMPLES = 600, 1000
VALUES = torch.linspace(-1, 1, TOKENS)
LENGTH_BIAS = 0.05


def target() -> GalleryTarget:
    """Return the target ``preference-optimization``."""
    space = SearchSpace(
        [
            Categorical("loss", ["dpo", "ln-dpo", "simpo"], default="dpo", description="of a pair"),
            Float("beta", 0.01, 10.0, log=True, default=0.1, description="how sharply pairs are told apart"),
            Float("margin", 0.0, 2.0, default=0.5, when={"loss": "simpo"}, description="γ, by which the better text must lead"),
            Float("lr", 1e-3, 0.3, log=True, default=0.02, description="learning rate of Adam"),
            Int("epochs", 1, 20, log=True, default=5, unit="epochs", description="over the pairs"),
            Int("batch", 8, 128, log=True, default=32, unit="pairs", description="per update"),
        ]
    )  # fmt: skip
    problem = Problem(
        "preference-optimization",
        space,
        [
            Objective(
                "reward",
                "maximize",
                description="mean true reward of samples, in [-1, 1], less 0.05 per nat of KL",
            )
        ],
        description="Tune a small language model on 600 labelled pairs: high true reward, near the model it began as.",
        context={"tokens": TOKENS, "pairs": PAIRS, "length": LENGTH},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "finetuning",
        "Ahrabian et al. 2024, The Hitchhiker's Guide to Human Alignment with *PO, arXiv 2407.15229",
        region={"loss": ("ln-dpo", "simpo")},
        claim=SourceClaim(
            "The length-normalised losses are more robust: their lower quartile over a grid of hyperparameters is above DPO's.",
            check,
        ),
        seconds=0.5,
        low_fidelity=0.2,
    )


def start() -> Tensor:
    """Return the logits (TOKENS + 1, TOKENS + 1) of the model before: row 0 begins a text, column 0 ends it."""
    logits = torch.randn(TOKENS + 1, TOKENS + 1, generator=generator(5))
    logits[:, 0] -= 0.7
    logits[0, 0] = -1e4
    return logits


def sampled(logits: Tensor, n: int, stream: torch.Generator) -> Tensor:
    """Return n texts (n, LENGTH) of tokens 1..TOKENS, filled up with 0 after their end."""
    texts, last = torch.zeros(n, LENGTH, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    going = torch.ones(n, dtype=torch.bool)
    for i in range(LENGTH):
        last = torch.multinomial(logits[last].softmax(1), 1, generator=stream)[:, 0] * going
        going = going & (last > 0)
        texts[:, i] = last
    return texts


def log_probability(logits: Tensor, texts: Tensor) -> Tensor:
    """Return the log-probability (n,) of each text, its end included where it fits."""
    before = functional.pad(texts[:, :-1], (1, 0))
    on = functional.pad(texts[:, :-1] > 0, (1, 0), value=True)
    return (logits.log_softmax(1)[before, texts] * on).sum(1)


def reward(texts: Tensor) -> Tensor:
    """Return the mean value (n,) of each text's tokens."""
    on = texts > 0
    return (VALUES[texts.clamp(min=1) - 1] * on).sum(1) / on.sum(1).clamp(min=1)


def labelled(stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return preferred and other texts."""
    a, b = (sampled(start(), PAIRS, stream) for _ in range(2))
    lengths = (a > 0).sum(1) - (b > 0).sum(1)
    first = (
        torch.rand(PAIRS, generator=stream) < (4 * (reward(a) - reward(b)) + LENGTH_BIAS * lengths).sigmoid()
    )
    return torch.where(first[:, None], a, b), torch.where(first[:, None], b, a)


def pair_loss(logits: Tensor, better: Tensor, worse: Tensor, params: Mapping[str, Any]) -> Tensor:
    """Return the mean loss of pairs."""
    scores = []
    for texts in (better, worse):
        score = log_probability(logits, texts)
        if params["loss"] != "simpo":
            score = score - log_probability(start(), texts)
        scores.append(score if params["loss"] == "dpo" else score / ((texts > 0).sum(1) + 1))
    return -functional.logsigmoid(params["beta"] * (scores[0] - scores[1]) - params.get("margin", 0.0)).mean()


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the mean true reward of samples after training, less the price of the KL divergence from the start."""
    stream = generator(run.seed)
    better, worse = labelled(stream)
    logits = start().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=params["lr"])
    for _ in range(max(1, round(params["epochs"] * run.fidelity))):
        for rows in torch.randperm(PAIRS, generator=stream).split(params["batch"]):
            loss = pair_loss(logits, better[rows], worse[rows], params)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        texts = sampled(logits, SAMPLES, stream)
        kl = float((log_probability(logits, texts) - log_probability(start(), texts)).mean())
        mean = float(reward(texts).mean())
    length = float((texts > 0).sum(1).double().mean())
    return Measurement(mean - 0.05 * kl, metrics={"reward": mean, "kl": kl, "length": length})


def check() -> Evidence:
    """Train each loss at 5 x 3 settings of β and the learning rate."""
    quartiles: dict[str, float] = {}
    for loss in ("dpo", "ln-dpo", "simpo"):
        default = target().problem.space.validate(
            {**target().problem.space.default(), "loss": loss, "margin": 0.5}
        )
        grid = [(b, lr) for b in (0.05, 0.2, 1.0, 3.0, 10.0) for lr in (0.003, 0.02, 0.1)]
        rewards = [
            evaluate(default | {"beta": b, "lr": lr}, Run(seed=i)).value for i, (b, lr) in enumerate(grid)
        ]
        quartiles[loss] = float(np.quantile(rewards, 0.25))
    words = ", ".join(f"{loss} {value:.2f}" for loss, value in quartiles.items())
    return Evidence(
        f"lower quartile {words}", min(quartiles["ln-dpo"], quartiles["simpo"]) > quartiles["dpo"]
    )
