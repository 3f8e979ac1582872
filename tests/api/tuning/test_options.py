"""The texts of the options of ``tune-vllm`` and ``tune-llama`` as values, or one sentence. No server."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from trialogue.api.cli.app import main
from trialogue.api.tuning.options import (
    Options,
    flag_values,
    kept_in,
    knob_choices,
    seconds_of,
    split_choices,
)
from trialogue.serving.errors import InvalidInput, ServingError


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("45", 45)])
def test_a_budget_has_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-3m", "0s", "", "m", "inf", "nan", "1e999h", "1h30m"])
def test_a_budget_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--budget"):
        seconds_of(text)


def test_flags_are_read_as_values() -> None:
    assert flag_values(["max-model-len=2048", "dtype=bfloat16", "enforce_eager=true"]) == {
        "max_model_len": 2048, "dtype": "bfloat16", "enforce_eager": True,
    }  # fmt: skip
    config = '{"method": "ngram", "num_speculative_tokens": 3}'
    assert flag_values([f"--speculative-config={config}"]) == {"speculative_config": config}
    for wrong in ("eager", "=3"):
        with pytest.raises(InvalidInput, match="NAME=VALUE"):
            flag_values([wrong])


def test_knobs_have_choices_of_every_kind_and_either_spelling() -> None:
    ngram = '{"method":"ngram","num_speculative_tokens":3}'
    assert knob_choices(["max-num-seqs=8,16,8", "block_size", "--watermark=0.0,0.01", "VLLM_CPU_KVCACHE_SPACE=1,4",
                         f"speculative-config=None,{ngram}", "gpu_memory_utilization=default,0.9",
                         'logits_processors="a,b",c', "enable_dbo=true,False"]) == {
        "max_num_seqs": [8, 16], "block_size": [], "watermark": [0.0, 0.01], "VLLM_CPU_KVCACHE_SPACE": [1, 4],
        "speculative_config": [None, ngram], "gpu_memory_utilization": [None, 0.9], "logits_processors": ["a,b", "c"],
        "enable_dbo": [True, False],
    }  # fmt: skip


@pytest.mark.parametrize(
    "items", [["=3"], ["block_size="], ["block_size=8,,16"], ["max-num-seqs", "max_num_seqs=3"]]
)
def test_a_knob_that_says_nothing_is_refused(items: list[str]) -> None:
    with pytest.raises(InvalidInput, match="--knob"):
        knob_choices(items)


@given(st.text(alphabet='ab,{}[]"\\0', max_size=30))
def test_choices_are_split_without_losing_anything(text: str) -> None:
    assert ",".join(split_choices(text)) == text


def options(**changed: object) -> Options:
    none: dict = dict.fromkeys(f.name for f in fields(Options))
    usual = {"engine": "vLLM", "model": "tiny", "workload": "chat", "margin": 0.0, "budget": "1m", "seed": 0, "rungs": "none",
             "verify": "fork", "pairs": 1, "lossy": False}  # fmt: skip
    return Options(**{**none, **usual, **changed})


def test_options_become_the_plan_and_what_is_wanted() -> None:
    asked = options(objective=["output_tok_s", "ttft_p99_ms"], margin=0.1, env=["A=true", "B=1e3"], start_timeout="20m",
                    fix=["max-model-len=64"])  # fmt: skip
    plan, wanted = asked.plan(), asked.wanted()
    assert (plan.objective.name, [o.name for o in plan.extra_objectives]) == ("output_tok_s", ["ttft_p99_ms"])
    assert (plan.margin, plan.budget_s, wanted.start_timeout_s) == (0.1, 60.0, 1200.0)
    assert (wanted.variables, wanted.fixed) == ({"A": "true", "B": "1e3"}, {"max_model_len": 64})
    assert options().plan().objective.name == "output_tok_s"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--trials", "abc"], "--trials"), (["--trials", "0"], "--trials"), (["--budget", "abc"], "--budget"),
        (["--margin", "0.6"], "--margin"), (["--start-timeout", "0s", "--rungs", "none"], "--start-timeout"),
        (["--objective", "speed"], "--objective"), (["--verify", "never"], "--verify"),
        (["--objective", "max_rate_s", "--objective", "ttft_p99_ms"], "max_rate_s"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_in_a_sentence(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tune-vllm", "tiny", *words])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert told in said
    assert "Traceback" not in said


def test_an_engine_has_its_own_shortcuts_and_folder() -> None:
    asked = options(engine="llama.cpp", model="some/model.gguf", rungs="auto").wanted()
    assert (asked.rungs.beside, asked.rungs.fork, asked.rungs.preflight) == (True, False, False)
    assert asked.folder.parts == ("runs", "llama-model.gguf")
    with pytest.raises(InvalidInput, match="beside, got 'fork'"):
        options(engine="llama.cpp", rungs="fork").wanted()


def test_a_full_disk_is_said_with_the_folder_and_the_way_on(tmp_path: Path) -> None:
    told = (
        f"room for what is measured, got a full disk at '{tmp_path}'; free some, and the same command goes on"
    )
    with pytest.raises(ServingError, match=told), kept_in(tmp_path):
        Path("/dev/full").write_text("a record")
    with pytest.raises(FileNotFoundError), kept_in(tmp_path):
        (tmp_path / "none").read_text()
