"""Percentiles say how sure they are."""

import math

import numpy as np
import pytest
from scipy import stats

from trialogue.evaluators.statistics.percentiles import percentile
from trialogue.serving.errors import InvalidInput


@pytest.mark.parametrize(("share", "n"), [(0.5, 20), (0.9, 60), (0.99, 400)])
def test_bounds_hold_as_often_as_they_say(share: float, n: int) -> None:
    rng = np.random.default_rng(4)
    truth = stats.lognorm(1).ppf(share)
    drawn = [percentile(rng.lognormal(0, 1, n), share) for _ in range(400)]
    for held in (np.mean([p.low <= truth for p in drawn]), np.mean([p.high >= truth for p in drawn])):
        assert held >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)


def test_a_p99_of_few_values_warns_and_has_no_upper_bound() -> None:
    p = percentile(np.arange(71.0), 0.99)
    assert p.warning == "p99 of 71 values is about the largest of them: it needs 100 or more"
    assert p.high == math.inf
    assert "to ∞, n = 71" in str(p)


@pytest.mark.parametrize("n", [99, 100])
def test_the_warning_ends_at_a_hundred(n: int) -> None:
    assert bool(percentile(np.arange(float(n)), 0.99).warning) == (n < 100)


def test_an_upper_bound_of_p99_needs_299_values() -> None:
    assert percentile(np.arange(298.0), 0.99).high == math.inf
    assert percentile(np.arange(299.0), 0.99).high == 298.0


def test_low_percentiles_mirror_high_ones() -> None:
    values = np.random.default_rng(0).standard_normal(300)
    low, high = percentile(values, 0.1), percentile(-values, 0.9)
    assert (low.low, low.high) == (-high.high, -high.low)
    assert "smallest" in percentile(values[:5], 0.1).warning


def test_what_is_no_percentile_is_refused() -> None:
    with pytest.raises(InvalidInput, match="`share`"):
        percentile([1.0], 1.0)
    with pytest.raises(InvalidInput, match="0 values"):
        percentile([], 0.5)
