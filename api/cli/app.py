"""The command line's door: a table of commands, loaded when called, and the one place where errors become words.

To add a command, write one line in ``COMMANDS``: ``"name": Entry("cli.module:attribute", "One line for --help.")``.
The module lives in this folder; the attribute is an ordinary typer command function, or a ``typer.Typer`` for a
group of subcommands. Only the module of the command that was called is imported, so ``trialogue --help`` imports
none; a module still keeps torch, optuna, plotly and the like inside its functions, so that
``trialogue NAME --help`` is quick too. Options that mean the same everywhere stand in ``options.py``.

A command raises ``TrialogueError`` or ``OSError`` and lets them pass: here they become one message on stderr and exit
code 2. Ctrl-C ends with 130. Any other exception is a mistake of ours and keeps its traceback. Knows no study.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer

from ...serving.errors import TrialogueError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives (``"folder.module:attribute"`` below ``api``) and its line in the overview."""

    target: str
    summary: str

    def load(self) -> Any:  # Any: a function of any signature, or a typer.Typer
        """Import the command's module and return the command."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(f"..{module}", __package__), attribute)


COMMANDS: dict[str, Entry] = {
    "demo": Entry("cli.demo:demo", "Tune a real model on real data in a minute and show how."),
    "run": Entry("cli.run:run", "Run the study that a TOML file describes."),
    "verify": Entry("cli.run:verify", "Certify a winner with fresh runs of it and of the default."),
    "test": Entry("cli.run:score_unseen", "Score a winner on seeds and data that its search has not seen."),
    "soup": Entry("cli.run:soup", "Average the weights that a study's best trials left behind."),
    "counterfactual": Entry(
        "cli.run:counterfactual", "Say what the planner was worth: the study without it."
    ),
    "gate": Entry("gate.command:gate", "PASS or FAIL: two results of a load generator, for CI."),
    "targets": Entry("gallery.command:targets", "List the gallery of real things to tune."),
    "report": Entry("cli.report:report", "Write a study as one self-contained HTML page."),
    "list": Entry("cli.manage:list_studies", "List the studies of a database."),
    "export": Entry("cli.manage:export", "Write a study's trials as CSV or JSON lines."),
    "import": Entry("cli.manage:import_", "Add finished trials from a CSV file."),
    "delete": Entry("cli.manage:delete", "Delete a study and all its trials."),
    "tune-vllm": Entry("tuning.tune:tune_vllm", "Find the fastest vLLM configuration for a workload."),
    "tune-llama": Entry("tuning.tune:tune_llama", "Find the fastest llama.cpp configuration for a workload."),
    "tune-sglang": Entry("tuning.tune:tune_sglang", "The same for SGLang; not yet run on a real one."),
    "load-grid": Entry("tuning.grid:load_grid", "What one server carries, by lengths and requests at once."),
    "serve-model": Entry(
        "tuning.serve_model:serve_model", "Serve a language model with vLLM for planners and chat."
    ),
    "models": Entry("models.command:models", "List the language models at hand, and install one."),
    "compare": Entry("cli.compare:compare", "Run a study with several strategies and seeds, side by side."),
    "dimension": Entry("dimension.command:dimension", "Say how many numbers a study needs."),
    "chat": Entry("cli.chat:chat", "Work on a study in a chat-style session, with a model or without."),
    "serve": Entry("cli.serve:serve", "Serve studies over HTTP: page, REST, events, chat and MCP."),
    "worker": Entry("cli.worker:worker", "Evaluate trials of a study, for a service or a database."),
    "mcp": Entry("cli.serve:mcp", "Offer the studies to another agent over MCP (stdio)."),
    "keys": Entry("cli.keys:keys", "Make, list and revoke the API keys of a service."),
    "backup": Entry("cli.serve:backup", "Copy an SQLite ledger while others work on it."),
    "restore": Entry("cli.serve:restore", "Make a ledger out of a backup."),
    "doctor": Entry("doctor.doctor:doctor", "Check Python, torch, the model's endpoint and the database."),
}

EPILOG = "Start with `trialogue demo`. `trialogue COMMAND --help` tells more about a command."


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the application in which the command that ``arguments`` name is loaded, and all others are named only."""
    app = typer.Typer(
        name="trialogue",
        help="A language model proposes, a Gaussian process checks, an experiment decides.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    for name, command in COMMANDS.items():
        _register(app, name, command.load() if name == wanted else _named_only, command.summary)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 for what the caller or an operator must put right, 130 for Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app_for(words)(args=words, prog_name="trialogue")
    except (TrialogueError, OSError) as error:
        if os.environ.get("TRIALOGUE_TRACEBACK"):
            raise
        print(f"Error: {in_words(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def in_words(error: Exception) -> str:
    """Return the message of an error as a sentence for a terminal."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror or type(error).__name__}: {error.filename!r}"
    return str(error) or type(error).__name__


def _register(app: typer.Typer, name: str, loaded: Callable[..., Any] | typer.Typer, summary: str) -> None:
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=name, short_help=summary)
    else:
        app.command(name, short_help=summary)(loaded)


def _named_only() -> None:
    """Stand in for a command that was not called."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"trialogue {version('trialogue')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before the command."""
