"""A user's interest in a candidate from a long history, by hash collisions instead of attention.

Notation: history (n, d) and candidate q (d,) of unit length · a hash is τ signs of random projections, there are m of them ·
interest is the mean over hashes of the sum of those behaviours that share q's bucket · a behaviour at angle θ does so with
probability (1 - θ/π)^τ. Users click by attention of exactly that form, with τ = 3.
Source: Cao et al. 2022, Sampling Is All You Need on Modeling Long-Term User Behaviors for CTR Prediction (SDIM, arXiv
2205.10249): m = 48, τ = 3; buckets are prepared once per user, a candidate costs the hashes of q and m sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim

DIMENSION, HISTORY, TRUE_BITS = 16, 800, 3
USERS, CANDIDATES = 60, 20


def target() -> GalleryTarget:
    """Return the target ``interest-hashing``."""
    space = SearchSpace(
        [
            Int("hashes", 1, 96, log=True, default=12, unit="hashes", description="m"),
            Int("bits", 1, 10, default=4, unit="bits", description="τ, of one hash"),
            Int("recent", 16, HISTORY, log=True, default=100, unit="behaviours", description="how much history is kept"),
            Categorical("normalize", [False, True], default=False, description="each bucket's sum to length 1"),
            Categorical("projections", ["gaussian", "orthogonal"], default="gaussian", description="how they are drawn"),
        ]
    )  # fmt: skip
    problem = Problem(
        "interest-hashing",
        space,
        [
            Objective("auc", "maximize", "%", "of clicks ranked by interest"),
            Objective(
                "cost",
                "minimize",
                "kMAC",
                "products and sums per candidate, preparing the history spread over 100",
            ),
        ],
        description="Rank candidates by a user's 800 behaviours within little work: hashes, bits and history.",
        context={"dimension": DIMENSION, "history": HISTORY, "users": USERS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "retrieval",
        "Cao et al. 2022, SDIM, arXiv 2205.10249",
        region={"hashes": (48, 48), "bits": (3, 3), "recent": (HISTORY // 2, HISTORY)},
        claim=SourceClaim(
            "48 hashes of 3 bits rank within one point of AUC of exact attention, at less than half of its work once "
            "buckets are prepared.",
            check,
        ),
        seconds=0.2,
        low_fidelity=0.2,
    )


@dataclass(frozen=True)
class User:
    """A history (n, d), latest last, candidates (k, d) and which of them were clicked (k,)."""

    history: np.ndarray
    candidates: np.ndarray
    clicked: np.ndarray


def unit(x: np.ndarray) -> np.ndarray:
    """Return rows of length 1; rows of zeros stay."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def user(rng: np.random.Generator) -> User:
    """Return a user with six interests that drift, who clicks on candidates that attention to all history favours."""
    topics = unit(rng.standard_normal((6, DIMENSION)))
    drift = rng.dirichlet(np.ones(6), 4).repeat(HISTORY // 4, axis=0)
    which = np.minimum((rng.random((HISTORY, 1)) > drift.cumsum(1)).sum(1), 5)
    history = unit(topics[which] + 0.25 * rng.standard_normal((HISTORY, DIMENSION)))
    candidates = unit(rng.standard_normal((CANDIDATES, DIMENSION)))
    near = rng.random(CANDIDATES) < 0.6
    candidates[near] = unit(
        topics[rng.integers(0, 6, near.sum())] + 0.3 * rng.standard_normal((near.sum(), DIMENSION))
    )
    scores = np.einsum("kd,kd->k", candidates, attended(history, candidates))
    chances = 1 / (1 + np.exp(-(scores - scores.mean()) / scores.std() * 2))
    return User(history, candidates, rng.random(CANDIDATES) < chances)


def attended(history: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the interest (k, d) by exact attention with the kernel (1 - θ/π)^3."""
    angles = np.arccos(np.clip(candidates @ history.T, -1, 1))
    return (1 - angles / np.pi) ** TRUE_BITS @ history


def projections(kind: str, m: int, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Return m × bits projections (m · bits, d); orthogonal ones are so in groups of d."""
    rows = m * bits
    if kind == "gaussian":
        return rng.standard_normal((rows, DIMENSION))
    groups = [
        np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0] for _ in range(-(-rows // DIMENSION))
    ]
    return np.concatenate(groups)[:rows]


def buckets(x: np.ndarray, P: np.ndarray, m: int) -> np.ndarray:
    """Return the bucket (n, m) of each row under each hash."""
    signs = (x @ P.T > 0).reshape(len(x), m, -1)
    return signs @ (1 << np.arange(signs.shape[2]))


def hashed(
    history: np.ndarray, candidates: np.ndarray, P: np.ndarray, m: int, *, normalize: bool
) -> np.ndarray:
    """Return the interest (k, d): the mean over hashes of the sum of behaviours in the candidate's bucket."""
    own, of_candidates = buckets(history, P, m), buckets(candidates, P, m)
    together = (of_candidates[:, None] == own[None]).astype(float)
    if not normalize:
        return together.mean(2) @ history
    return unit(np.einsum("knm,nd->kmd", together, history)).mean(1)


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the AUC over all users' candidates, and the work per candidate."""
    rng = np.random.default_rng(run.seed)
    m, bits, recent = params["hashes"], params["bits"], params["recent"]
    scores, clicks = [], []
    for _ in range(max(8, round(USERS * run.fidelity))):
        person = user(rng)
        P = projections(params["projections"], m, bits, rng)
        interest = hashed(person.history[-recent:], person.candidates, P, m, normalize=params["normalize"])
        fits = np.einsum("kd,kd->k", person.candidates, interest)
        scores.append((fits - fits.mean()) / max(float(fits.std()), 1e-9))
        clicks.append(person.clicked)
    auc = 100 * float(roc_auc_score(np.concatenate(clicks), np.concatenate(scores)))
    return Measurement((auc, work(m, bits, recent)))


def work(m: int, bits: int, recent: int) -> float:
    """Return thousands of products and sums per candidate: its hashes, m sums, a hundredth of preparing the history."""
    return served(m, bits) + recent * m * (bits + 1) * DIMENSION / 100_000


def served(m: int, bits: int) -> float:
    """Return thousands of products and sums per candidate once the buckets are prepared."""
    return m * (bits + 1) * DIMENSION / 1000


def check() -> Evidence:
    """Compare with exact attention on 60 users; both see all of the history."""
    params = {"hashes": 48, "bits": 3, "recent": HISTORY, "normalize": False, "projections": "gaussian"}
    auc, cost = evaluate(params, Run(seed=0)).value, served(48, 3)
    rng, scores, clicks = np.random.default_rng(0), [], []
    for _ in range(USERS):
        person = user(rng)
        projections("gaussian", 48, 3, rng)
        fits = np.einsum("kd,kd->k", person.candidates, attended(person.history, person.candidates))
        scores.append((fits - fits.mean()) / fits.std())
        clicks.append(person.clicked)
    exact = 100 * float(roc_auc_score(np.concatenate(clicks), np.concatenate(scores)))
    whole = 2 * HISTORY * DIMENSION / 1000
    return Evidence(
        f"AUC {auc:.1f} % hashed at {cost:.1f} kMAC, {exact:.1f} % exact at {whole:.1f}",
        exact - auc < 1 and cost < whole / 2,
    )
