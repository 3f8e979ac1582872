"""Retrieval of documents for queries unlike those trained on.

Notation: documents and queries are bags of words; half of the words are written differently in queries, which has to be
learnt. A representation model compares one vector of the query with one of the document; an interaction model sums, over
the query's words, the best match among the document's. Queries are clustered in five; a model is trained on four clusters
and tested on queries of these (interpolation) and of the fifth (extrapolation), five times (ReSTTest).
Source: Zhan et al. 2022, Evaluating Interpolation and Extrapolation Performance of Neural Retrieval Models (arXiv 2204.11447).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import TruncatedSVD
from torch import Tensor
from torch.nn import functional

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ...splits import by_similarity
from ..networks import generator
from ..target import Evidence, GalleryTarget, SourceClaim
from .hard_negatives import VOCABULARY, corpus, reciprocal_rank

SAME, TRAINING, TESTS, CLUSTERS, DIRECTIONS, BATCH = 150, 2000, 500, 5, 20, 32
"""Words written alike, queries to train on and to test by, clusters, principal directions to find them in, and the batch."""


def target() -> GalleryTarget:
    """Return the target ``extrapolation``."""
    space = SearchSpace(
        [
            Categorical("model", ["representation", "interaction"], default="representation", description="of relevance"),
            Int("dimension", 8, 64, log=True, default=32, description="of a word's vector"),
            Int("updates", 20, 200, log=True, default=80, unit="updates", description="per training"),
            Float("lr", 1e-3, 0.1, log=True, default=0.03, description="learning rate"),
            Float("temperature", 0.01, 1.0, log=True, default=0.1, description="of the softmax over the batch"),
            Float("word_dropout", 0.0, 0.5, default=0.0, description="share of a query's words hidden in training"),
            Float("pull", 1e-5, 1e-1, log=True, default=1e-3, description="decay of the vectors towards their start"),
        ]
    )  # fmt: skip
    problem = Problem(
        "extrapolation",
        space,
        [
            Objective(
                "mrr", "maximize", "%", "mean reciprocal rank on the cluster of queries left out, over five"
            )
        ],
        description="Train a retriever that also answers queries unlike those it was trained on.",
        context={"documents": 1500, "queries": TRAINING, "words": VOCABULARY, "clusters": CLUSTERS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "retrieval",
        "Zhan et al. 2022, Evaluating Interpolation and Extrapolation Performance of Neural Retrieval Models, "
        "arXiv 2204.11447",
        region={"model": ("interaction",)},
        claim=SourceClaim(
            "Representation models are almost as good as interaction models on queries like those trained on, but not on "
            "queries unlike them: within a tenth inside, and the gap is larger outside.",
            check,
        ),
        seconds=2.5,
        low_fidelity=0.1,
    )


class Queries:
    """Documents, queries with their documents and clusters, and which are tested by."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.documents, self.bags, self.right = corpus(TRAINING + TESTS, rng, SAME)
        self.words = written(self.documents)
        directions = TruncatedSVD(DIRECTIONS, random_state=0).fit_transform(
            functional.normalize(self.bags).numpy()
        )
        directions /= np.linalg.norm(directions, axis=1, keepdims=True) + 1e-9
        self.cluster = torch.zeros(len(self.bags), dtype=torch.long)
        for k, (_, rows) in enumerate(by_similarity(directions, CLUSTERS)):
            self.cluster[rows] = k
        self.tested = torch.arange(len(self.bags)) >= TRAINING


@cache
def queries_of(seed: int) -> Queries:
    """Return the queries of a seed, made once."""
    return Queries(seed)


def written(documents: Tensor) -> Tensor:
    """Return the words of each document (n, l), those of the shorter repeated."""
    has, words = (documents > 0).sort(dim=1, descending=True, stable=True)
    most = int(has.sum(1).max())
    return torch.where(has, words, words[:, :1])[:, :most]


class Retriever:
    """Vectors of words as queries and as documents write them; both start from the same, so that equal words match."""

    def __init__(self, kind: str, dimension: int, stream: torch.Generator) -> None:
        start = torch.randn(VOCABULARY, dimension, generator=stream)
        self.kind, self.start = kind, start
        self.query, self.document = start.clone().requires_grad_(), start.clone().requires_grad_()

    def scores(self, bags: Tensor, data: Queries, rows: Tensor) -> Tensor:
        """Return the relevance (q, n) of these documents."""
        if self.kind == "representation":
            questions = functional.normalize(bags @ self.query, dim=1)
            return questions @ functional.normalize(data.documents[rows] @ self.document, dim=1).T
        questions = torch.nonzero(bags.sum(0))[:, 0]
        matches = (
            functional.normalize(self.query[questions], dim=1) @ functional.normalize(self.document, dim=1).T
        )
        best = matches[:, data.words[rows]].max(2).values
        return functional.normalize(bags[:, questions], p=1, dim=1) @ best


def train(
    params: Mapping[str, Any], data: Queries, rows: Tensor, updates: int, stream: torch.Generator
) -> Retriever:
    """Return a retriever trained on these queries, each against the documents of the others of its batch."""
    model = Retriever(params["model"], params["dimension"], stream)
    vectors = [model.query, model.document]
    optimizer = torch.optim.Adam(vectors, lr=params["lr"], fused=True)
    for _ in range(updates):
        batch = rows[torch.randint(0, len(rows), (BATCH,), generator=stream)]
        shown = torch.rand(BATCH, VOCABULARY, generator=stream) >= params["word_dropout"]
        right = data.right[batch]
        logits = model.scores(data.bags[batch] * shown, data, right) / params["temperature"]
        same = (right[:, None] == right) & ~torch.eye(BATCH, dtype=torch.bool)
        loss = functional.cross_entropy(logits.masked_fill(same, -1e4), torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for v in vectors:
                v += params["pull"] * (model.start - v)
    return model


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the mean reciprocal rank on what was left out; that on queries like those trained on is a metric."""
    data, updates = queries_of(run.seed), max(2, round(params["updates"] * run.fidelity))
    accuracies = np.array([ranked(params, data, k, updates, run.seed) for k in range(CLUSTERS)])
    inside, outside = accuracies.mean(0)
    return Measurement(float(outside), metrics={"interpolation": float(inside)})


def ranked(
    params: Mapping[str, Any], data: Queries, left_out: int, updates: int, seed: int
) -> tuple[float, float]:
    """Return the reciprocal ranks in percent on tested queries of the clusters trained on, and of the one left out."""
    rows = torch.nonzero((data.cluster != left_out) & ~data.tested)[:, 0]
    model = train(params, data, rows, updates, generator(seed * CLUSTERS + left_out))
    tests = data.tested.nonzero()[:, 0]
    with torch.no_grad():
        parts = torch.arange(len(data.documents)).split(250)
        scores = torch.cat([model.scores(data.bags[tests], data, part) for part in parts], dim=1)
    out = data.cluster[tests] == left_out
    inside, outside = (100 * reciprocal_rank(scores[m], data.right[tests][m]) for m in (~out, out))
    return inside, outside


def check() -> Evidence:
    """Train both models at four seeds with 200 updates and vectors of 64."""
    default = dict(target().problem.space.default()) | {"updates": 200, "dimension": 64}
    by_model: dict[str, np.ndarray] = {}
    for model in ("representation", "interaction"):
        results = [evaluate(default | {"model": model}, Run(seed=s)) for s in range(4)]
        by_model[model] = np.array([[r.metrics["interpolation"], r.value] for r in results])
    gaps = by_model["interaction"] - by_model["representation"]
    wider = gaps[:, 1] - gaps[:, 0]
    half = 1.96 * float(wider.std(ddof=1)) / len(wider) ** 0.5
    (a, b), (c, d) = by_model["representation"].mean(0), by_model["interaction"].mean(0)
    return Evidence(
        f"MRR@10 representation {a:.1f} inside, {b:.1f} outside; interaction {c:.1f}, {d:.1f}: "
        f"the gap is wider outside by {wider.mean():.1f} ± {half:.1f}",
        bool(wider.mean() > half and gaps[:, 0].mean() < 0.1 * c),
    )
