"""Retrieval of the earlier cases that a new case will cite, while the language of cases changes.

A query is the facts of a case; candidates are all cases of earlier years. A dense retriever (one linear encoder of queries,
one of candidates) is trained on the citations of the first eight years and tested on those of the last four, BM25 beside it.
The cases are those of ``cases.py``.
Source: Santosh, Haddad & Grabmair 2024, ECtHR-PCR: Precedent Understanding and Prior Case Retrieval (arXiv 2404.00596).
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
from .cases import CITED, FACTS, PER_YEAR, VOCABULARY, YEARS, Cases, bm25, cases_of

TRAINED, BATCH = 8, 48
"""Years of training, and queries of an update."""


def target() -> GalleryTarget:
    """Return the target ``prior-cases``."""
    space = SearchSpace(
        [
            Categorical("candidate", ["facts", "law", "both"], default="both", description="part of an earlier case read"),
            Int("words", 10, FACTS, log=True, default=40, unit="words", description="of a query's facts, from the start"),
            Categorical("negatives", ["random", "hard", "recent"], default="random", description="beside those of the batch"),
            Int("years", 1, TRAINED, default=TRAINED, unit="years", description="of training, the last ones"),
            Float("lexical", 0.0, 1.0, default=0.0, description="weight of BM25 in the score; the rest is the dense model's"),
            Float("recency", -0.2, 0.2, default=0.0, unit="1/year", description="taken off for a candidate's age"),
            Int("dimension", 8, 64, log=True, default=24, description="of the encoders"),
            Int("updates", 20, 400, log=True, default=150, unit="updates", description="of training"),
            Float("lr", 1e-3, 0.1, log=True, default=0.02, description="learning rate"),
        ]
    )  # fmt: skip
    problem = Problem(
        "prior-cases",
        space,
        [
            Objective(
                "recall",
                "maximize",
                "%",
                "of cited cases among the first twenty, in the four years after training",
            )
        ],
        description="Find the earlier cases that a new case will cite, years after training.",
        context={"cases": YEARS * PER_YEAR, "years": YEARS, "trained": TRAINED, "words": VOCABULARY},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "retrieval",
        "Santosh, Haddad & Grabmair 2024, ECtHR-PCR: Precedent Understanding and Prior Case Retrieval, arXiv 2404.00596",
        region={"candidate": ("law", "both"), "negatives": ("random",)},
        claim=SourceClaim(
            "A dense retriever becomes worse with the years after its training, beyond what BM25 loses in the same years; "
            "hard negatives are no better than random ones.",
            check,
        ),
        seconds=1.0,
        low_fidelity=0.1,
    )


class CaseEncoders:
    """Linear encoders of queries and of candidates (n, V) onto the unit sphere."""

    def __init__(self, queries: Tensor, documents: Tensor, dimension: int, stream: torch.Generator) -> None:
        self._queries, self._documents = queries, documents
        self.encoders = [
            (0.1 * torch.randn(VOCABULARY, dimension, generator=stream)).requires_grad_() for _ in range(2)
        ]

    def scores(self, rows: Tensor, shown: Tensor) -> Tensor:
        """Return the cosines of these queries with these candidates."""
        queries = functional.normalize(self._queries[rows] @ self.encoders[0], dim=1)
        return queries @ functional.normalize(self._documents[shown] @ self.encoders[1], dim=1).T


def train(
    model: CaseEncoders, cases: Cases, params: Mapping[str, Any], updates: int, stream: torch.Generator
) -> None:
    """Train on the citations of the last years of training, against the batch and a drawn negative each."""
    optimizer = torch.optim.Adam(model.encoders, lr=params["lr"], fused=True)
    in_training = (cases.year < TRAINED) & (cases.year >= TRAINED - params["years"])
    pairs = torch.from_numpy(np.argwhere(cases.cites & in_training[:, None]))
    cites = torch.from_numpy(cases.cites)
    for _ in range(updates):
        rows, right = pairs[torch.randint(0, len(pairs), (BATCH,), generator=stream)].T
        chances = negatives(model, cases, params["negatives"], rows)
        shown = torch.cat([right, torch.multinomial(chances, 1, generator=stream)[:, 0]])
        logits = model.scores(rows, shown) / 0.1
        others = cites[rows][:, shown] & (torch.arange(2 * BATCH) != torch.arange(BATCH)[:, None])
        loss = functional.cross_entropy(logits.masked_fill(others, -1e4), torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def negatives(model: CaseEncoders, cases: Cases, kind: str, rows: Tensor) -> Tensor:
    """Return the weights (q, n) by which negatives are drawn among earlier cases that are not cited."""
    year = torch.from_numpy(cases.year)
    pool = (year < year[rows][:, None]) & ~torch.from_numpy(cases.cites)[rows]
    if kind == "recent":
        pool &= year >= year[rows][:, None] - 2
    if kind != "hard":
        return pool.float() + 1e-9
    with torch.no_grad():
        top = model.scores(rows, torch.arange(len(year))).masked_fill(~pool, -2.0).topk(20, dim=1).indices
    return torch.zeros(pool.shape).scatter_(1, top, 1.0)


def recalls(params: Mapping[str, Any], run: Run) -> np.ndarray:
    """Return the recall in percent among the first twenty in each year after training."""
    cases = cases_of(run.seed)
    queries, documents = cases.queries(params["words"]), cases.parts[params["candidate"]]
    late_cases = np.flatnonzero(cases.year >= TRAINED)
    score = np.zeros((len(late_cases), len(cases.year)))
    if params["lexical"] < 1:
        bags = [torch.from_numpy(np.sqrt(b)).float() for b in (queries, documents)]
        updates = max(2, round(params["updates"] * run.fidelity))
        stream, everyone = generator(run.seed), torch.arange(len(cases.year))
        model = CaseEncoders(bags[0], bags[1], params["dimension"], stream)
        train(model, cases, params, updates, stream)
        with torch.no_grad():
            dense = model.scores(torch.from_numpy(late_cases), everyone).double().numpy()
        score += (1 - params["lexical"]) * standardized(dense)
    if params["lexical"] > 0:
        score += params["lexical"] * standardized(bm25(queries[late_cases], documents))
    age = cases.year[late_cases, None] - cases.year
    score = np.where(age > 0, score - params["recency"] * age, -np.inf)
    first = np.argpartition(-score, 20, axis=1)[:, :20]
    hits = np.take_along_axis(cases.cites[late_cases], first, axis=1).sum(1) / CITED
    return 100 * hits.reshape(YEARS - TRAINED, PER_YEAR).mean(1)


def standardized(scores: np.ndarray) -> np.ndarray:
    """Return each query's scores with mean 0 and variance 1."""
    return (scores - scores.mean(1, keepdims=True)) / (scores.std(1, keepdims=True) + 1e-9)


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the recall over the four years after training; each year's is a metric."""
    by_year = recalls(params, run)
    return Measurement(
        float(by_year.mean()), metrics={f"year_{k + 1}": float(v) for k, v in enumerate(by_year)}
    )


def check() -> Evidence:
    """Compare the first and the last year after training, dense and BM25, at eight seeds; and the negatives."""
    default = dict(target().problem.space.default())
    ways = {"dense": default, "BM25": default | {"lexical": 1.0}, "hard": default | {"negatives": "hard"}}
    by_way = {name: np.array([recalls(way, Run(seed=s)) for s in range(8)]) for name, way in ways.items()}
    lost = {name: r[:, 0] - r[:, -1] for name, r in by_way.items()}
    beyond, gain = lost["dense"] - lost["BM25"], (by_way["hard"] - by_way["dense"]).mean(1)
    half, other = (1.96 * float(d.std(ddof=1)) / len(d) ** 0.5 for d in (beyond, gain))
    return Evidence(
        f"recall in the first and fourth year: dense {by_way['dense'][:, 0].mean():.1f}, {by_way['dense'][:, -1].mean():.1f}, "
        f"BM25 {by_way['BM25'][:, 0].mean():.1f}, {by_way['BM25'][:, -1].mean():.1f} (dense loses {beyond.mean():.1f} ± "
        f"{half:.1f} more); hard negatives {gain.mean():+.1f} ± {other:.1f}",
        bool(beyond.mean() > half and gain.mean() <= other),
    )
