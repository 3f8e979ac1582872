"""The exact denoiser against the sampled posterior and a finite difference of the log density."""

import numpy as np
import pytest
from scipy.special import logsumexp

from trialogue.evaluators.targets.diffusion.mixtures import energy_distance, noisy_digits, ring


def test_the_score_is_the_slope_of_the_log_density() -> None:
    mixture, alpha, sigma = ring(), 0.7, 0.4
    variance = (alpha * mixture.std) ** 2 + sigma**2

    def log_density(x: np.ndarray) -> np.ndarray:
        squared = ((x[:, None] - alpha * mixture.means) ** 2).sum(2)
        return logsumexp(-0.5 * squared / variance, axis=1)

    x = np.random.default_rng(0).standard_normal((20, 2))
    steps = 1e-5 * np.eye(2)
    slope = np.stack([(log_density(x + e) - log_density(x - e)) / 2e-5 for e in steps], 1)
    assert mixture.score(x, alpha, sigma) == pytest.approx(slope, abs=1e-6)


def test_the_denoiser_is_the_mean_of_what_was_there() -> None:
    mixture, rng = ring(components=3), np.random.default_rng(1)
    clean = mixture.sample(400_000, rng)
    noisy = clean + 0.6 * rng.standard_normal(clean.shape)
    near = np.linalg.norm(noisy - [0.4, 0.2], axis=1) < 0.05
    assert near.sum() > 300
    expected = mixture.denoised(np.array([[0.4, 0.2]]), 1.0, 0.6)[0]
    assert clean[near].mean(0) == pytest.approx(expected, abs=4 * clean[near].std() / np.sqrt(near.sum()))


def test_classes_are_parts_of_the_mixture() -> None:
    digits = noisy_digits()
    assert len(digits.means) == 1797
    assert sum(len(digits.of_class(c).means) for c in range(10)) == 1797


def test_equal_samples_have_no_distance_and_shifted_ones_have() -> None:
    x = ring().sample(300, np.random.default_rng(2))
    assert energy_distance(x, x) == 0
    assert energy_distance(x, x + 1) > 0.5
