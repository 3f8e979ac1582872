"""Estimates of servers: the steady state of a batching scheduler against sums by hand, and rooflines that rank as they must."""

import pytest

from trialogue.evaluators.engines.estimates import Batching, Layout, SteadyLoad, steady
from trialogue.evaluators.engines.roofline import ACCELERATORS, ModelSize, RooflineSteps
from trialogue.evaluators.errors import NotEstimated

CONFIG = {
    "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
    "intermediate_size": 14336, "vocab_size": 128256,
}  # fmt: skip


class ConstantSteps:
    """Every step takes 10 ms, and a prompt's 1 ms per hundred tokens more."""

    def __init__(self, kv_tokens: float = float("inf")) -> None:
        self.kv_tokens = kv_tokens

    def step_ms(self, prompt_tokens: int, answered: int, load: SteadyLoad) -> float:
        return 10.0 + prompt_tokens / 100


def test_one_request_alone_takes_its_prompt_and_a_step_per_token() -> None:
    found = steady(ConstantSteps(), SteadyLoad(1000, 101, 1), Batching())
    assert found.batch == 1
    assert found.tpot_ms == pytest.approx(10.0 + 10.0 / 101, rel=1e-3)
    assert found.output_tok_s == pytest.approx(1000 * 101 / (found.ttft_ms + 100 * found.tpot_ms))


def test_requests_that_come_at_once_wait_for_each_other() -> None:
    steps, alone = ConstantSteps(), 20.0
    all_at_once = steady(steps, SteadyLoad(1000, 1000, 32, requests=32), Batching())
    assert all_at_once.ttft_ms == pytest.approx(alone * 33 / 2)
    spread = steady(steps, SteadyLoad(1000, 1000, 32), Batching())
    assert alone <= spread.ttft_ms < 1.1 * alone


def test_what_exceeds_the_batch_waits() -> None:
    load = SteadyLoad(100, 100, 64)
    wide, narrow = steady(ConstantSteps(), load, Batching(64)), steady(ConstantSteps(), load, Batching(16))
    assert narrow.batch == 16
    assert narrow.ttft_ms > 3 * 100 * 10.0 > wide.ttft_ms
    assert narrow.output_tok_s < 0.3 * wide.output_tok_s


def test_the_cache_limits_the_batch() -> None:
    assert steady(ConstantSteps(kv_tokens=1500.0), SteadyLoad(100, 100, 64), Batching()).batch == 10


def test_a_roofline_is_faster_on_more_devices_and_in_fewer_bits() -> None:
    size, device, load = ModelSize.of(CONFIG), ACCELERATORS["h100_sxm"], SteadyLoad(1024, 256, 8)
    assert size.weights == pytest.approx(8.0e9, rel=0.03)
    one, four = (RooflineSteps(size, device, Layout(t)).step_ms(0, 8, load) for t in (1, 4))
    assert one / 4 < four < one / 1.5
    assert RooflineSteps(size, device, Layout(1, weights="fp8")).step_ms(0, 8, load) < 0.7 * one
    assert 5.0 < one < 12.0


def test_a_step_reads_more_experts_the_more_tokens_it_has() -> None:
    size = ModelSize.of(
        {**CONFIG, "num_local_experts": 64, "num_experts_per_tok": 2, "moe_intermediate_size": 1024}
    )
    steps, load = RooflineSteps(size, ACCELERATORS["h200_sxm"], Layout()), SteadyLoad(1024, 256, 64)
    assert steps.step_ms(0, 64, load) > 2 * steps.step_ms(0, 1, load)


def test_weights_that_do_not_fit_are_said_not_to() -> None:
    size = ModelSize.of({**CONFIG, "num_hidden_layers": 320})
    with pytest.raises(NotEstimated, match="do not fit"):
        RooflineSteps(size, ACCELERATORS["h100_sxm"], Layout(1))
    assert RooflineSteps(size, ACCELERATORS["h100_sxm"], Layout(4)).kv_tokens > 0


def test_a_config_that_tells_too_little_is_refused() -> None:
    with pytest.raises(NotEstimated, match="num_attention_heads"):
        ModelSize.of({"num_hidden_layers": 2, "hidden_size": 8})
