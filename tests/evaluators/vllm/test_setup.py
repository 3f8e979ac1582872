"""What is asked of a model before vLLM is looked for, and vLLM's refusals as one line."""

from pathlib import Path
from typing import Any

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.servers.settings import Wanted
from trialogue.evaluators.vllm.setup import prepared, refusal_words
from trialogue.serving.vllm.environment import VllmNotInstalled

PYDANTIC = """ValidationError: 1 validation error for ModelConfig
  Value error, max_model_len must be positive.
 [type=value_error, input_value=ArgsKwargs((), {'model': ...nderer_num_workers': 1}), input_type=ArgsKwargs]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error"""


def ask(folder: Path, **fixed: Any) -> None:
    wanted = Wanted(str(folder), "chat", folder / "runs", fixed=fixed)
    with prepared(wanted, objective_named("output_tok_s"), (), say=print):
        pass


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ((), "its config.json, got .* without one; copy the whole model\\.$"),
        (("config.json", "model.safetensors"), "its tokenizer, got .*; copy .*, or `--fix tokenizer=FOLDER`"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_refused_before_anything_is_started(
    files: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InvalidSpecification, match=told):
        ask(tmp_path)
    assert not (tmp_path / "runs").exists()


def test_a_tokenizer_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setenv("TRIALOGUE_VLLM_PYTHON", str(tmp_path / "python"))
    with pytest.raises(VllmNotInstalled):  # it is looked for next
        ask(tmp_path, tokenizer="elsewhere")


def test_a_refusal_is_one_line_for_a_person() -> None:
    assert refusal_words(PYDANTIC) == (
        "ValidationError: 1 validation error for ModelConfig Value error, max_model_len must be positive"
    )
