"""DEIS: order 0 is DDIM, and higher orders are exact for noise that is such a polynomial."""

import numpy as np
import pytest

from trialogue.evaluators.targets.diffusion.deis import _weights, integrate
from trialogue.evaluators.targets.diffusion.mixtures import ring
from trialogue.evaluators.targets.diffusion.solvers import Step, grid, level, solve


def test_order_0_is_ddim() -> None:
    start, times = np.random.default_rng(0).standard_normal((32, 2)), grid("time", 8)
    ddim = solve(ring().denoised, start, [Step(t, 1) for t in times[1:]])
    assert integrate(ring(), start, times, 0, "t") == pytest.approx(ddim, abs=1e-4)


@pytest.mark.parametrize("variable", ["t", "rho"])
def test_the_weights_integrate_a_constant(variable: str) -> None:
    (a, s), (b, r) = level(0.5), level(0.3)
    weights = _weights([0.5, 0.7, 0.9], 0.3, variable)
    assert sum(weights) == pytest.approx(r / b - s / a, rel=1e-4)
