"""Feynman-Kac correctors: sampling a sharpened distribution p^β with a diffusion of p, by weighted particles.

Notation: x in one dimension · noise level σ from 10 down, geometrically · a step of dv = dσ² has drift η s dv and noise
ζ √dv, with η = β + (1-β) a, ζ² = (β + 2 (1-β) a) / β and score s of p · log-weights grow by β (β-1) s² / 2 dv.
Without weights (a = 0) it is the usual scaled score, which samples something else than p^β.
Source: Skreta et al. 2025, Feynman-Kac Correctors in Diffusion (arXiv 2503.02819).
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim

MEANS, STDS, SHARES = np.array([-3.0, 0.5, 3.5]), np.array([0.5, 0.9, 0.35]), np.array([0.35, 0.4, 0.25])
BETA = 3.0
WORK = 60_000
"""Particles times steps of one batch: more of one are fewer of the other."""
BATCHES = 4


def target() -> GalleryTarget:
    """Return the target ``feynman-kac``."""
    space = SearchSpace(
        [
            Float("a", 0.0, 0.5, default=0.0, description="between noise as in p's own diffusion (0) and less of it"),
            Int("steps", 20, 400, log=True, default=100, unit="steps", description="the particles get what work is left"),
            Categorical("resampling", ["none", "systematic", "multinomial"], default="systematic", description="of particles"),
            Float("ess", 0.1, 1.0, default=1.0, when={"resampling": ["systematic", "multinomial"]},
                  description="resample where the effective share of particles falls below"),
            Float("first", 0.05, 10.0, log=True, default=10.0, description="noise level from which weights count"),
            Float("sigma_min", 1e-3, 0.3, log=True, default=1e-2, description="noise at the end"),
        ]
    )  # fmt: skip
    problem = Problem(
        "feynman-kac",
        space,
        [Objective("w1", "minimize", description="Wasserstein distance to the sharpened distribution")],
        description="Sample p³ of a mixture of three Gaussians with weighted particles of a diffusion of p.",
        context={"beta": BETA, "work": WORK},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "diffusion",
        "Skreta et al. 2025, Feynman-Kac Correctors in Diffusion, arXiv 2503.02819",
        region={"a": (0.0, 0.0), "resampling": ("systematic",)},
        claim=SourceClaim(
            "Weights and resampling bring an annealed diffusion nearer to p^β than the scaled score alone.",
            check,
        ),
        seconds=0.1,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the Wasserstein-1 distance of weighted particles to p^β, the mean over batches, and its standard error."""
    n = max(30, round(WORK * run.fidelity / params["steps"]))
    sampler = Annealed(params["a"], params["resampling"], params.get("ess", 0.0), params["first"])
    rng = np.random.default_rng(run.seed)
    distances = [distance(*sampler.run(n, params["steps"], params["sigma_min"], rng)) for _ in range(BATCHES)]
    sem = float(np.std(distances, ddof=1) / np.sqrt(BATCHES))
    return Measurement(float(np.mean(distances)), sem, metrics={"particles": n})


@dataclass(frozen=True)
class Annealed:
    """Particles that follow p's diffusion with scaled drift and noise, and what their weights are used for."""

    a: float = 0.0
    resampling: str = "systematic"
    ess: float = 1.0
    first: float = 10.0
    """Noise level from which weights count."""

    def run(self, n: int, steps: int, last: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return n particles at noise ``last`` and their weights, which sum to 1."""
        eta = BETA + (1 - BETA) * self.a
        zeta = np.sqrt((BETA + 2 * (1 - BETA) * self.a) / BETA)
        sigmas = np.geomspace(10.0, last, steps + 1)
        x = sigmas[0] / np.sqrt(BETA) * rng.standard_normal(n)
        log_weights = np.zeros(n)
        for s, t in itertools.pairwise(sigmas):
            dv, slope = s**2 - t**2, score(x, s)
            if s <= self.first:
                log_weights = log_weights + 0.5 * BETA * (BETA - 1) * slope**2 * dv
            x = x + eta * slope * dv + zeta * np.sqrt(dv) * rng.standard_normal(n)
            weights = softmax(log_weights)
            if self.resampling != "none" and 1 / np.sum(weights**2) < self.ess * n:
                x, log_weights = x[self._chosen(weights, rng)], np.zeros(n)
        if self.resampling == "none":
            log_weights = np.zeros(n)
        return x, softmax(log_weights)

    def _chosen(self, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = len(weights)
        at = (rng.random() + np.arange(n)) / n if self.resampling == "systematic" else rng.random(n)
        return np.minimum(np.searchsorted(np.cumsum(weights), at), n - 1)


def score(x: np.ndarray, sigma: float) -> np.ndarray:
    """Return d log p_σ / dx of the mixture with noise σ."""
    variances = STDS**2 + sigma**2
    gaps = MEANS - x[:, None]
    logs = np.log(SHARES) - 0.5 * np.log(variances) - 0.5 * gaps**2 / variances
    return (softmax(logs, axis=1) * gaps / variances).sum(1)


def distance(x: np.ndarray, weights: np.ndarray) -> float:
    """Return the Wasserstein-1 distance between weighted particles and p^β, whose distribution function is on a grid."""
    at = np.linspace(-10, 10, 4001)
    density = (SHARES / STDS * np.exp(-0.5 * ((at[:, None] - MEANS) / STDS) ** 2)).sum(1) ** BETA
    exact = np.cumsum(density) / density.sum()
    order = np.argsort(x)
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    return float(np.abs(sums[np.searchsorted(x[order], at, side="right")] - exact).sum() * (at[1] - at[0]))


def check() -> Evidence:
    """Compare both with 1,000 particles and 300 steps over ten seeds."""

    def mean_distance(sampler: Annealed) -> float:
        ends = [sampler.run(1000, 300, 1e-2, np.random.default_rng(seed)) for seed in range(10)]
        return float(np.mean([distance(x, weights) for x, weights in ends]))

    corrected, scaled = mean_distance(Annealed()), mean_distance(Annealed(resampling="none"))
    return Evidence(f"W1 {corrected:.3f} corrected, {scaled:.3f} scaled score", corrected < scaled)
