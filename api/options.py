"""Command-line options that several commands share, so that they mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STORAGE = "sqlite:///trialogue.db"
"""Where studies live when nothing else is said: one file in the working directory."""

Storage = Annotated[
    str,
    typer.Option(
        "--storage",
        envvar="TRIALOGUE_STORAGE",
        metavar="URL",
        help="Database of the studies: sqlite:///FILE or postgresql://USER@HOST/NAME.",
    ),
]
FileStorage = Annotated[
    str | None, typer.Option(metavar="URL", envvar="TRIALOGUE_STORAGE", help="Instead of the file's.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a key of [study], such as engine.design=dpp; repeatable."
    ),
]
Workdir = Annotated[
    Path | None,
    typer.Option(
        help="Keep each trial's folder below this one; needed where trials go on from others' checkpoints."
    ),
]
Fidelity = Annotated[
    float | None,
    typer.Option(
        help="Evaluate only this part of the full task (data, epochs, requests): above 0, at most 1."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script instead of a table.")]
Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="Name of the study; `trialogue list` shows them.")
]
