"""Guided sampling of digits with DPM-Solver++: order, form, grid, thresholding and guidance, against the calls they cost.

The conditional model is half blind: it averages the denoiser of its class with that of all classes, as a network does
that has not learnt its condition; a guidance of 2 undoes exactly that. Quality is the energy distance to fresh images.
Source: Lu et al. 2022, DPM-Solver++ (arXiv 2211.01095); guidance: Ho & Salimans 2022; dynamic thresholding: Saharia
et al. 2022, as in DPM-Solver++ section 4.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .mixtures import energy_distance, noisy_digits
from .solvers import Denoiser, Prediction, Step, grid, solve

CLASS = 3
IMAGES = 192
CONDITION = 0.5
"""Share of the class's own denoiser in the conditional model."""


def target() -> GalleryTarget:
    """Return the target ``dpm-solver``."""
    space = SearchSpace(
        [
            Int("steps", 5, 25, default=15, unit="calls", description="steps of the solver, one call each"),
            Int("order", 1, 3, default=2, description="order of the multistep formula; 1 is DDIM"),
            Categorical("prediction", ["data", "noise"], default="data", description="what is extrapolated"),
            Categorical(
                "grid", ["time", "logsnr", "power"], default="time", description="in what steps are even"
            ),
            Float("power", 1.0, 4.0, default=2.0, when={"grid": "power"}, description="even in t^(1/power)"),
            Float(
                "last_time", 1e-4, 3e-2, log=True, default=1e-3, description="where sampling ends; 0 is data"
            ),
            Float("guidance", 1.0, 8.0, default=4.0, description="scale of classifier-free guidance"),
            Categorical("threshold", [False, True], default=False, description="dynamic thresholding"),
            Float("quantile", 0.8, 1.0, default=0.995, when={"threshold": True}, description="of |x_0|"),
        ]
    )
    problem = Problem(
        "dpm-solver",
        space,
        [
            Objective("distance", "minimize", description="energy distance to fresh images of the class"),
            Objective("calls", "minimize", "calls", "calls of the denoiser"),
        ],
        description="Sample 8 × 8 digits of one class from a diffusion model with guidance: good images, few calls.",
        context={"images": IMAGES, "dimensions": 64, "model": "exact denoiser, half blind to its condition"},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "diffusion",
        "Lu et al. 2022, DPM-Solver++, arXiv 2211.01095",
        region={"order": (2, 2), "prediction": ("data",), "steps": (15, 20)},
        claim=SourceClaim(
            "With guidance 7.5 and 15 steps, order 2 in data prediction ends nearer to the exact solution than order 2 in "
            "noise prediction.",
            check,
        ),
        seconds=0.4,
        low_fidelity=0.2,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the energy distance to the class's images, and the calls."""
    n = max(32, round(IMAGES * run.fidelity))
    rng = np.random.default_rng(run.seed)
    start = rng.standard_normal((n, 64))
    denoise = _guided(params["guidance"], CONDITION)
    if params["threshold"]:
        denoise = _thresholded(denoise, params["quantile"])
    images = solve(denoise, start, _steps(params))
    fresh = noisy_digits().of_class(CLASS).sample(2 * IMAGES, rng)
    return Measurement((energy_distance(images, fresh), params["steps"]), cost=params["steps"])


def _steps(params: Mapping[str, Any]) -> list[Step]:
    """Return the steps, of lower order towards the end, where few are left."""
    n = params["steps"]
    times = grid(params["grid"], n, last=params["last_time"], power=params.get("power", 1.0))[1:]
    return [Step(t, min(params["order"], n - i), params["prediction"]) for i, t in enumerate(times)]


def _guided(scale: float, condition: float = 1.0) -> Denoiser:
    """Return the guided denoiser of the class; ``condition``: how well the conditional model knows its class."""
    everything = noisy_digits()
    own = everything.of_class(CLASS)

    def denoise(x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        free = everything.denoised(x, alpha, sigma)
        return free + scale * condition * (own.denoised(x, alpha, sigma) - free)

    return denoise


def _thresholded(denoise: Denoiser, quantile: float) -> Denoiser:
    """Return the denoiser with each image clipped to a quantile of its pixels and scaled back into [-1, 1]."""

    def clipped(x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        data = denoise(x, alpha, sigma)
        limit = np.maximum(np.quantile(np.abs(data), quantile, axis=1, keepdims=True), 1.0)
        return np.clip(data, -limit, limit) / limit

    return clipped


def check() -> Evidence:
    """Compare both forms of order 2 with a solution of 400 steps, on 64 images and guidance 7.5."""
    start = np.random.default_rng(0).standard_normal((64, 64))
    denoise = _guided(7.5)
    exact = solve(denoise, start, [Step(t, 2) for t in grid("logsnr", 400)[1:]])

    def error(prediction: Prediction, order: int) -> float:
        settings = {"steps": 15, "grid": "time", "last_time": 1e-3, "order": order, "prediction": prediction}
        return float(np.sqrt(np.mean((solve(denoise, start, _steps(settings)) - exact) ** 2)))

    data, noise, ddim = error("data", 2), error("noise", 2), error("data", 1)
    return Evidence(f"error {data:.3f} in data, {noise:.3f} in noise, {ddim:.3f} DDIM", data < noise)
