"""Feynman-Kac weights against the exact sharpened distribution."""

import numpy as np
import pytest

from trialogue.evaluators.targets.diffusion import feynman_kac
from trialogue.evaluators.targets.diffusion.feynman_kac import Annealed, distance, score


def test_the_score_is_the_slope_of_the_log_density() -> None:
    x, sigma, e = np.linspace(-4, 5, 10), 0.5, 1e-5
    variances = feynman_kac.STDS**2 + sigma**2

    def log_density(x: np.ndarray) -> np.ndarray:
        terms = np.exp(-0.5 * (x[:, None] - feynman_kac.MEANS) ** 2 / variances)
        return np.log((feynman_kac.SHARES / np.sqrt(variances) * terms).sum(1))

    assert score(x, sigma) == pytest.approx((log_density(x + e) - log_density(x - e)) / (2 * e), abs=1e-6)


def test_the_distance_of_one_point_is_the_mean_distance_to_it() -> None:
    far = distance(np.array([9.0]), np.array([1.0])) - distance(np.array([8.0]), np.array([1.0]))
    assert far == pytest.approx(1.0, abs=0.01)


def test_weights_sum_to_one_whatever_is_resampled() -> None:
    for resampling in ("none", "systematic", "multinomial"):
        x, weights = Annealed(resampling=resampling, ess=0.5).run(200, 30, 1e-2, np.random.default_rng(0))
        assert x.shape == weights.shape
        assert weights.sum() == pytest.approx(1.0)
