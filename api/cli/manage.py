"""``trialogue list``, ``export``, ``import``, ``delete``: the studies of a database from the command line.

Everything is read and written through the ledger. What a script reads goes to stdout; remarks go to stderr.
"""

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from ..options import DEFAULT_STORAGE, AsJson, Storage, Study


def list_studies(storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False) -> None:
    """List the studies of a database: trials, failures, the best result, when something last happened."""
    from ...agent.ledger.ledger import Ledger
    from ...agent.views.overview import overviews

    require_database(storage)
    studies = sorted(overviews(Ledger(storage)), key=lambda one: one.updated_at, reverse=True)
    rows = [_summary(one) for one in studies]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        print(f"No studies in {storage}. `trialogue demo` makes one.", file=sys.stderr)
        return
    lines: list[tuple[str, ...]] = [("study", "trials", "running", "failed", "best", "last", "note")]
    for one, row in zip(studies, rows, strict=True):
        if row["unreadable"]:
            lines.append((one.name, "unreadable", "", "", "", "", row["unreadable"]))
            continue
        best = "–" if row["best"] is None else f"{row['best']:.6g} {row['objectives'][0]}"
        best = f"front of {row['front']}" if row["front"] else best
        last = datetime.fromtimestamp(one.updated_at).strftime("%Y-%m-%d %H:%M")
        numbers = (str(row[n]) for n in ("trials", "running", "failed"))
        lines.append((one.name, *numbers, best, last, _first_words(row["note"])))
    print(in_columns(lines))


def _summary(
    overview: Any,
) -> dict[str, Any]:  # Any: an Overview or Unreadable, whose module is imported on use
    """Return a study's line as JSON-ready data."""
    from ...agent.views.overview import Unreadable

    if isinstance(overview, Unreadable):
        return {"name": overview.name, "unreadable": overview.reason}
    objectives, states = overview.stored.problem.objectives, overview.counts.states
    return {
        "name": overview.name,
        "unreadable": None,
        "note": overview.stored.note,
        "direction": objectives[0].direction,
        "objectives": [objective.name for objective in objectives],
        "trials": overview.trials,
        "running": states.get("running", 0),
        "failed": states.get("failed", 0),
        "best": None if overview.best is None else overview.best.value,
        "created_at": overview.stored.created_at,
        "last_at": overview.counts.last_at,
        "front": len(overview.front) if len(objectives) > 1 else None,
    }


def _first_words(note: str) -> str:
    """Return the beginning of a note, on one line."""
    return textwrap.shorten(note, 50, placeholder=" …")


def export(
    study: Study,
    storage: Storage = DEFAULT_STORAGE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; without it, stdout.")
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write a data card instead; STUDY may be several, with commas.")
    ] = False,
    reference: Annotated[
        str | None, typer.Option(metavar="STUDY", help="With --card: how real it is beside this one.")
    ] = None,
    form: Annotated[
        Literal["csv", "jsonl"],
        typer.Option("--format", help="csv: one column per parameter; jsonl: everything."),
    ] = "csv",
) -> None:
    """Write a study's trials: a table for people and notebooks, or everything that is known, a JSON object per line."""
    from ...agent.ledger.ledger import Ledger, export_rows
    from ...agent.views.csv_trials import write_csv

    require_database(storage)
    if card:
        from ..reports.data_card import cards_of

        with _opened(output) as file:
            file.write(cards_of(study, storage, reference))
        return
    rows = export_rows(study, storage)
    with _opened(output) as file:
        if form == "jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            write_csv(file, Ledger(storage).find(study).problem, list(rows))


def import_(
    study: Study,
    file: Annotated[Path, typer.Argument(help="CSV with a column per parameter and per objective.")],
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Add finished trials from a CSV file to a study: what was measured before counts as knowledge.

    Columns are named like the parameters, objectives and constraints (parameter:NAME and objective:NAME where both have
    one name); an empty cell is an inactive parameter, another column a metric. Lines that do not fit are left out,
    and said. `trialogue export` writes such a file.
    """
    from ...agent.study.add_results import from_csv
    from ...agent.study.study import Study as OpenedStudy

    require_database(storage)
    opened = OpenedStudy.load(study, storage=storage)
    table = from_csv(opened.problem, file)
    numbers = opened.add_many(table.rows)
    for position, reason in table.excluded.items():
        opened.exclude(numbers[position], reason)
    for position, text in table.notes.items():
        opened.note(text, trial_number=numbers[position])
    for line, why in table.left_out:
        print(f"{file}, line {line}, left out: {why}", file=sys.stderr)
    print(json.dumps(numbers) if as_json else f"Added {len(numbers)} trials to {study!r}.")


def delete(
    study: Study,
    storage: Storage = DEFAULT_STORAGE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a study and all its trials, for good. `trialogue export` keeps a copy."""
    from ...agent.ledger.ledger import Ledger
    from ...agent.views.overview import overviews

    require_database(storage)
    ledger = Ledger(storage)
    trials = sum(sum(one.counts.states.values()) for one in overviews(ledger, names=[study]))
    if not yes and not typer.confirm(f"Delete study {study!r} with {trials} trials?"):
        raise typer.Exit(1)
    ledger.delete(study)
    print(f"Deleted {study!r}.", file=sys.stderr)


def require_database(storage: str) -> None:
    """Refuse an SQLite file that is not there: reading must not create one. Raises FileNotFoundError."""
    file = storage.removeprefix("sqlite:///")
    if file != storage and file and not Path(file).exists():
        raise FileNotFoundError(
            2, "no such database; name one with --storage, or make one with `trialogue demo`", file
        )


def in_columns(lines: Iterable[tuple[str, ...]]) -> str:
    """Return rows of text with aligned columns.

    >>> print(in_columns([("study", "trials"), ("svm", "30")]))
    study  trials
    svm    30
    """
    rows = list(lines)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        yield file
