import numpy as np
import pytest
from hypothesis import example, given, strategies as st

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
