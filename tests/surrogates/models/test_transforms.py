import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from trialogue.surrogates.acquisition.improvement import log_expected_improvement, log_h
from trialogue.surrogates.acquisition.pareto import front, log_hypervolume_improvement
from trialogue.surrogates.models.transforms import KINDS, fit_transform


@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=25))
@example([0, 0, 0, 1, 4e-23])
@example([0, 0, 0, 1e6, 1e-45])
@example([0, 0, 1e-38, 1e6, 1e-45, -1e6])
def test_every_transform_keeps_the_order_and_inverts(kind: str, values: list[float]) -> None:
    y = np.array(values)
    transform = fit_transform(y, kind)
    z = transform.forward(y)
    assert np.isfinite(z).all()
    order = np.argsort(y, kind="stable")
    assert (np.diff(z[order]) >= -1e-9).all()
    back = transform.inverse(z)
    np.testing.assert_allclose(back, y, atol=1e-4 * max(np.ptp(y), 1e-3 * np.abs(y).max(), 1e-30))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", [5e-324, 1e-320, 1e-300, 1e-289, 1e300, 1e308])
def test_the_smallest_and_largest_floats_raise_no_warning(kind: str, unit: float) -> None:
    y = unit * np.array([0.0, 1.0, 1.5, -1.0, 0.25, 1.75, -1.5])
    transform = fit_transform(y, kind)
    z = transform.forward(y)
    assert np.isfinite(z).all()
    assert np.isfinite(transform.log_slope(y)).all()
    assert np.isfinite(transform.inverse(np.array([-1e9, -3.0, 0.0, 3.0, 1e9]))).all()
    np.testing.assert_allclose(transform.inverse(z), y, rtol=1e-3, atol=1e-3 * max(unit, 1e-288))


@pytest.mark.parametrize("kind", KINDS)
def test_transforms_do_not_see_the_unit_of_y(kind: str) -> None:
    y = np.random.default_rng(0).lognormal(size=20)
    np.testing.assert_allclose(
        fit_transform(1e3 * y - 5, kind).forward(1e3 * y - 5), fit_transform(y, kind).forward(y), atol=1e-5
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
