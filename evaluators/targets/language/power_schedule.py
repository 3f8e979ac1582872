"""Pretraining of a small language model: learning rate, its schedule over the tokens, batch and width.

The text is a chain whose next token depends on the last two, so that the lowest possible loss is known. The model reads
four tokens.
Notation: n tokens seen of N · ``power``: ``PowerSchedule``, whose rate is batch · a · n^b, at most ``MAX_LR``, batch in
units of 64 tokens · ``constant``: lr with an exponential decay to a tenth · ``cosine``: lr falls to a tenth; both after a
linear warm-up.
Source: Shen et al. 2024, Power Scheduler: A Batch Size and Token Number Agnostic Learning Rate Scheduler (arXiv 2408.13359),
b = -0.51; Li et al. 2025, Step Law (arXiv 2503.04715), for the best rate falling with tokens.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...schedules.power import PowerSchedule
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..networks import generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim

TOKENS, CONTEXT, EMBEDDED = 24, 4, 12
BUDGET = 40_000
MAX_LR = 0.05
UNIT = 64
"""Tokens of a batch for which the rate is a · n^b."""
EXPONENT = -0.51


def target() -> GalleryTarget:
    """Return the target ``power-schedule``."""
    space = SearchSpace(
        [
            Categorical("schedule", ["cosine", "constant", "power"], default="cosine", description="over the tokens"),
            Float("lr", 3e-4, 0.05, log=True, default=3e-3, when={"schedule": ["cosine", "constant"]},
                  description="learning rate of Adam"),
            Float("a", 0.01, 2.0, log=True, default=0.1, when={"schedule": "power"}, description="factor of the power law"),
            Float("b", -1.0, -0.1, default=EXPONENT, when={"schedule": "power"}, description="its exponent"),
            Float("warm_up", 0.0, 0.2, default=0.02, description="share of the tokens"),
            Float("decay", 0.0, 0.5, default=0.2, when={"schedule": ["constant", "power"]},
                  description="share of the tokens at the end"),
            Int("batch", 32, 256, log=True, default=64, unit="tokens", description="per update"),
            Int("width", 16, 256, log=True, default=64, unit="units", description="of the hidden layer"),
        ]
    )  # fmt: skip
    problem = Problem(
        "power-schedule",
        space,
        [Objective("excess", "minimize", "nat", "loss per token on fresh text, less the text's entropy")],
        description="Pretrain a small language model on 40,000 tokens: rate, schedule, batch, width.",
        context={"tokens": BUDGET, "vocabulary": TOKENS, "context": CONTEXT},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "language",
        "Shen et al. 2024, Power Scheduler, arXiv 2408.13359",
        region={"schedule": ("power",), "b": (-0.6, -0.4)},
        claim=SourceClaim(
            "A rate tuned on few tokens loses less on eight times as many with the power schedule than with a constant one.",
            check,
        ),
        seconds=1.5,
        low_fidelity=0.1,
    )


@cache
def transitions() -> np.ndarray:
    """Return the distribution of the next token given the last two, (TOKENS, TOKENS, TOKENS)."""
    return np.random.default_rng(3).dirichlet(np.full(TOKENS, 0.15), (TOKENS, TOKENS))


def windows(n: int, rng: np.random.Generator) -> Tensor:
    """Return n stretches (n, CONTEXT + 1) of text, each from a chain of its own that began long before."""
    sums, text = transitions().cumsum(2), rng.integers(0, TOKENS, (n, 2))
    for _ in range(CONTEXT + 3):
        following = (rng.random((n, 1)) > sums[text[:, -2], text[:, -1]]).sum(1)
        text = np.column_stack([text, np.minimum(following, TOKENS - 1)])
    return torch.from_numpy(text[:, -CONTEXT - 1 :].copy())


def power(params: Mapping[str, Any], budget: int) -> PowerSchedule:
    """Return the Power schedule of these parameters."""
    return PowerSchedule(
        params["batch"] / UNIT,
        budget,
        tokens_per_step=params["batch"],
        a=params["a"],
        b=params["b"],
        largest=MAX_LR,
        warmup=params["warm_up"],
        decay=params["decay"],
    )


def rate(params: Mapping[str, Any], seen: int, budget: int) -> float:
    """Return the learning rate of the step that begins after ``seen`` of ``budget`` tokens."""
    if params["schedule"] == "power":
        return power(params, budget)(seen // params["batch"])
    progress, base = seen / budget, params["lr"]
    if progress < params["warm_up"]:
        return base * max(progress / params["warm_up"], 0.01)
    if params["schedule"] == "cosine":
        return base * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))
    start = 1 - params["decay"]
    return base if progress <= start else base * 0.1 ** ((progress - start) / params["decay"])


class TokenModel(nn.Module):
    """Embeds the last tokens and maps them to logits of the next."""

    def __init__(self, width: int, stream: torch.Generator) -> None:
        super().__init__()
        self.embedding = nn.Parameter(0.5 * torch.randn(TOKENS, EMBEDDED, generator=stream))
        self.body = mlp([CONTEXT * EMBEDDED, width, TOKENS], stream, activation=nn.GELU)

    def loss(self, text: Tensor) -> Tensor:
        """Return the mean cross-entropy of the last token of each stretch."""
        return functional.cross_entropy(self.body(self.embedding[text[:, :-1]].flatten(1)), text[:, -1])


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the excess loss after training on the budget; reports it four times."""
    budget = max(2000, round(BUDGET * run.fidelity))
    return Measurement(pretrained(params, run, budget))


def pretrained(params: Mapping[str, Any], run: Run, budget: int) -> float:
    """Return the excess loss after ``budget`` tokens, or where a report was answered with a stop."""
    rng, batch = np.random.default_rng(run.seed), params["batch"]
    text, model = windows(budget, rng), TokenModel(params["width"], generator(run.seed))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    updates = budget // batch
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = rate(params, update * batch, budget)
        loss = model.loss(text[update * batch : (update + 1) * batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        quarter = (update + 1) % -(-updates // 4) == 0 and update + 1 < updates
        if quarter and run.report((update + 1) * batch, excess_loss(model)):
            break
    return excess_loss(model)


@cache
def fresh() -> tuple[Tensor, float]:
    """Return text that no model trains on, and the entropy of its last tokens given all before."""
    text = windows(4000, np.random.default_rng(99))
    chances = transitions()[text[:, -3].numpy(), text[:, -2].numpy(), text[:, -1].numpy()]
    return text, float(-np.log(chances).mean())


def excess_loss(model: TokenModel) -> float:
    """Return the loss on fresh text less what the text's own distribution has there."""
    text, entropy = fresh()
    with torch.no_grad():
        return min(float(model.loss(text)) - entropy, 100.0)


def check() -> Evidence:
    """Tune the rate on 6,000 tokens, use it on 48,000; what it loses there against the best rate of the same grid."""
    default = {"warm_up": 0.02, "decay": 0.2, "batch": 64, "width": 64, "b": EXPONENT}
    rates, lost = np.geomspace(1e-3, 4e-2, 6), dict[str, float]()
    for schedule in ("constant", "power"):
        short, long = (
            [
                pretrained(
                    default | {"schedule": schedule, "lr": r, "a": r * 1000**-EXPONENT}, Run(seed=0), n
                )
                for r in rates.tolist()
            ]
            for n in (6_000, 48_000)
        )
        lost[schedule] = long[int(np.argmin(short))] - min(long)
    words = ", ".join(f"{schedule} {value:.4f}" for schedule, value in lost.items())
    return Evidence(f"nats lost to the best rate: {words}", lost["power"] < lost["constant"])
