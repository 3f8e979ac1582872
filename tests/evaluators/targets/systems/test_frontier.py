"""The layout's model: what a die holds, and in which direction each knob pushes."""

from typing import Any

import pytest

from trialogue.evaluators.targets.systems.frontier import LARGE, MIDDLE, SMALL, memory_gb, target, utilization


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


def test_the_three_models_have_the_sizes_they_are_named_by() -> None:
    assert [m.parameters / 1e9 for m in (SMALL, MIDDLE, LARGE)] == pytest.approx([22, 175, 1007], rel=0.02)


def test_a_die_holds_eighteen_bytes_per_weight_without_sharding() -> None:
    sharded, whole = (memory_gb(MIDDLE, params(shard_optimizer=s, pipeline=16)) for s in (True, False))
    weights = MIDDLE.parameters / (8 * 16) / 1e9
    assert whole - sharded == pytest.approx(12 * weights * (1 - 1 / 8))


def test_a_whole_model_on_one_die_does_not_fit() -> None:
    assert memory_gb(MIDDLE, params(tensor=1, pipeline=1)) > 1000


def test_the_bubble_shrinks_with_parts_per_stage_and_reduces_cost_across_nodes() -> None:
    long = params(pipeline=64, tensor=2, micro_batch=16)
    assert utilization(MIDDLE, long | {"interleave": 3}) > utilization(MIDDLE, long)
    assert utilization(MIDDLE, params(tensor=16)) < 0.8 * utilization(MIDDLE, params(tensor=8))


def test_flash_attention_stores_no_scores() -> None:
    assert memory_gb(MIDDLE, params(flash=True, recompute=False)) < memory_gb(MIDDLE, params(recompute=False))
