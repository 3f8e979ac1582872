"""Whether a GGUF model and its KV cache fit: by hand-made facts, whose arithmetic can be followed."""

from math import inf

import pytest

from trialogue.evaluators.engines.llama_memory import context_room, require_context
from trialogue.evaluators.engines.llama_space import llama_space
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.spaces.categorical import Categorical
from trialogue.serving.models.gguf_facts import GgufFacts

FACTS = GgufFacts((512, 512), 4096, 2**30)  # 2 KiB a token in 16 bits
MEMORY = 2**30 + 2**24  # room for 8,192 tokens beside the weights


def test_every_server_has_a_cache_of_its_own_and_they_share_the_weights() -> None:
    assert context_room(FACTS, {}, MEMORY, 1) == 8192
    assert context_room(FACTS, {}, MEMORY, 2) == 4096


def test_quantized_caches_hold_more() -> None:
    fixed = {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}
    assert context_room(FACTS, fixed, MEMORY, 1) == pytest.approx(8192 * 32 / 17)


def test_what_is_not_known_is_not_refused() -> None:
    assert context_room(GgufFacts(None, 0, 2**20), {}, MEMORY, 1) == inf
    assert context_room(FACTS, {"cache_type_k": "q9_9"}, MEMORY, 1) == inf
    assert context_room(FACTS, {"n_gpu_layers": 99}, 2**20, 1) == inf
    require_context(GgufFacts(None, 0, 2**20), {}, 10**6, 4, inf)


def test_weights_beyond_the_memory_are_refused() -> None:
    with pytest.raises(
        InvalidSpecification, match=r"memory of 0.5 GiB, got a file of 1.0 GiB; take a smaller"
    ):
        context_room(FACTS, {}, 2**29, 1)


def test_a_context_beyond_the_memory_is_refused_with_what_to_do() -> None:
    require_context(FACTS, {}, 2048, 4, 8192)
    with pytest.raises(
        InvalidSpecification, match=r"room for 8192 tokens, got a context of 8196; `--rungs none`"
    ):
        require_context(FACTS, {}, 2049, 4, 8192)
    with pytest.raises(InvalidSpecification, match="got a context of 10000"):
        require_context(FACTS, {"ctx_size": 10_000}, 100, 1, 8192)
    with pytest.raises(InvalidSpecification, match="got a context of 4096"):
        require_context(FACTS, {"ctx_size": 0}, 100, 1, 2048)  # 0 is the model's own


def test_a_request_longer_than_the_model_s_context_is_refused_unless_that_is_stretched() -> None:
    with pytest.raises(InvalidSpecification, match="context of 4096 tokens, got one of up to 5000"):
        require_context(FACTS, {}, 5000, 1, 8192)
    require_context(FACTS, {"rope_scaling": "yarn"}, 5000, 1, 8192)


def test_slots_without_memory_are_left_out_in_words() -> None:
    said: list[str] = []
    space = llama_space({"parallel": "(default: -1)"}, 2, most_slots=5, say=said.append)
    slots = space["parallel"]
    assert isinstance(slots, Categorical)
    assert max(c for c in slots.choices if isinstance(c, int)) == 4
    assert said[-1:] == ["left out: parallel of 8, whose context does not fit the memory"]
