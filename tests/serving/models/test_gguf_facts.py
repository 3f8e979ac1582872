"""What the head of a GGUF file says, read without a library, held against files that the library wrote."""

from pathlib import Path

import gguf
import pytest
from contracts.gguf_file import gguf_of

from trialogue.serving.errors import InvalidInput
from trialogue.serving.models.gguf_facts import GgufFacts
from trialogue.serving.models.sample_models import tiny_model


def headed(file: Path, **keys: int) -> Path:
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_head_count(8)
    writer.add_token_list([f"token {i}" for i in range(100)])
    for key, value in keys.items():
        writer.add_uint32(f"llama.{key.replace('__', '.')}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return file


def test_a_whole_model_tells_its_cache_and_its_context(tmp_path: Path) -> None:
    gguf_of(tiny_model(), tmp_path / "tiny.gguf")
    facts = GgufFacts.read(tmp_path / "tiny.gguf")
    assert facts.kv_values is not None
    assert facts.kv_values[0] == facts.kv_values[1] > 0
    assert facts.positions > 0
    assert facts.weight_bytes == (tmp_path / "tiny.gguf").stat().st_size


def test_heads_that_share_keys_need_less_of_them(tmp_path: Path) -> None:
    assert GgufFacts.read(headed(tmp_path / "a.gguf")).kv_values == (128, 128)
    assert GgufFacts.read(headed(tmp_path / "b.gguf", attention__head_count_kv=2)).kv_values == (32, 32)
    long = headed(tmp_path / "c.gguf", attention__key_length=16, attention__value_length=4)
    assert GgufFacts.read(long).kv_values == (256, 64)


def test_another_kind_of_cache_is_not_guessed(tmp_path: Path) -> None:
    assert GgufFacts.read(headed(tmp_path / "a.gguf", attention__sliding_window=512)).kv_values is None
    assert GgufFacts.read(headed(tmp_path / "b.gguf", ssm__state_size=16)).kv_values is None


def test_what_is_no_whole_gguf_file_is_told_as_that(tmp_path: Path) -> None:
    whole = headed(tmp_path / "whole.gguf").read_bytes()
    for damaged in (
        b"",
        b"GGUF",
        b"PK\x03\x04 a zip",
        whole[:200],
        whole[:4] + b"\x09" + whole[5:],
        whole[:24] + b"\xff" * 200,
    ):
        (tmp_path / "damaged.gguf").write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"damaged.gguf' must be a whole GGUF file: .*; copy it again"):
            GgufFacts.read(tmp_path / "damaged.gguf")
