"""A GGUF file as a checkpoint that transformers and vLLM load: weights dequantized, tokenizer and chat template kept."""

import os
import shutil
from pathlib import Path
from typing import Any

from ..errors import InvalidInput

MAGIC = b"GGUF"


def checkpoint_from_gguf(file: Path, folder: Path) -> Path:
    """Write the model in ``file`` to ``folder`` in bfloat16 and return the folder; whole or not at all.

    Any architecture that transformers reads from GGUF. Raises InvalidInput for a file that is none, and where the
    libraries for it are missing. The weights keep the rounding of their quantization: this undoes the packing only.
    """
    with file.open("rb") as opened:
        if opened.read(4) != MAGIC:
            raise InvalidInput(f"{str(file)!r} is no GGUF file: it must begin with {MAGIC.decode()!r}.")
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    try:
        _convert(file, part)
        part.replace(folder)
    except Exception as error:  # whatever a damaged file sets off in the libraries that read it
        raise InvalidInput(
            f"{str(file)!r} cannot be converted: {str(error)[:300]}; `pip install trialogue[models]` installs what reads it."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    packed: Any = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    config = packed.config
    del (
        config.quantization_config
    )  # transformers refuses to save what it calls quantized, though it is no longer
    config.dtype = torch.bfloat16
    plain = type(packed)(config)
    plain.load_state_dict(packed.state_dict())
    plain.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
