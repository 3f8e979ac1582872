"""A made model for llama.cpp's own server, where that is installed."""

from pathlib import Path

import pytest
from contracts.gguf_file import gguf_of

from trialogue.serving.llama_cpp.environment import LlamaNotInstalled, find_llama
from trialogue.serving.models.sample_models import tiny_model


@pytest.fixture
def llama_model(tmp_path: Path) -> Path:
    try:
        find_llama()
    except LlamaNotInstalled as error:
        pytest.skip(str(error))
    file = tmp_path / "tiny.gguf"
    gguf_of(tiny_model(), file)
    return file
