import numpy as np
import pytest

from trialogue.surrogates.optim.acquisition import (
    front,
    log_expected_improvement,
    log_h,
    log_hypervolume_improvement,
)


def test_log_expected_improvement_agrees_with_sampling_and_is_finite_far_away() -> None:
    draws = np.random.default_rng(0).standard_normal(400_000)
    for z in (-2.0, -0.5, 0.0, 1.5):
        assert np.exp(log_h(np.array([z])))[0] == pytest.approx(np.maximum(draws + z, 0).mean(), rel=0.05)
    far = log_h(np.array([-5.0, -30.0, -1e3, -1e5, -1e10]))
    assert np.isfinite(far).all()
    assert (np.diff(far) < 0).all()
    value = log_expected_improvement(np.zeros((2, 3)), np.ones((2, 3)), np.array([1.0, 2.0]))
    assert value.shape == (3,)


def test_expected_hypervolume_improvement_agrees_with_sampling() -> None:
    F = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [0.2, 0.2]])
    assert front(F).tolist() == [True, True, True, False]
    mean, sd = np.array([[0.6], [0.7]]), np.array([[0.4], [0.3]])
    reference = np.array([-0.1, -0.1])
    draws = mean.T + sd.T * np.random.default_rng(1).standard_normal((40_000, 2))

    def volume(points: np.ndarray) -> float:
        total, height = 0.0, reference[1]
        for x, y in sorted(points.tolist(), reverse=True):
            total += max(x - reference[0], 0.0) * max(y - height, 0.0)
            height = max(height, y)
        return total

    base = volume(F[front(F)])
    gains = [volume(np.vstack([F, np.maximum(d, reference)])) - base for d in draws[:8000]]
    assert np.exp(log_hypervolume_improvement(mean, sd**2, F))[0] == pytest.approx(np.mean(gains), rel=0.05)
