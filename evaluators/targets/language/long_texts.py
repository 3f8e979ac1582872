"""Classification of long texts by a small transformer: what is left out of a text before it is cut to what can be afforded.

Notation: a text is 300 to 500 tokens of a generated language: stop words that say nothing, frequent words, rare words of
which each topic has its own, words that return once said, and marks (commas, questions, quotes) in proportions that lean
on the topic. The first sentences say more of the topic than later ones. Attention costs the square of the tokens kept.
Source: Mutasodirin, Prasojo, Abka & Rasyidi 2024, Simple Hack for Transformers against Heavy Long-Text Classification
(arXiv 2403.12563): removal of stop words, punctuation, rare and recurring words before the first 128, 256 or 512 tokens.
"""

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
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..networks import batches, generator, linear
from ..target import Evidence, GalleryTarget, SourceClaim

TOPICS, STOP, MARKS, FREQUENT, RARE = 8, 40, 6, 400, 1600
"""Topics, and tokens of each kind; they are numbered in this order, 0 is none."""
FIRST = {"marks": 1 + STOP, "frequent": 1 + STOP + MARKS, "rare": 1 + STOP + MARKS + FREQUENT}
TOKENS, WIDTH, TRAINING, TESTS, BATCH = FIRST["rare"] + RARE, 24, 500, 300, 25


def target() -> GalleryTarget:
    """Return the target ``long-texts``."""
    space = SearchSpace(
        [
            Int("tokens", 16, 160, log=True, default=96, unit="tokens", description="read, after what is left out"),
            Categorical("where", ["head", "tail", "both"], default="head", description="they stand; both: half and half"),
            Categorical("stop_words", [True, False], default=True, description="kept in texts"),
            Categorical("marks", [True, False], default=True, description="punctuation kept in texts"),
            Categorical("rare_words", [True, False], default=True, description="those seen fewer than three times kept"),
            Categorical("recurring", [True, False], default=True, description="words kept when they return in a text"),
            Float("lr", 1e-3, 0.1, log=True, default=0.01, description="learning rate"),
            Int("epochs", 1, 8, default=4, unit="epochs", description="of training"),
            Float("dropout", 0.0, 0.6, default=0.1, description="of a text's vector"),
        ]
    )  # fmt: skip
    problem = Problem(
        "long-texts",
        space,
        [
            Objective("accuracy", "maximize", "%", "on texts not trained on"),
            Objective("cost", "minimize", "MMAC", "products and sums of attention and projections per text"),
        ],
        description="Classify texts of 300 to 500 tokens while reading few of them.",
        context={"texts": TRAINING, "classes": TOPICS, "words": TOKENS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "language",
        "Mutasodirin et al. 2024, Simple Hack for Transformers against Heavy Long-Text Classification, arXiv 2403.12563",
        region={"stop_words": (False,), "marks": (True,), "rare_words": (True,), "where": ("head",)},
        claim=SourceClaim(
            "Without stop words, and with punctuation and rare words kept, the first 64 tokens classify no worse than the "
            "first 128 of the whole text; removing punctuation or rare words too does not help.",
            check,
        ),
        seconds=1.5,
        low_fidelity=0.25,
    )


@cache
def language() -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of frequent words and of rare ones in each topic (topics, words)."""
    rng = np.random.default_rng(17)
    common = 1 / np.arange(1, FREQUENT + 1)
    frequent = common * np.exp(0.7 * rng.standard_normal((TOPICS, FREQUENT)))
    rare = np.full((TOPICS, RARE), 0.15) + (rng.integers(0, TOPICS, RARE) == np.arange(TOPICS)[:, None])
    return frequent / frequent.sum(1, keepdims=True), rare / rare.sum(1, keepdims=True)


def text(topic: int, rng: np.random.Generator) -> np.ndarray:
    """Return a text's tokens; another topic takes over more and more of it towards its end."""
    frequent, rare = language()
    n, other = int(rng.integers(300, 501)), int(rng.integers(0, TOPICS))
    now = np.where(rng.random(n) < 0.8 - 0.5 * np.arange(n) / n, topic, other)
    kind = rng.choice(4, n, p=[0.5, 0.1, 0.28, 0.12])
    lean = 1 + 0.6 * np.cos(2 * np.pi * (np.arange(MARKS) / MARKS - np.arange(TOPICS)[:, None] / TOPICS))
    choices = (
        (1, np.tile(1 / np.arange(1, STOP + 1), (TOPICS, 1))), (FIRST["marks"], lean),
        (FIRST["frequent"], frequent), (FIRST["rare"], rare),
    )  # fmt: skip
    out = np.zeros(n, int)
    for k, (first, weights) in enumerate(choices):
        rows = kind == k
        steps = (weights / weights.sum(1, keepdims=True)).cumsum(1)[now[rows]]
        out[rows] = first + np.minimum((rng.random((rows.sum(), 1)) > steps).sum(1), weights.shape[1] - 1)
    again = np.flatnonzero((kind == 3) & (rng.random(n) < 0.4))
    out[again[1:]] = out[again[:-1]]
    return out


@cache
def texts(seed: int, first: int, n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return n texts of a seed from the ``first`` on, and their topics; those to train on stand before those to test by."""
    topics = np.random.default_rng(seed).integers(0, TOPICS, TRAINING + TESTS)[first : first + n]
    documents = [text(int(t), np.random.default_rng([seed, first + i])) for i, t in enumerate(topics)]
    return documents, topics


def shortened(tokens: np.ndarray, params: Mapping[str, Any], known: np.ndarray) -> np.ndarray:
    """Return what is read of a text. ``known``: whether a token is not rare in training."""
    keep = np.ones(len(tokens), bool)
    if not params["stop_words"]:
        keep &= tokens >= FIRST["marks"]
    is_mark = (tokens >= FIRST["marks"]) & (tokens < FIRST["frequent"])
    if not params["marks"]:
        keep &= ~is_mark
    if not params["rare_words"]:
        keep &= known[tokens]
    if not params["recurring"]:
        fresh = np.zeros(len(tokens), bool)
        fresh[np.unique(tokens, return_index=True)[1]] = True
        keep &= fresh | is_mark
    left, n = tokens[keep], params["tokens"]
    if params["where"] == "head" or len(left) <= n:
        return left[:n]
    return (
        left[-n:]
        if params["where"] == "tail"
        else np.concatenate([left[: n - n // 2], left[len(left) - n // 2 :]])
    )


class Reader(nn.Module):
    """One layer of self-attention over a text's tokens and positions, their mean, and a linear layer."""

    def __init__(self, tokens: int, dropout: float, stream: torch.Generator) -> None:
        super().__init__()
        self.words = nn.Parameter(0.3 * torch.randn(TOKENS, WIDTH, generator=stream))
        self.places = nn.Parameter(0.1 * torch.randn(tokens, WIDTH, generator=stream))
        self.attended, self.out = linear(WIDTH, 3 * WIDTH, stream), linear(WIDTH, TOPICS, stream)
        self._dropout, self._stream = dropout, stream

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (n, topics) of texts (n, tokens), filled up with 0."""
        has = x > 0
        h = self.words[x] + self.places[: x.shape[1]]
        q, k, v = self.attended(h).chunk(3, dim=-1)
        h = h + functional.scaled_dot_product_attention(q, k, v, attn_mask=has[:, None])
        h = (h * has[..., None]).sum(1) / has.sum(1, keepdim=True).clamp(min=1)
        if self.training and self._dropout > 0:
            shown = torch.rand(h.shape, generator=self._stream) >= self._dropout
            h = h * shown / (1 - self._dropout)
        return self.out(h)


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy on new texts, and the cost of one; the mean number of tokens read is a metric."""
    n, stream = max(50, round(TRAINING * run.fidelity)), generator(run.seed)
    (trained, topics), (tested, test_topics) = (
        texts(run.seed, 0, n),
        texts(run.seed, TRAINING, max(100, round(TESTS * run.fidelity))),
    )
    used = [*trained, *tested]
    is_common = np.bincount(np.concatenate(used[:n]), minlength=TOKENS) >= 3
    read = [shortened(t, params, is_common) for t in used]
    x = torch.zeros(len(read), params["tokens"], dtype=torch.long)
    for i, tokens in enumerate(read):
        x[i, : len(tokens)] = torch.from_numpy(tokens)
    y = torch.from_numpy(np.concatenate([topics, test_topics]))
    model = Reader(params["tokens"], params["dropout"], stream)
    optimizer = torch.optim.Adam(model.parameters(), lr=params["lr"], fused=True)
    for _ in range(params["epochs"]):
        for rows in batches(n, BATCH, stream):
            loss = functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = (model(x[n:]).argmax(1) == y[n:]).double().mean()
    length = float(np.mean([len(t) for t in read[n:]]))
    return Measurement((100 * float(right), cost(length)), metrics={"tokens_read": length})


def cost(tokens: float) -> float:
    """Return millions of products and sums to read a text of this length: three projections, and attention."""
    return (3 * tokens * WIDTH**2 + 2 * tokens**2 * WIDTH) / 1e6


def check() -> Evidence:
    """Compare four ways of shortening at eight seeds."""
    default = dict(target().problem.space.default())
    hack = default | {"tokens": 64, "stop_words": False}
    ways = [default | {"tokens": 128}, hack, hack | {"marks": False}, hack | {"rare_words": False}]
    scores = np.array([[evaluate(way, Run(seed=s)).value for s in range(8)] for way in ways])
    against = [scores[1] - scores[0], *(scores[k] - scores[1] for k in (2, 3))]
    half = [1.96 * float(d.std(ddof=1)) / len(d) ** 0.5 for d in against]
    whole, short, bare, common = scores.mean(1)
    return Evidence(
        f"{whole:.1f} % by 128 tokens of the whole, {short:.1f} by 64 without stop words, {bare:.1f} without marks too, "
        f"{common:.1f} without rare words too (± {max(half):.1f})",
        bool(
            against[0].mean() > -half[0]
            and all(d.mean() <= h for d, h in zip(against[1:], half[1:], strict=True))
        ),
    )
