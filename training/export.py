"""Turn a training checkpoint into an ordinary Llama checkpoint: safetensors, tokenizer, dialect.

    python training/export.py runs/planner/checkpoint.pt serving/embedded/weights

The folder is read by ``trialogue.serving.embedded.model``, by ``transformers.AutoModelForCausalLM`` and by vLLM; tokens are
words, so that a prompt can be typed: ``<bos> num num t a30 b100 y40 t a28 b90 y55 opt``.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))  # also where PYTHONSAFEPATH is set

from model import Model

from trialogue.prompts.meanings import WORDS
from trialogue.prompts.number_dialect import Dialect


def write_tokenizer(folder: Path, dialect: Dialect) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {name: i for i, name in enumerate(dialect.token_names())}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", pad_token="<pad>", unk_token="<pad>",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    fast.save_pretrained(folder)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("folder", type=Path)
    a = p.parse_args()
    state = torch.load(a.checkpoint, weights_only=True)
    model = Model(**state["shape"])
    model.load_state_dict(state["model"])
    model.export(a.folder)
    trained = set(state.get("words", ()))  # the others were never seen: they are not spoken
    told = [
        w if i in trained else f"<m{i}>" for i, w in enumerate(WORDS[: state["shape"].get("meanings", 0)])
    ]
    dialect = Dialect(slots=state["shape"]["slots"], max_trials=59, meanings=tuple(told))
    write_tokenizer(a.folder, dialect)
    (a.folder / "dialect.json").write_text(json.dumps(asdict(dialect)) + "\n")
    print(
        f"{state['tokens']:.3g} tokens, {sum(f.stat().st_size for f in a.folder.iterdir()) / 1e6:.1f} MB in {a.folder}"
    )


if __name__ == "__main__":
    main()
