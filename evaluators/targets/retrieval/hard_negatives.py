"""Dense retrieval: which documents a query is trained against, and in which order.

Notation: documents and queries are bags of words (n, V) of two vocabularies that a fixed permutation connects; linear
encoders map both to d numbers. Random negatives come from the batch; static hard ones are what the warmed-up encoders rank
highest (STAR); dynamic ones are what the present query encoder ranks highest, documents frozen (ADORE). Unlike the source's
pairwise losses and ADORE's LambdaRank weights over the first 200, every stage has one softmax, over the batch and one hard
negative for each query that is drawn from the first ``depth``.
Source: Zhan et al. 2021, Optimizing Dense Retrieval Model Training with Hard Negatives (arXiv 2104.08051): MRR@10 .301 random,
.340 STAR, .347 ADORE after STAR.
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
from ...spaces.parameters import Float, Int
from ...spaces.space import SearchSpace
from ..networks import generator
from ..target import Evidence, GalleryTarget, SourceClaim

DOCUMENTS, VOCABULARY, TOPICS, WORDS = 1500, 300, 40, 40
TRAINING, TESTS = 4000, 300


def target() -> GalleryTarget:
    """Return the target ``hard-negatives``."""
    space = SearchSpace(
        [
            Int("warm_up", 50, 400, log=True, default=150, unit="updates", description="with random negatives"),
            Int("static", 0, 300, default=0, unit="updates", description="with hard negatives of the warmed-up encoders"),
            Int("dynamic", 0, 300, default=0, unit="updates", description="of the query encoder with the hardest of now"),
            Int("depth", 2, 200, log=True, default=50, unit="documents", description="from the top of which they are drawn"),
            Float("temperature", 0.01, 1.0, log=True, default=0.1, description="of the softmax over similarities"),
            Float("lr", 1e-3, 0.1, log=True, default=0.01, description="learning rate of the warm-up"),
            Float("hard_lr", 1e-4, 0.05, log=True, default=3e-3, description="learning rate with hard negatives"),
            Int("dimension", 8, 64, log=True, default=24, description="of the encoders"),
        ]
    )  # fmt: skip
    problem = Problem(
        "hard-negatives",
        space,
        [Objective("mrr", "maximize", "%", "mean reciprocal rank of the right document in the first ten")],
        description="Train a dense retriever over 1,500 documents: how long with which negatives.",
        context={"documents": DOCUMENTS, "queries": TRAINING, "words": VOCABULARY},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "retrieval",
        "Zhan et al. 2021, Optimizing Dense Retrieval Model Training with Hard Negatives, arXiv 2104.08051",
        region={"static": (50, 300), "dynamic": (50, 300)},
        claim=SourceClaim(
            "With as many updates, static hard negatives rank better than random ones, dynamic ones after them better still.",
            check,
        ),
        seconds=1.0,
        low_fidelity=0.2,
    )


def corpus(queries: int, rng: np.random.Generator, same: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return documents (n, V), queries (q, V) in other words, and the document (q,) that each was made of.

    The first ``same`` words are written alike in both."""
    language = np.random.default_rng(11)
    topics = language.dirichlet(np.full(VOCABULARY, 0.05), TOPICS)
    other = np.r_[:same, same + language.permutation(VOCABULARY - same)]
    mixed = language.dirichlet(np.full(TOPICS, 0.08), DOCUMENTS) @ topics
    documents = np.stack([language.multinomial(WORDS, p / p.sum()) for p in mixed])
    right = rng.integers(0, DOCUMENTS, queries)
    query_words = np.stack([rng.multinomial(6, documents[i] / WORDS) for i in right])[:, other]
    bags = [torch.from_numpy(np.sqrt(counts)).float() for counts in (documents, query_words)]
    return bags[0], bags[1], torch.from_numpy(right)


class DualEncoder:
    """Linear encoders of queries and of documents onto the unit sphere."""

    def __init__(self, dimension: int, stream: torch.Generator) -> None:
        self.query, self.document = (
            (0.05 * torch.randn(VOCABULARY, dimension, generator=stream)).requires_grad_() for _ in range(2)
        )

    def similarities(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Return the cosines (q, n)."""
        return (
            functional.normalize(queries @ self.query, dim=1)
            @ functional.normalize(documents @ self.document, dim=1).T
        )

    def hardest(self, queries: Tensor, documents: Tensor, right: Tensor, depth: int) -> Tensor:
        """Return the wrong documents (q, depth) that are ranked highest."""
        with torch.no_grad():
            scores = self.similarities(queries, documents).scatter(1, right[:, None], -2.0)
            return scores.topk(depth, dim=1).indices


def train(
    encoder: DualEncoder,
    data: tuple[Tensor, Tensor, Tensor],
    params: Mapping[str, Any],
    stage: str,
    stream: torch.Generator,
) -> None:
    """Train for a stage's updates: 'random' against the batch, 'static' and 'dynamic' against a hard one each too."""
    documents, queries, right = data
    trained = [encoder.query] if stage == "dynamic" else [encoder.query, encoder.document]
    optimizer = torch.optim.Adam(trained, lr=params["lr" if stage == "random" else "hard_lr"], fused=True)
    pool = encoder.hardest(queries, documents, right, params["depth"]) if stage == "static" else None
    for _ in range(params["updates"]):
        rows = torch.randint(0, len(queries), (64,), generator=stream)
        shown = right[rows]
        if stage != "random":
            top = (
                pool[rows]
                if pool is not None
                else encoder.hardest(queries[rows], documents, shown, params["depth"])
            )
            picks = torch.randint(0, params["depth"], (64, 1), generator=stream)
            shown = torch.cat([shown, top.gather(1, picks)[:, 0]])
        logits = encoder.similarities(queries[rows], documents[shown]) / params["temperature"]
        same = (shown[None] == right[rows][:, None]) & (
            torch.arange(len(shown))[None] != torch.arange(64)[:, None]
        )
        loss = functional.cross_entropy(logits.masked_fill(same, -1e4), torch.arange(64))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the mean reciprocal rank on queries that were not trained on."""
    stream, rng = generator(run.seed), np.random.default_rng(run.seed)
    documents, queries, right = corpus(TRAINING + TESTS, rng)
    encoder = DualEncoder(params["dimension"], stream)
    data = documents, queries[:TRAINING], right[:TRAINING]
    for stage, name in (("random", "warm_up"), ("static", "static"), ("dynamic", "dynamic")):
        updates = round(params[name] * run.fidelity)
        train(encoder, data, {**params, "updates": updates}, stage, stream)
    with torch.no_grad():
        scores = encoder.similarities(queries[TRAINING:], documents)
    return Measurement(100 * reciprocal_rank(scores, right[TRAINING:]))


def reciprocal_rank(scores: Tensor, right: Tensor) -> float:
    """Return the mean of 1 / rank of the right document, 0 beyond the tenth."""
    rank = 1 + (scores > scores.gather(1, right[:, None])).sum(1)
    return float(torch.where(rank <= 10, 1.0 / rank, 0.0).mean())


def check() -> Evidence:
    """Train 400 updates each at four seeds: all random, half static, a quarter each static and dynamic."""
    default = target().problem.space.default()
    ways = [(400, 0, 0), (200, 200, 0), (200, 100, 100)]
    random, star, adore = (
        float(
            np.mean(
                [
                    evaluate(default | {"warm_up": a, "static": b, "dynamic": c}, Run(seed=s)).value
                    for s in range(4)
                ]
            )
        )
        for a, b, c in ways
    )
    return Evidence(
        f"MRR@10 {random:.1f} random, {star:.1f} static, {adore:.1f} then dynamic", random < star < adore
    )
