"""Factors between two sides hold as often as they say."""

import numpy as np
import pytest
from scipy import stats

from trialogue.evaluators.statistics.two_samples import factor_of_percentiles, factor_of_runs


def test_the_factor_of_runs_is_welchs_interval() -> None:
    before, after = [100.0, 104.0, 98.0], [120.0, 118.0, 125.0, 122.0]
    found = factor_of_runs(before, after, 0.95)
    expected = stats.ttest_ind(np.log(after), np.log(before), equal_var=False).confidence_interval(0.90)
    assert (np.log(found.low), np.log(found.high)) == pytest.approx((expected.low, expected.high))
    assert found.low < 1.2 < found.high


def test_runs_without_noise_have_a_factor_without_width() -> None:
    found = factor_of_runs([2.0, 2.0], [3.0, 3.0])
    assert found.low == found.value == found.high == pytest.approx(1.5)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_factor_of_percentiles_covers_the_true_one(share: float) -> None:
    rng = np.random.default_rng(0)
    found = [
        factor_of_percentiles(rng.lognormal(0, 1, 200), 1.1 * rng.lognormal(0, 1, 150), share)
        for _ in range(200)
    ]
    # 95 % each in the long run; below 90 % of 200 has a probability of 0.2 %
    assert np.mean([f.low <= 1.1 for f in found]) >= 0.9
    assert np.mean([f.high >= 1.1 for f in found]) >= 0.9
    assert np.mean([f.high / f.low for f in found]) < 4


def test_few_requests_leave_a_p99_open() -> None:
    found = factor_of_percentiles(np.arange(1.0, 72.0), np.arange(1.0, 72.0), 0.99)
    assert (found.low, found.high) == (0.0, np.inf)
