"""Workloads as text and as rows; limits and metrics; the highest rate; agreement of answers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.problem import Constraint
from trialogue.evaluators.vllm_agreement import share_equal
from trialogue.evaluators.vllm_metrics import (
    derived,
    devices_of,
    goodput_limits,
    objective_named,
    parse_limit,
    resolve_limits,
)
from trialogue.evaluators.vllm_rate import highest_rate
from trialogue.evaluators.vllm_workload import Lengths, Workload
from trialogue.serving.vllm_load import LoadResult


def test_a_preset_can_be_changed_in_place() -> None:
    workload = Workload.parse("chat:input=100-200,prompts=50,concurrency=8")
    rows = workload.rows()
    assert (len(rows), workload.concurrency) == (50, 8)
    assert all(100 <= r["input_len"] <= 200 and r["output_len"] == 64 for r in rows)


def test_a_mixture_has_its_shares_and_its_prefixes() -> None:
    workload = Workload.parse(
        "0.75*random:input=10,output=5+0.25*prefix:shared=100@prompts=400,rate=20,burstiness=0.5"
    )
    rows = workload.rows()
    shared = [r for r in rows if r.get("prefix_len")]
    assert len(rows) == 400
    assert 60 < len(shared) < 140
    assert (workload.rate, workload.burstiness) == (20.0, 0.5)
    assert workload.longest == 180


def test_recorded_conversations_and_arrival_times_are_read(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    turns = [{"from": "human", "value": "What is love?"}, {"from": "gpt", "value": "x" * 40}]
    file.write_text(
        json.dumps({"conversations": turns})
        + "\n"
        + json.dumps({"input_len": 9, "output_len": 3, "at_s": 0.5})
    )
    rows = Workload.parse(f"{file}@recorded=true").rows()
    assert rows[0]["prompt"] == "What is love?"
    assert rows[0]["output_len"] == 10
    assert rows[1]["at_s"] == 0.5


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0.0, 1.5))
def test_lengths_stay_in_their_range(low: int, high: int, sigma: float) -> None:
    import numpy as np

    lengths = Lengths(min(low, high), max(low, high), sigma).draw(np.random.default_rng(0), 50)
    assert lengths.min() >= 1
    assert lengths.max() <= max(low, high)


@pytest.mark.parametrize("text", ["walk", "chat:inputs=3", "chat:input", "random:input=a", "no-such.jsonl"])
def test_a_workload_that_cannot_be_read_is_refused_with_a_cure(text: str) -> None:
    with pytest.raises(InvalidSpecification, match=r"must|Unknown"):
        Workload.parse(text)


def test_equal_workloads_have_equal_digests_and_the_seed_matters() -> None:
    assert Workload.parse("chat").digest == Workload.parse("chat").digest
    text = "chat:input=1-99"
    assert Workload.parse(text).digest != Workload.parse(f"{text},seed=1").digest


def test_limits_are_numbers_or_shares_of_the_default() -> None:
    limits = [parse_limit("ttft_p99_ms<=200"), parse_limit("tpot_p99_ms <= 0.75x")]
    made = resolve_limits(limits, {"tpot_p99_ms": 20.0}, margin=0.1)
    assert [(c.name, c.upper) for c in made] == [("ttft_p99_ms", 180.0), ("tpot_p99_ms", 13.5)]
    assert goodput_limits([Constraint("e2e_p99_ms", upper=900.0)]) == {"e2el": 900.0}
    with pytest.raises(InvalidSpecification, match="--slo"):
        parse_limit("happiness<=3")


def test_objectives_know_their_direction_and_derived_ones_are_ratios() -> None:
    assert objective_named("ttft_p99_ms").direction == "minimize"
    found = derived({"output_tok_s": 100.0, "devices": 4.0}, price_per_hour=2.0)
    assert found["output_tok_s_per_gpu"] == 25.0
    assert found["output_tok_per_money"] == pytest.approx(45_000)
    assert devices_of({"tensor_parallel_size": 2, "data_parallel_size": 4, "block_size": 16}) == 8


def server_that_holds(limit: float):
    def measure(rate: float) -> LoadResult:
        late = 1.0 if rate <= limit else 10.0
        return LoadResult({"requests_s": min(rate, 1.2 * limit), "ttft_p99_ms": 100.0 * late})

    return measure


@pytest.mark.parametrize("first", [1.0, 8.0, 100.0])
def test_the_highest_rate_is_bracketed_then_bisected(first: float) -> None:
    found = highest_rate(server_that_holds(10.0), [Constraint("ttft_p99_ms", upper=200.0)], first, runs=14)
    assert 9.5 <= found.best <= 10.0


def test_a_saturated_run_is_too_fast_even_without_limits() -> None:
    found = highest_rate(server_that_holds(10.0), [], 50.0, runs=12)
    assert found.best <= 13.4


def test_agreement_is_the_share_that_begins_equally() -> None:
    assert share_equal(["abcd", "xy"], ["abzz", "xy"]) == pytest.approx(0.75)
    assert share_equal(["", "ab"], ["", "ab"]) == 1.0  # an answer of special tokens only is empty text
