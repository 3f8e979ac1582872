"""The knob space: defaults from the installed version, what cannot fit left out, relations kept."""

import json

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.vllm_space import Machine, ModelFacts, kv_complaint, vllm_space
from trialogue.serving.vllm_catalogue import KNOBS

INSTALLED = [k.name for k in KNOBS]
RESOLVED = {
    "scheduler_config": {"max_num_seqs": 128, "max_num_batched_tokens": 2048, "enable_chunked_prefill": True},
    "cache_config": {"block_size": 128, "enable_prefix_caching": True, "cache_dtype": "auto"},
    "parallel_config": {"tensor_parallel_size": 1, "data_parallel_size": 1},
}


def test_the_default_of_the_space_is_what_vllm_resolves() -> None:
    space = vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4))
    assert space.default() == {
        "max_num_seqs": 128, "max_num_batched_tokens": 2048, "block_size": 128, "enable_prefix_caching": True,
        "enable_chunked_prefill": True,
    }  # fmt: skip
    assert not space.satisfies({**space.default(), "max_num_seqs": 1024, "max_num_batched_tokens": 512})


def test_block_sizes_that_kill_the_cpu_engine_are_not_in_the_space() -> None:
    assert vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4))["block_size"].choices == (32, 64, 128, 256)


def test_lossy_knobs_only_when_asked_for() -> None:
    assert "kv_cache_dtype" not in vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4))
    assert "kv_cache_dtype" in vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4), lossy=True)


def test_parallelism_fits_the_devices_and_the_heads() -> None:
    facts = ModelFacts(layers=4, heads=6, kv_heads=2, head_size=64, positions=4096)
    space = vllm_space(INSTALLED, RESOLVED, Machine("gpu", 8, devices=4), model=facts)
    assert space["tensor_parallel_size"].choices == (1, 2)
    assert not space.satisfies({**space.default(), "tensor_parallel_size": 2, "data_parallel_size": 4})


def test_own_choices_and_an_unknown_knob() -> None:
    space = vllm_space(
        INSTALLED, RESOLVED, Machine("cpu", 4), ranges={"max_num_seqs": [2, 7]}, only=["max_num_seqs"]
    )
    assert space["max_num_seqs"].choices == (2, 7, 128)
    with pytest.raises(InvalidSpecification, match="max_num_sex"):
        vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4), only=["max_num_sex"])


def test_memory_is_checked_before_anything_is_started(tmp_path) -> None:
    config = {"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 256,
              "max_position_embeddings": 4096, "torch_dtype": "bfloat16"}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    facts = ModelFacts.read(tmp_path)
    assert facts is not None
    assert facts.kv_bytes_per_token == 2 * 4 * 2 * 64 * 2
    assert kv_complaint(facts, 2**20, 2000)
    assert not kv_complaint(facts, 2**30, 2000)
