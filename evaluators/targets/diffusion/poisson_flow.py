"""PFGM++: between a diffusion model (D → ∞) and a Poisson flow (D = 1), with a denoiser that is trained and errs.

Notation: N = 2 dimensions · D augmented dimensions · r = σ √D · the noise has radius R with R²/(R² + r²) ~ Beta(N/2, D/2)
and any direction. For each noise level of the grid a denoiser is trained: ridge regression of the data on random Fourier
features of the noisy data. The source tests robustness by noise of α σ on the inputs while sampling.
Source: Xu et al. 2023, PFGM++ (arXiv 2302.04265); grid: Karras et al. 2022, EDM (arXiv 2206.00364).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Float, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .mixtures import energy_distance, ring

N = 2
ALPHA = 0.2
PAIRS, SAMPLES, FEATURES = 1500, 400, 200
DIFFUSION = 30
"""log2 D from which the noise counts as Gaussian."""


def target() -> GalleryTarget:
    """Return the target ``poisson-flow``."""
    space = SearchSpace(
        [
            Int("log2_D", 0, DIFFUSION, default=DIFFUSION,
                description="augmented dimensions, log2; 0: Poisson flow, 30: diffusion"),
            Int("steps", 4, 20, default=12, unit="steps", description="noise levels, each with a denoiser of its own"),
            Float("rho", 1.0, 12.0, default=7.0, description="exponent of the grid; large: fine near the data"),
            Float("sigma_min", 1e-3, 0.3, log=True, default=2e-2, description="noise at the end"),
            Float("sigma_max", 2.0, 80.0, log=True, default=20.0, description="noise at the start"),
            Float("frequency", 0.3, 6.0, log=True, default=1.5, description="of the random features"),
            Float("ridge", 1e-6, 1.0, log=True, default=1e-3, description="penalty of the regression"),
        ]
    )  # fmt: skip
    problem = Problem(
        "poisson-flow",
        space,
        [
            Objective(
                "distance", "minimize", description="energy distance of samples to the true distribution"
            )
        ],
        description="Train and sample a Poisson flow model of 8 Gaussians whose inputs are disturbed.",
        context={"dimensions": N, "pairs": PAIRS, "features": FEATURES, "disturbance": ALPHA},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "diffusion",
        "Xu et al. 2023, PFGM++, arXiv 2302.04265",
        region={"log2_D": (7, 11), "rho": (7.0, 7.0)},
        claim=SourceClaim(
            "Noise on the inputs costs less quality with D = 64 than with a diffusion (D → ∞).", check
        ),
        seconds=0.3,
        low_fidelity=0.2,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the energy distance between samples and the distribution."""
    flow = PoissonFlow(**params, pairs=max(100, round(PAIRS * run.fidelity)))
    return Measurement(flow.distance(SAMPLES, ALPHA, np.random.default_rng(run.seed)), cost=params["steps"])


@dataclass(frozen=True)
class PoissonFlow:
    """A flow with denoisers that are trained as they are needed; see the module for its letters."""

    log2_D: int
    steps: int = 12
    rho: float = 7.0
    sigma_min: float = 2e-2
    sigma_max: float = 20.0
    frequency: float = 1.5
    ridge: float = 1e-3
    pairs: int = PAIRS

    def distance(self, n: int, alpha: float, rng: np.random.Generator) -> float:
        """Return the energy distance of n samples to 1,500 of the distribution; ``alpha``: noise on the inputs, over σ."""
        return energy_distance(self.samples(n, alpha, rng), ring().sample(1500, rng))

    def samples(self, n: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
        """Return samples (n, N): Euler's method down the grid, and a denoising at its end."""
        ends = [s ** (1 / self.rho) for s in (self.sigma_max, self.sigma_min)]
        sigmas = np.linspace(ends[0], ends[1], self.steps) ** self.rho
        weights, phases = (
            self.frequency * rng.standard_normal((N, FEATURES)),
            rng.uniform(0, 2 * np.pi, FEATURES),
        )
        x = self._noisy(np.zeros((n, N)), self.sigma_max, rng)
        for s, t in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
            denoise = self._trained(s, weights, phases, rng)
            x = x + (t - s) * (x - denoise(x + alpha * s * rng.standard_normal(x.shape))) / s
        return x

    def _noisy(self, y: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
        noise = rng.standard_normal(y.shape)
        if self.log2_D >= DIFFUSION:
            return y + sigma * noise
        D = 2.0**self.log2_D
        ratio = rng.beta(N / 2, D / 2, (len(y), 1))
        radius = sigma * np.sqrt(D * ratio / (1 - ratio))
        return y + radius * noise / np.linalg.norm(noise, axis=1, keepdims=True)

    def _trained(
        self, sigma: float, weights: np.ndarray, phases: np.ndarray, rng: np.random.Generator
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Return the denoiser of one noise level."""

        def features(x: np.ndarray) -> np.ndarray:
            x = x / np.sqrt(sigma**2 + 0.5)
            return np.hstack([np.sqrt(2 / FEATURES) * np.cos(x @ weights + phases), x, np.ones((len(x), 1))])

        y = ring().sample(self.pairs, rng)
        A = features(self._noisy(y, sigma, rng))
        coefficients = np.linalg.solve(A.T @ A + self.ridge * np.eye(A.shape[1]), A.T @ y)
        return lambda x: features(x) @ coefficients


def check() -> Evidence:
    """Compare what noise of α = 0.4 costs at both D over 24 trainings each."""

    def lost(log2_D: int) -> tuple[float, float]:
        """Return the mean increase in distance and its standard error."""
        flow, pairs = PoissonFlow(log2_D), []
        for seed in range(24):
            pairs.append([flow.distance(SAMPLES, alpha, np.random.default_rng(seed)) for alpha in (0.4, 0.0)])
        increases = np.array([noisy - clean for noisy, clean in pairs])
        return float(increases.mean()), float(increases.std(ddof=1) / np.sqrt(len(increases)))

    (finite, e1), (infinite, e2) = lost(6), lost(DIFFUSION)
    return Evidence(
        f"distance grows by {finite:.4f} ± {e1:.4f} at D = 64, by {infinite:.4f} ± {e2:.4f} at D → ∞",
        finite + float(np.hypot(e1, e2)) < infinite,
    )
