"""Solvers converge with the order that they have, in both forms, on every grid."""

from typing import get_args

import numpy as np
import pytest

from trialogue.evaluators.targets.diffusion.mixtures import ring
from trialogue.evaluators.targets.diffusion.solvers import (
    LAST_TIME,
    Prediction,
    Step,
    grid,
    log_snr,
    solve,
    time_of,
)


def end(steps: int, order: int, prediction: Prediction) -> np.ndarray:
    start = np.random.default_rng(0).standard_normal((64, 2))
    return solve(ring().denoised, start, [Step(t, order, prediction) for t in grid("logsnr", steps)[1:]])


@pytest.mark.parametrize("prediction", get_args(Prediction))
@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_error_falls_with_the_order(order: int, prediction: Prediction) -> None:
    exact = end(640, 3, "data")
    coarse, fine = (np.median(np.abs(end(n, order, prediction) - exact)) for n in (40, 80))
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.5)


def test_both_forms_of_the_first_order_are_ddim() -> None:
    assert end(10, 1, "data") == pytest.approx(end(10, 1, "noise"), abs=1e-9)


@pytest.mark.parametrize("kind", ["time", "logsnr", "power"])
def test_grids_fall_from_one_to_the_end(kind: str) -> None:
    times = grid(kind, 7)
    assert times[0] == pytest.approx(1.0)
    assert times[-1] == pytest.approx(LAST_TIME)
    assert np.all(np.diff(times) < 0)


def test_time_and_signal_are_inverse() -> None:
    for t in (1e-3, 0.1, 0.5, 1.0):
        assert time_of(log_snr(t)) == pytest.approx(t, rel=1e-9)
