"""Two untrained Llama-architecture models, made on the spot: something a real server can load in a second.

For tests, benchmarks and the demonstration of the server tuner where no weights can be downloaded. Same size, same
bytes: weights come from a fixed seed and the tokenizer is trained on fixed text. They answer nonsense, at real cost.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ModelSize = Literal["tiny", "m25"]


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Dimensions of a Llama model. Every size has 4,096 positions and a vocabulary of 512 tokens."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int


SHAPES: dict[ModelSize, ModelShape] = {
    "tiny": ModelShape(256, 688, 4, 4, 2),  # 3 M parameters
    "m25": ModelShape(512, 1408, 8, 8, 4),  # 24 M parameters
}
_TEXT = (
    "learning_rate: 0.001, batch_size: 32 -> accuracy 0.91",
    "the server keeps the default configuration unless a faster one meets every limit",
    "max_num_seqs 128 max_num_batched_tokens 2048 block_size 128 throughput 3400 tokens per second",
)
_CHAT_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def default_cache() -> Path:
    """Return the folder where made models are kept: ``TRIALOGUE_CACHE``, else the user's cache."""
    folder = os.environ.get("TRIALOGUE_CACHE")
    return Path(folder) if folder else Path.home() / ".cache" / "trialogue"


def tiny_model(size: ModelSize = "tiny", cache: Path | None = None) -> Path:
    """Return the folder of the model, making it when it is not there yet (about five seconds)."""
    folder = (cache or default_cache()) / f"model-{size}-1"
    if (folder / "config.json").exists():
        return folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    try:
        _write_tokenizer(part)
        _write_model(part, SHAPES[size])
        part.replace(folder)
    except OSError:  # another process was faster
        if not (folder / "config.json").exists():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=512,  # pyright: ignore[reportCallIssue]
        special_tokens=["<pad>", "<s>", "</s>"],  # pyright: ignore[reportCallIssue]
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),  # pyright: ignore[reportCallIssue]
        show_progress=False,  # pyright: ignore[reportCallIssue]
    )
    tokenizer.train_from_iterator([line for line in _TEXT for _ in range(10)], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.chat_template = _CHAT_TEMPLATE
    fast.save_pretrained(folder)


def _write_model(folder: Path, shape: ModelShape) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    config = LlamaConfig(
        vocab_size=512,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(20)
        model = LlamaForCausalLM(config)
        logging.disable_progress_bar()
        model.bfloat16().save_pretrained(folder)
