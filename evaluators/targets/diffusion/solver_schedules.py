"""Six steps of a solver, each with its own order, form and width: the schedule is what is searched.

Source: Liu et al. 2023, A Unified Sampling Framework for Solver Searching of Diffusion Probabilistic Models (arXiv
2312.07243), whose S³ searches such schedules. Of its seven decisions per step, timestep, order and prediction type are
here; starting point, derivative estimation and corrector are those of the multistep formulas.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int, Parameter
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .mixtures import ring
from .solvers import LAST_TIME, Step, grid, log_snr, solve, time_of

CALLS = 6
SAMPLES = 512


def target() -> GalleryTarget:
    """Return the target ``solver-schedules``."""
    parameters: list[Parameter] = []
    for i in range(1, CALLS + 1):
        parameters.append(
            Float(f"width_{i}", 0.2, 5.0, log=True, default=1.0, description=f"share of step {i} in log SNR")
        )
        if i > 1:
            parameters.append(Int(f"order_{i}", 1, min(i, 3), default=min(i, 2), description=f"of step {i}"))
        parameters.append(
            Categorical(f"form_{i}", ["data", "noise"], default="data", description=f"of step {i}")
        )
    problem = Problem(
        "solver-schedules",
        SearchSpace(parameters),
        [
            Objective(
                "error", "minimize", description="mean distance to the exact solution from the same noise"
            )
        ],
        description="Choose the schedule of a diffusion ODE solver with six calls: width, order and form of each step.",
        context={"calls": CALLS, "distribution": "8 Gaussians on a circle", "samples": SAMPLES},
    )
    claim = SourceClaim(
        "A searched schedule beats the best constant one at six calls, on noise not searched on.", check
    )
    source = "Liu et al. 2023, USF and S³, arXiv 2312.07243"
    return GalleryTarget(problem, evaluate, "diffusion", source, claim=claim, seconds=0.2)


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the mean distance to the solution of 300 steps."""
    n = max(32, round(SAMPLES * run.fidelity))
    start = np.random.default_rng(run.seed).standard_normal((n, 2))
    return Measurement(_error(_steps(params), start, _exact(start)))


def _steps(params: Mapping[str, Any]) -> list[Step]:
    numbers = range(1, CALLS + 1)
    widths = np.array([params[f"width_{i}"] for i in numbers])
    first, last = log_snr(1.0), log_snr(LAST_TIME)
    ends = first + (last - first) * np.cumsum(widths) / widths.sum()
    return [
        Step(time_of(lam), params.get(f"order_{i}", 1), params[f"form_{i}"])
        for i, lam in zip(numbers, ends, strict=True)
    ]


def _exact(start: np.ndarray) -> np.ndarray:
    return solve(ring().denoised, start, [Step(t, 3) for t in grid("logsnr", 300)[1:]])


def _error(steps: list[Step], start: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(solve(ring().denoised, start, steps) - exact, axis=1).mean())


def check() -> Evidence:
    """Search 1,500 schedules by mutation on one sample of noise; judge on another against 24 constant ones."""
    space, rng = target().problem.space, np.random.default_rng(0)
    samples = [np.random.default_rng(seed).standard_normal((256, 2)) for seed in (1, 2)]
    (start, exact), (new_start, new_exact) = [(x, _exact(x)) for x in samples]
    best = space.encode([space.default()])[0][0]
    least = _error(_steps(space.decode(best[None])[0]), start, exact)
    for _ in range(1500):
        mutants = best + 0.15 * rng.standard_normal(len(space)) * (rng.random(len(space)) < 0.2)
        fresh = np.where(rng.random(len(space)) < 0.05, rng.random(len(space)), mutants)
        child = np.clip(fresh, 0, 1)
        error = _error(_steps(space.decode(child[None])[0]), start, exact)
        if error < least:
            best, least = child, error
    constant = min(
        _error([Step(t, order, form) for t in grid(kind, CALLS, power=power)[1:]], new_start, new_exact)
        for order in (1, 2, 3)
        for form in ("data", "noise")
        for kind, power in (("logsnr", 1), ("time", 1), ("power", 2), ("power", 3))
    )
    searched = _error(_steps(space.decode(best[None])[0]), new_start, new_exact)
    return Evidence(f"error {searched:.4f} searched, {constant:.4f} best constant", searched < constant)
