"""Masked diffusion of text with an exact denoiser: which sampler, how many calls, and in how many bits.

Notation: sequences (n, L) of K tokens, K stands for the mask · the data are a Markov chain, so that the distribution of
each masked token given the others is exact by forward and backward messages · α_t = 1 - t: at time t a token is masked
with probability t. Quality: total variation between pairs of neighbouring tokens and those of the chain.
Source: Zheng et al. 2024, Masked Diffusion Models are Secretly Time-Agnostic Masked Models and Exploit Inaccurate
Categorical Sampling (arXiv 2409.02908): first-hitting sampler, and what 32-bit Gumbel noise does to the temperature.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Constraint, Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim

K, L = 12, 16
SEQUENCES = 512
MAX_CALLS = 24
SMALLEST_32 = 2.0**-24
"""Spacing of the uniform numbers that 32-bit generators draw: their Gumbel noise cannot be larger than -log of it."""


def target() -> GalleryTarget:
    """Return the target ``masked-diffusion``."""
    space = SearchSpace(
        [
            Categorical("sampler", ["ancestral", "first-hitting"], default="ancestral", description="of masked tokens"),
            Int("steps", 4, 128, log=True, default=16, when={"sampler": "ancestral"}, unit="steps",
                description="even in the time warped by `warp`"),
            Float("warp", 0.5, 3.0, default=1.0, when={"sampler": "ancestral"}, description="above 1: finer near the data"),
            Int("at_once", 1, 8, default=1, when={"sampler": "first-hitting"}, unit="tokens",
                description="tokens decoded per call"),
            Categorical("bits", [32, 64], default=32, ordered=True, description="of the uniform numbers"),
            Float("temperature", 0.5, 1.5, default=1.0, description="of the tokens"),
        ]
    )  # fmt: skip
    problem = Problem(
        "masked-diffusion",
        space,
        [
            Objective(
                "variation", "minimize", description="total variation of pairs of tokens to those of the data"
            )
        ],
        [Constraint("calls", upper=MAX_CALLS, unit="calls")],
        description="Sample sequences of 16 tokens from a masked diffusion model in at most 24 calls.",
        context={"tokens": K, "length": L, "sequences": SEQUENCES},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "diffusion",
        "Zheng et al. 2024, arXiv 2409.02908",
        region={"sampler": ("first-hitting",), "at_once": (1, 1), "bits": (64,)},
        claim=SourceClaim(
            "First-hitting sampling is as good in 16 calls as ancestral sampling in 128 steps; 32-bit Gumbel noise lowers "
            "the entropy of what is drawn when few tokens change per step.",
            check,
        ),
        seconds=0.5,
        low_fidelity=0.2,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the total variation and the calls, of sequences sampled from all masks."""
    n = max(64, round(SEQUENCES * run.fidelity))
    rng = np.random.default_rng(run.seed)
    if params["sampler"] == "ancestral":
        times = np.linspace(1, 0, params["steps"] + 1) ** params["warp"]
        tokens, calls = ancestral(n, times, params["temperature"], params["bits"], rng)
    else:
        tokens, calls = first_hitting(n, params["at_once"], params["temperature"], params["bits"], rng)
    return Measurement(variation(tokens), constraints={"calls": calls}, cost=calls)


def chain() -> tuple[np.ndarray, np.ndarray]:
    """Return the transition matrix (K, K) of the data and its stationary distribution (K,)."""
    moves = np.random.default_rng(36).dirichlet(np.full(K, 0.3), K)
    values, vectors = np.linalg.eig(moves.T)
    stationary = np.abs(np.real(vectors[:, np.argmax(np.real(values))]))
    return moves, stationary / stationary.sum()


def denoised(tokens: np.ndarray) -> np.ndarray:
    """Return p(token at each place | all unmasked tokens), (n, L, K)."""
    moves, start = chain()
    n = len(tokens)
    evidence = np.where((tokens == K)[..., None], 1.0, np.eye(K + 1)[tokens][..., :K])
    forward, backward = np.empty((n, L, K)), np.ones((n, L, K))
    message = np.broadcast_to(start, (n, K))
    for i in range(L):
        forward[:, i] = message
        message = (message * evidence[:, i]) @ moves
        message = message / message.sum(1, keepdims=True)
    for i in range(L - 1, 0, -1):
        message = (backward[:, i] * evidence[:, i]) @ moves.T
        backward[:, i - 1] = message / message.sum(1, keepdims=True)
    weights = forward * backward * evidence
    return weights / weights.sum(2, keepdims=True)


def gumbel(shape: tuple[int, ...], bits: int, rng: np.random.Generator) -> np.ndarray:
    """Return Gumbel noise of uniform numbers of that many bits."""
    uniform = rng.random(shape) if bits == 64 else rng.random(shape, dtype=np.float32).astype(float)
    return -np.log(-np.log(np.clip(uniform, SMALLEST_32 / 2 if bits == 32 else 1e-300, 1 - 2.0**-53)))


def ancestral(
    n: int, times: np.ndarray, temperature: float, bits: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Return tokens (n, L) and the calls of the denoiser; a step in which nothing changes needs no new call."""
    tokens, calls, stale, probabilities = np.full((n, L), K), 0, True, np.empty(0)
    for s, t in itertools.pairwise(times):
        if stale:
            probabilities, calls = _tempered(denoised(tokens), temperature), calls + 1
        moves = np.concatenate([probabilities * (s - t), np.full((n, L, 1), t)], 2) / s
        with np.errstate(divide="ignore"):
            sample = np.argmax(np.log(moves) + gumbel(moves.shape, bits, rng), 2)
        changed = (tokens == K) & (sample < K)
        tokens, stale = np.where(changed, sample, tokens), bool(changed.any())
    return tokens, calls


def first_hitting(
    n: int, at_once: int, temperature: float, bits: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Return tokens (n, L) and the calls: masks fall in a random order, ``at_once`` of them per call.

    The times at which they fall, τ u^(1/n), do not matter to a denoiser that does not know the time.
    """
    tokens, order = np.full((n, L), K), rng.permuted(np.tile(np.arange(L), (n, 1)), axis=1)
    rows, calls = np.arange(n)[:, None], 0
    for first in range(0, L, at_once):
        places = order[:, first : first + at_once]
        logits = _tempered(denoised(tokens), temperature)[rows, places]
        with np.errstate(divide="ignore"):
            tokens[rows, places] = np.argmax(np.log(logits) + gumbel(logits.shape, bits, rng), 2)
        calls += 1
    return tokens, calls


def variation(tokens: np.ndarray) -> float:
    """Return the total variation between the neighbouring pairs of ``tokens`` and those of the chain, in [0, 1]."""
    moves, start = chain()
    counts = np.zeros((K, K))
    np.add.at(counts, (tokens[:, :-1].ravel(), tokens[:, 1:].ravel()), 1.0)
    return float(0.5 * np.abs(counts / counts.sum() - start[:, None] * moves).sum())


def _tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(2, keepdims=True)


def drawn_entropy(change: float, limit: float) -> float:
    """Return the entropy (nats) of the token that Gumbel noise draws when a mask is left with probability ``change``.

    ``limit``: the largest noise that can be drawn, 16.6 in 32 bits. The tokens' shares are a geometric series. Exact up to
    quadrature over the winning value: a noise below ``limit`` has the distribution exp(-exp(-x)), renormalised.
    """
    shares = 0.7 ** np.arange(K) / np.sum(0.7 ** np.arange(K))
    at = np.append(np.log(shares * change), np.log1p(-change))[:, None]
    x = np.linspace(at.min() - 5, limit + 1, 200_001)
    log_below = np.where(x < at + limit, -np.exp(-(x - at)) + np.exp(-limit), 0.0)
    density = np.where(x < at + limit, np.exp(-(x - at)), 0.0) * np.exp(log_below.sum(0))
    wins = density[:K].sum(1)
    wins = wins / wins.sum()
    return float(-np.sum(wins * np.log(np.maximum(wins, 1e-300))))


def check() -> Evidence:
    """Compare the samplers on 4,000 sequences, and the entropies in 32 and 64 bits at a change of 1e-6 per step."""
    hits, calls = first_hitting(4000, 1, 1.0, 64, np.random.default_rng(0))
    steps, more = ancestral(4000, np.linspace(1, 0, 129), 1.0, 64, np.random.default_rng(1))
    quick, slow = variation(hits), variation(steps)
    entropies = [drawn_entropy(1e-6, limit) for limit in (-np.log(SMALLEST_32), -np.log(2.0**-53))]
    noise = 0.005  # of the variation of 4,000 sequences, between seeds
    return Evidence(
        f"variation {quick:.3f} in {calls} calls, {slow:.3f} in {more}; entropy {entropies[0]:.2f} in 32 bits, "
        f"{entropies[1]:.2f} in 64",
        quick < slow + noise and entropies[0] < entropies[1] - 0.05,
    )
