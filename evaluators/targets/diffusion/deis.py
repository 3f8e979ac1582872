"""DEIS: exponential integration with a polynomial through earlier noise estimates, in time or in ρ, at ten calls.

Notation: ρ = σ/α · x_t/α_t = x_s/α_s + ∫ ε dρ, exactly; ε is extrapolated by a polynomial of degree ``order`` through
the last estimates, in t (tAB) or in ρ (ρAB), and integrated by quadrature. Order 0 is DDIM.
Source: Zhang & Chen 2022, Fast Sampling of Diffusion Models with Exponential Integrator (arXiv 2204.13902).
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .mixtures import Mixture, noisy_digits, ring
from .solvers import Step, grid, level, solve, time_of

CALLS = 10
SAMPLES = 512
NODES = 200
"""Of the quadrature, per step; errors near 1e-6, far below those of the extrapolation."""


def target() -> GalleryTarget:
    """Return the target ``deis``."""
    space = SearchSpace(
        [
            Int("order", 0, 3, default=3, description="degree of the polynomial; 0 is DDIM"),
            Categorical("variable", ["t", "rho"], default="t", description="in which noise is extrapolated"),
            Categorical("grid", ["power", "logsnr"], default="power", description="in what steps are even"),
            Float("power", 1.0, 7.0, default=2.0, when={"grid": "power"}, description="even in t^(1/power)"),
            Float(
                "last_time",
                1e-4,
                1e-2,
                log=True,
                default=1e-3,
                description="end of sampling; the rest is one denoising",
            ),
        ]
    )
    problem = Problem(
        "deis",
        space,
        [
            Objective(
                "error", "minimize", description="mean distance to the exact solution from the same noise"
            )
        ],
        description="Choose the exponential integrator and its time grid for sampling a diffusion model in ten calls.",
        context={"calls": CALLS, "distribution": "8 Gaussians on a circle", "samples": SAMPLES},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "diffusion",
        "Zhang & Chen 2022, DEIS, arXiv 2204.13902",
        region={"order": (2, 3), "variable": ("t",), "power": (2.0, 2.0)},
        claim=SourceClaim(
            "At 10 calls tAB of order 3 is nearer to the exact solution than DDIM (order 0).", check
        ),
        seconds=0.3,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the mean distance to the exact solution at time zero, of which the last call denoises the rest."""
    n = max(32, round(SAMPLES * run.fidelity))
    start = np.random.default_rng(run.seed).standard_normal((n, 2))
    times = grid(params["grid"], CALLS - 1, last=params["last_time"], power=params.get("power", 1.0))
    ends = integrate(ring(), start, times, params["order"], params["variable"])
    alpha, sigma = level(times[-1])
    return Measurement(_error(ring().denoised(ends, alpha, sigma), _exact(ring(), start)))


def integrate(
    mixture: Mixture, x: np.ndarray, times: Sequence[float], order: int, variable: str
) -> np.ndarray:
    """Return x at the last of ``times``; one call of the denoiser per step."""
    noises: list[np.ndarray] = []
    for i, (s, t) in enumerate(itertools.pairwise(times)):
        alpha, sigma = level(s)
        noises = [(x - alpha * mixture.denoised(x, alpha, sigma)) / sigma, *noises][: order + 1]
        weights = _weights([times[i - j] for j in range(len(noises))], t, variable)
        change = sum(w * noise for w, noise in zip(weights, noises, strict=True))
        x = level(t)[0] * (x / alpha + change)
    return x


def _weights(known: Sequence[float], t: float, variable: str) -> list[float]:
    """Return ∫ of each Lagrange polynomial over ρ from the first of the ``known`` times to ``t``."""
    first, last = _log_rho(known[0]), _log_rho(t)
    logs, steps = np.linspace(first, last, NODES + 1), (last - first) / NODES
    middles = (logs[:-1] + logs[1:]) / 2
    if variable == "rho":
        where, nodes = np.exp(middles), [np.exp(_log_rho(s)) for s in known]
    else:
        where, nodes = np.array([time_of(-log) for log in middles]), list(known)
    weights = []
    for j, node in enumerate(nodes):
        others = [other for k, other in enumerate(nodes) if k != j]
        polynomial = np.prod([(where - o) / (node - o) for o in others], axis=0) if others else 1.0
        weights.append(float(np.sum(polynomial * np.exp(middles) * steps)))
    return weights


def _log_rho(t: float) -> float:
    alpha, sigma = level(t)
    return float(np.log(sigma) - np.log(alpha))


def _exact(mixture: Mixture, start: np.ndarray, steps: int = 300) -> np.ndarray:
    times = grid("logsnr", steps, last=1e-4)
    ends = solve(mixture.denoised, start, [Step(t, 3) for t in times[1:]])
    return mixture.denoised(ends, *level(times[-1]))


def _error(x: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(x - exact, axis=1).mean())


def check() -> Evidence:
    """Compare orders 0 and 3 on the plane and on digits, on the paper's grid, even in √t."""
    holds, words = True, []
    for name, mixture, n in (("circle", ring(), 512), ("digits", noisy_digits(), 64)):
        start = np.random.default_rng(0).standard_normal((n, mixture.means.shape[1]))
        exact = _exact(mixture, start, 200)
        times = grid("power", CALLS - 1, last=1e-3)
        ends = [integrate(mixture, start, times, order, "t") for order in (0, 3)]
        ddim, third = (_error(mixture.denoised(x, *level(times[-1])), exact) for x in ends)
        words.append(f"{name} {ddim:.3f} DDIM, {third:.3f} order 3")
        holds = holds and third < ddim
    return Evidence("error: " + "; ".join(words), holds)
