"""Pretrained models: a GGUF file becomes a checkpoint that answers as the file does; names are found, others refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from contracts.gguf_file import gguf_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from trialogue.serving.errors import InvalidInput
from trialogue.serving.models.gguf import checkpoint_from_gguf
from trialogue.serving.models.pretrained import PRETRAINED, install_model, model_folder, models_at_hand
from trialogue.serving.models.sample_models import tiny_model


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gguf")
    gguf_of(tiny_model("tiny", place), place / "packed.gguf")
    return place / "packed.gguf"


def test_a_gguf_file_becomes_a_checkpoint_that_answers_as_it_does(packed: Path, tmp_path: Path) -> None:
    folder = install_model(str(packed), tmp_path)
    assert folder == tmp_path / "models" / "packed"
    tokens = torch.arange(3, 40)[None]
    before = AutoModelForCausalLM.from_pretrained(packed.parent / "model-tiny-1", dtype=torch.float32)
    after = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(after(tokens).logits, before(tokens).logits, atol=0.02, rtol=0.02)
    assert model_folder("packed", tmp_path) == str(folder)
    assert [m.kind for m in models_at_hand(tmp_path) if m.name == "packed"] == ["converted"]
    assert {p.name for p in (tmp_path / "models").iterdir()} == {"packed"}


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, b"{}"])
def test_a_file_that_is_no_model_is_refused_and_leaves_nothing(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"broken\.gguf"):
        checkpoint_from_gguf(file, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["broken.gguf"]


def test_what_is_not_installed_is_refused_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="trialogue models get smollm2"):
        model_folder("smollm2", tmp_path)
    with pytest.raises(InvalidInput, match="must be one of smollm2 or a GGUF file"):
        install_model("gpt-9", tmp_path)
    assert model_folder("meta-llama/Llama-3.1-8B", tmp_path) == "meta-llama/Llama-3.1-8B"
    for path in ("../models", "/no/such/folder"):
        with pytest.raises(InvalidInput, match="must be a folder that exists, or a name"):
            model_folder(path, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_pretrained_model_is_installed_and_answers_in_words() -> None:
    folder = install_model("smollm2")
    assert install_model("smollm2") == folder
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = [{"role": "user", "content": "What is the capital of France? One word."}]
    prompt = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)
    known = {m.name: m for m in models_at_hand()}["smollm2"]
    assert known.megabytes is not None
    assert known.megabytes > 2 * PRETRAINED["smollm2"].megabytes
