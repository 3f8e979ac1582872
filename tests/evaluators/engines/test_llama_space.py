"""The space of llama.cpp's server, from what ``--help`` of a version says. No server."""

import pytest

from trialogue.evaluators.engines.llama_space import llama_space
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.serving.llama_cpp.environment import flags_of

HELP = """----- common params -----

-t,    --threads N                      number of CPU threads to use during generation (default: -1)
                                        (env: LLAMA_ARG_THREADS)
-tb,   --threads-batch N                number of threads to use during batch and prompt processing (default:
                                        same as --threads)
-b,    --batch-size N                   logical maximum batch size (default: 2048)
-ub,   --ubatch-size N                  physical maximum batch size (default: 512)
-fa,   --flash-attn [on|off|auto]       set Flash Attention use ('on', 'off', or 'auto', default: 'auto')
-ctk,  --cache-type-k TYPE              KV cache data type for K
                                        allowed values: f32, f16, bf16, q8_0
                                        (default: f16)
-ctv,  --cache-type-v TYPE              KV cache data type for V
                                        (default: f16)
-np,   --parallel N                     number of server slots (default: -1, -1 = auto)
-cb,   --cont-batching, -nocb, --no-cont-batching
                                        whether to enable continuous batching (default: enabled)

----- speculative params -----

--spec-draft-n-max N                    number of tokens to draft for speculative decoding (default: 3)
--spec-draft-model, -md, --model-draft FNAME
                                        draft model for speculative decoding (default: unused)
--spec-type none,draft-simple,ngram-simple,ngram-mod
                                        comma-separated list of types of speculative decoding to use
                                        (default: none)
"""
FLAGS = flags_of(HELP)


def choices(space: SearchSpace, name: str) -> list[object]:
    return list(space[name].choices)  # pyright: ignore[reportAttributeAccessIssue]


def test_every_flag_of_the_help_is_known_with_its_words() -> None:
    assert FLAGS.keys() >= {"threads", "no_cont_batching", "spec_draft_model", "model_draft", "spec_type"}
    assert "same as --threads)" in FLAGS["threads_batch"]
    assert "default: 512" in FLAGS["ubatch_size"]
    assert "same" not in FLAGS


def test_the_space_has_the_versions_defaults_and_no_smaller_batch_than_its_part() -> None:
    space = llama_space(FLAGS, 4)
    default = space.default()
    assert (default["batch_size"], default["ubatch_size"], default["threads"]) == (2048, 512, None)
    assert (default["flash_attn"], default["spec_type"]) == ("auto", "none")
    assert not space.satisfies({**default, "batch_size": 256})
    assert choices(space, "threads") == [None, 1, 2, 3, 4]
    assert choices(space, "spec_type") == ["none", "ngram-simple", "ngram-mod"]
    assert "cache_type_k" not in space


def test_what_may_change_answers_is_tuned_on_request_and_never_where_it_cannot_run() -> None:
    space = llama_space(FLAGS, 2, lossy=True)
    assert choices(space, "cache_type_v") == ["f16", "q8_0", "q4_0"]
    assert not space.satisfies({**space.default(), "cache_type_v": "q8_0", "flash_attn": "off"})
    with pytest.raises(InvalidSpecification, match="--lossy"):
        llama_space(FLAGS, 2, knobs={"cache_type_k": []})


def test_flags_that_the_version_has_not_are_left_out_in_words() -> None:
    said: list[str] = []
    space = llama_space({"threads": "(default: -1)"}, 2, say=said.append)
    assert space.names == ("threads",)
    assert "spec_type" in said[0]


def test_a_draft_model_is_one_more_kind_of_speculation() -> None:
    space = llama_space(FLAGS, 2, knobs={"spec_type": []}, draft_model="small.gguf")
    assert choices(space, "spec_type") == ["none", "ngram-simple", "ngram-mod", "draft-simple"]
    assert space.default() == {"spec_type": "none"}
    assert choices(space, "spec_draft_model") == ["small.gguf"]
    with pytest.raises(InvalidSpecification, match="--draft-model"):
        llama_space({"threads": ""}, 2, draft_model="small.gguf")


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"flash_atn": ["on", "off"]}, "did you mean 'flash_attn'"),
        ({"cont_batching": []}, "needs choices"),
        ({"ctx_size": [512, 1024]}, "--fix ctx_size"),
    ],
)
def test_a_knob_that_cannot_be_is_refused_in_words(knobs: dict[str, list], told: str) -> None:
    with pytest.raises(InvalidSpecification, match=told):
        llama_space(FLAGS, 2, knobs=knobs)


def test_flags_of_the_version_and_variables_are_tuned_with_ones_own_choices() -> None:
    space = llama_space(FLAGS, 2, knobs={"cont_batching": [True, False], "GGML_X": ["1", "2"]})
    assert space.default() == {"cont_batching": None, "GGML_X": None}


def test_a_knob_that_is_fixed_is_not_tuned() -> None:
    assert "threads" not in llama_space(FLAGS, 2, fixed={"threads": 2})
    with pytest.raises(InvalidSpecification, match="two values"):
        llama_space(FLAGS, 2, knobs={"threads": []}, fixed={"threads": 2})


def test_more_slots_than_the_load_uses_are_left_out_unless_asked_for() -> None:
    useful = {"parallel": 4, "batch_size": 300}
    space = llama_space(FLAGS, 2, useful=useful)
    assert choices(space, "parallel") == [None, 1, 2, 4]
    assert choices(space, "batch_size") == [256, 512, 2048]  # the default is always there
    assert choices(llama_space(FLAGS, 2, knobs={"parallel": [2, 16]}, useful=useful), "parallel") == [
        None,
        2,
        16,
    ]
