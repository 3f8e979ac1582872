"""``trialogue models``: the language models at hand; ``trialogue models get`` installs one."""

import json
from typing import Annotated

import typer

from ..cli.manage import in_columns
from ..options import AsJson

models = typer.Typer(help="List the language models at hand, and install one.", invoke_without_command=True)


@models.callback()
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """List what `planner = "vllm:NAME"` and `trialogue serve-model NAME` take by name."""
    if context.invoked_subcommand is not None:
        return
    from ...serving.models.pretrained import models_at_hand

    at_hand = models_at_hand()
    if as_json:
        rows = [
            {"name": m.name, "kind": m.kind, "folder": str(m.folder) if m.folder else None} for m in at_hand
        ]
        print(json.dumps(rows, indent=1))
        return
    lines = [("model", "kind", "MB", "where")]
    for m in at_hand:
        size = "" if m.megabytes is None else f"{m.megabytes:.0f}"
        missing = m.note if m.kind != "pretrained" else f"{m.note}: trialogue models get {m.name}"
        lines.append((m.name, m.kind, size, str(m.folder) if m.folder else missing))
    print(in_columns(lines))


@models.command()
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as smollm2, or a GGUF file.")],
) -> None:
    """Install a pretrained model into the cache, as a checkpoint that transformers and vLLM load."""
    from ...serving.models.pretrained import PRETRAINED, install_model

    if name in PRETRAINED:
        print(
            f"{PRETRAINED[name].title}: {PRETRAINED[name].megabytes} MB to download, unless it is here …",
            flush=True,
        )
    folder = install_model(name)
    print(
        f"{folder}\nplanner = 'vllm:{folder.name}' or 'llama:{folder.name}', or `trialogue serve-model {folder.name}`"
    )
