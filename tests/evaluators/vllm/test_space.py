"""The knob space: defaults from the installed version, what cannot fit left out, relations kept."""

import json
from dataclasses import replace

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.vllm.memory import Machine, ModelFacts, kv_complaint
from trialogue.evaluators.vllm.space import vllm_space
from trialogue.serving.vllm.catalogue import KNOBS
from trialogue.serving.vllm.installed import Installed

OTHERS = [
    {"name": "prefill_schedule_interval", "default": 1},
    {"name": "kv_offloading_size", "default": None},
    {"name": "enable_dbo", "default": False, "is_switch": True},
    {"name": "seed", "default": 0},
    {"name": "dtype", "default": "auto"},
    {"name": "port", "default": 8000},
]
INSTALLED = Installed.read(
    {
        "parameters": [*({"name": k.name, "default": None} for k in KNOBS if not k.variable), *OTHERS],
        "variables": ["VLLM_CPU_ATTN_SPLIT_KV", "VLLM_CPU_KVCACHE_SPACE"],
    },
    {"OMP_NUM_THREADS": "1"},
)
RESOLVED = {
    "scheduler_config": {"max_num_seqs": 128, "max_num_batched_tokens": 2048, "enable_chunked_prefill": True,
                         "prefill_schedule_interval": 3},
    "cache_config": {"block_size": 128, "enable_prefix_caching": True, "cache_dtype": "auto",
                     "gpu_memory_utilization": 0.92},
    "parallel_config": {"tensor_parallel_size": 1, "data_parallel_size": 1, "pipeline_parallel_size": 1},
}  # fmt: skip
GIB = 2**30


def test_the_default_of_the_space_is_what_vllm_resolves() -> None:
    space = vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4, reserved=2))
    assert space.default() == {
        "max_num_seqs": 128, "max_num_batched_tokens": 2048, "block_size": 128, "enable_prefix_caching": True,
        "enable_chunked_prefill": True, "OMP_NUM_THREADS": 1,
    }  # fmt: skip
    assert not space.satisfies({**space.default(), "max_num_seqs": 1024, "max_num_batched_tokens": 512})


@pytest.mark.parametrize(("reserved", "choices"), [(1, (1, 2, 3)), (2, (1, 2))])
def test_threads_leave_room_for_the_load_and_for_the_default_beside(reserved: int, choices: tuple) -> None:
    space = vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4, reserved=reserved))
    assert space["OMP_NUM_THREADS"].choices == choices


def test_a_knob_that_was_asked_for_and_has_one_value_here_is_said() -> None:
    said: list[str] = []
    asked = ["OMP_NUM_THREADS", "block_size"]
    space = vllm_space(INSTALLED, RESOLVED, Machine("cpu", 2, reserved=2), only=asked, say=said.append)
    assert space.names == ("block_size",)
    assert said == ["left out, because one value suits this machine and load: OMP_NUM_THREADS=1"]


def test_the_default_number_of_threads_is_what_the_servers_get() -> None:
    installed = replace(INSTALLED, environment={"OMP_NUM_THREADS": "4"})
    space = vllm_space(
        installed, RESOLVED, Machine("cpu", 8), only=["OMP_NUM_THREADS"], ranges={"OMP_NUM_THREADS": [1, 2]}
    )
    assert space.default() == {"OMP_NUM_THREADS": 4}
    assert space["OMP_NUM_THREADS"].choices == (1, 2, 4)


def test_the_core_has_about_fifteen_knobs_on_an_accelerator() -> None:
    space = vllm_space(INSTALLED, RESOLVED, Machine("gpu", 8, devices=4))
    assert 14 <= len(space) <= 16
    assert "compilation_config" not in space
    asked = vllm_space(
        INSTALLED, RESOLVED, Machine("gpu", 8), only=["compilation_config", "optimization_level"]
    )
    assert len(asked["compilation_config"].choices) == 7


def test_block_sizes_that_kill_the_cpu_engine_are_not_in_the_space() -> None:
    assert vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4))["block_size"].choices == (32, 64, 128, 256)


def test_batch_limits_beyond_what_the_load_can_use_are_left_out() -> None:
    useful = {"max_num_seqs": 20, "max_num_batched_tokens": 5000}
    space = vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4), useful=useful)
    usual = vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4))
    for name, most in useful.items():
        beyond = [c for c in space[name].choices if c >= most and c != usual.default()[name]]
        assert len(beyond) <= 1 < sum(c >= most for c in usual[name].choices)
    own = vllm_space(
        INSTALLED, RESOLVED, Machine("cpu", 4), ranges={"max_num_seqs": [8, 64, 256]}, useful=useful
    )
    assert {8, 64, 256} <= {*own["max_num_seqs"].choices}


def test_lossy_knobs_only_when_asked_for() -> None:
    assert "kv_cache_dtype" not in vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4))
    assert "kv_cache_dtype" in vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4), lossy=True)


def test_parallelism_fits_the_devices_and_the_heads() -> None:
    facts = ModelFacts(layers=4, heads=6, kv_heads=2, head_size=64, positions=4096)
    space = vllm_space(INSTALLED, RESOLVED, Machine("gpu", 8, devices=4), model=facts)
    assert space["tensor_parallel_size"].choices == (1, 2)
    assert not space.satisfies({**space.default(), "tensor_parallel_size": 2, "data_parallel_size": 4})


def own(name: str, *choices: object, **more: object) -> SearchSpace:
    return vllm_space(INSTALLED, RESOLVED, Machine("cpu", 4), only=[name], ranges={name: [*choices]}, **more)  # pyright: ignore


def test_own_choices_of_what_only_the_installed_version_knows() -> None:
    assert own("max_num_seqs", 2, 7)["max_num_seqs"].choices == (2, 7, 128)
    found = own("prefill_schedule_interval", 1, 2)["prefill_schedule_interval"]
    assert (found.choices, found.default, found.ordered) == (
        (1, 2, 3),
        3,
        True,
    )  # 3 is what runs, whatever the parser says
    assert own("VLLM_CPU_KVCACHE_SPACE", 1, 4).default() == {"VLLM_CPU_KVCACHE_SPACE": None}
    assert own("enable_dbo").default() == {"enable_dbo": False}


def test_a_default_that_is_not_known_is_none_and_not_the_first_choice() -> None:
    assert own("kv_offloading_size", 1, 4)["kv_offloading_size"].choices == (1, 4, None)
    unknown = {**RESOLVED, "cache_config": {}}
    space = vllm_space(INSTALLED, unknown, Machine("gpu", 4), only=["gpu_memory_utilization"])
    assert space.default() == {"gpu_memory_utilization": None}
    assert own("max_num_seqs", None, 8)["max_num_seqs"].choices == (8, 128)


@pytest.mark.parametrize(
    ("name", "told"),
    [("max_num_sex", "max_num_seqs"), ("VLLM_CPU_KV", "VLLM_CPU_KVCACHE_SPACE"), ("zzz", "--help=all"),
     ("seed", "needs choices"), ("port", "the tuner sets"), ("dtype", "--lossy"), ("kv_cache_dtype", "--lossy")],
)  # fmt: skip
def test_what_cannot_be_tuned_is_refused_with_the_cure(name: str, told: str) -> None:
    choices = ["auto", "float16"] if name == "dtype" else []
    with pytest.raises(InvalidSpecification, match=told):
        own(name, *choices)


FACTS = ModelFacts(layers=4, heads=8, kv_heads=2, head_size=64, positions=4096, weight_bytes=140 * GIB)
TWO = {**RESOLVED, "parallel_config": {"tensor_parallel_size": 2, "data_parallel_size": 1}}


def fitting(
    resolved: dict, facts: ModelFacts, machine: Machine, **more: object
) -> tuple[SearchSpace, list[str]]:
    said: list[str] = []
    return vllm_space(INSTALLED, resolved, machine, model=facts, say=said.append, **more), said  # pyright: ignore


def test_shares_of_the_weights_that_do_not_fit_a_device_are_left_out_in_words() -> None:
    space, said = fitting(
        TWO, FACTS, Machine("gpu", 8, 8, 80 * GIB), only=["tensor_parallel_size", "gpu_memory_utilization"]
    )
    held = {
        tp: space.satisfies({"tensor_parallel_size": tp, "gpu_memory_utilization": 0.9}) for tp in (1, 2, 4)
    }
    assert held == {1: False, 2: True, 4: True}
    assert not space.satisfies({"tensor_parallel_size": 2, "gpu_memory_utilization": 0.85})
    assert "140.0 GiB" in said[0]
    small, nothing = fitting(RESOLVED, replace(FACTS, weight_bytes=GIB), Machine("gpu", 8, 8, 80 * GIB))
    assert (len(small), nothing) == (15, [])


@pytest.mark.parametrize(
    ("machine", "told"),
    [(Machine("gpu", 8, 1, 80 * GIB), "more devices"), (Machine("gpu", 8, 8, 80 * GIB), "--fix tensor_parallel_size"),
     (Machine("cpu", 8, memory_bytes=200 * GIB, servers=2), "of 2 servers")],
)  # fmt: skip
def test_weights_that_fit_nowhere_or_not_by_default_end_it_before_a_start(
    machine: Machine, told: str
) -> None:
    with pytest.raises(InvalidSpecification, match=told):
        fitting(RESOLVED, FACTS, machine)


def test_weights_that_flags_make_smaller_are_not_judged() -> None:
    _, said = fitting(RESOLVED, FACTS, Machine("gpu", 8, 1, 80 * GIB), fixed=["quantization"])
    assert not said


def test_memory_is_checked_before_anything_is_started(tmp_path) -> None:
    config = {"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 256,
              "max_position_embeddings": 4096, "torch_dtype": "bfloat16"}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    facts = ModelFacts.read(tmp_path)
    assert facts is not None
    assert facts.kv_bytes_per_token == 2 * 4 * 2 * 64 * 2
    assert kv_complaint(facts, 2**20, 2000)
    assert not kv_complaint(facts, 2**30, 2000)


def test_only_the_weights_that_are_loaded_are_counted(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"torch_dtype": "float32"}))
    for name in (
        "model-1.safetensors",
        "model-2.safetensors",
        "consolidated.safetensors",
        "pytorch_model.bin",
    ):
        (tmp_path / name).write_bytes(b"0" * 100)
    facts = ModelFacts.read(tmp_path)
    assert facts is not None
    assert (facts.weight_bytes, facts.loaded_bytes) == (200, 100)


def test_a_model_by_name_is_looked_up_in_the_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert ModelFacts.read("maker/model") is None
    kept = tmp_path / "models--maker--model"
    for folder in ("refs", "snapshots/abc"):
        (kept / folder).mkdir(parents=True)
    (kept / "refs" / "main").write_text("abc")
    (kept / "snapshots" / "abc" / "config.json").write_text(json.dumps({"num_attention_heads": 6}))
    facts = ModelFacts.read("maker/model")
    assert facts is not None
    assert facts.heads == 6
