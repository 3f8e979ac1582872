"""How sure percentiles of one load are: bounds by its requests, and warnings where they are few."""

import math

import numpy as np
import pytest

from trialogue.evaluators.servers.bounds import bound_words, requests_for, unsure, with_bounds
from trialogue.serving.servers.load import LoadResult


def load(n: int, seed: int = 0) -> LoadResult:
    times = np.random.default_rng(seed).lognormal(5, 0.5, n)
    return with_bounds(
        LoadResult(
            {"ttft_p99_ms": float(np.percentile(times, 99))}, requests={"ttft": times.tolist(), "tpot": []}
        )
    )


def test_few_requests_bound_a_percentile_from_below_only() -> None:
    metrics = load(128).metrics
    assert metrics["requests"] == 128
    assert metrics["ttft_p99_low_ms"] < metrics["ttft_p99_ms"]
    assert "ttft_p99_high_ms" not in metrics
    (told,) = bound_words(metrics, ["ttft_p99_ms", "output_tok_s", "tpot_p99_ms"])
    assert "to ∞ of 128 requests; 299 requests have an upper bound" in told


def test_the_upper_bound_holds_in_at_least_95_of_100_loads() -> None:
    truth = math.exp(5 + 0.5 * 2.3263)
    highs = [load(299, seed).metrics["ttft_p99_high_ms"] for seed in range(400)]
    assert sum(high >= truth for high in highs) / len(highs) > 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(("n", "warned"), [(71, True), (99, True), (100, False), (500, False)])
def test_a_p99_of_fewer_than_a_hundred_requests_is_the_slowest_one(n: int, warned: bool) -> None:
    metrics = load(n).metrics
    assert bool(unsure(metrics, ["ttft_p99_ms", "requests_s"])) == warned
    assert ("about the slowest" in bound_words(metrics, ["ttft_p99_ms"])[0]) == warned


def test_of_how_many_requests_a_percentile_is_bounded() -> None:
    assert (requests_for(0.99), requests_for(0.95), requests_for(0.5)) == (299, 59, 5)
    assert "ttft_p99_high_ms" in load(299).metrics
    assert "ttft_p99_high_ms" not in load(298).metrics


def test_a_load_without_times_of_requests_stays_as_it_is() -> None:
    result = LoadResult({"ttft_p99_ms": 3.0})
    assert with_bounds(result) is result
    assert bound_words(result.metrics, ["ttft_p99_ms"]) == []
