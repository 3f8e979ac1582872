"""``trialogue report``: a study as one HTML file."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ..options import DEFAULT_STORAGE, AsJson, Storage, Study
from .manage import require_database


def report(
    study: Study,
    storage: Storage = DEFAULT_STORAGE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; without it, STUDY.html in this folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a study as one self-contained HTML page: history, who proposed what, importances, slices, every trial.

    The page loads nothing and sends nothing; it can be mailed. With --json, its figures and rows go to stdout instead.
    """
    require_database(storage)
    if as_json:
        print(json.dumps(as_data(study, storage)))
        return
    path = output or Path(f"{file_name(study)}.html")
    write_report(study, storage, path)
    print(path)


def write_report(study: str, storage: str, path: Path) -> None:
    """Write the page of a study to ``path``. Raises StudyNotFound, LedgerUnavailable, OSError."""
    from ..reports import page as report_page
    from ..reports.importance import importances
    from ..reports.view import read_view

    view = read_view(study, storage)
    page = report_page.render(view, importances(view), made=datetime.now().strftime("%Y-%m-%d %H:%M"))
    path.write_text(page, encoding="utf-8")


def as_data(study: str, storage: str) -> dict[str, object]:
    """Return figures, trials and the best of a study as JSON values."""
    from dataclasses import asdict

    from ..reports import page as report_page
    from ..reports.importance import importances
    from ..reports.view import read_view

    view = read_view(study, storage)
    best = view.best()
    return {
        "study": view.name,
        "problem": view.problem.to_dict(),
        "best": None if best is None else asdict(best),
        "trials": [asdict(row) for row in view.rows],
        "figures": {chart.name: chart.figure for chart in report_page.charts_of(view, importances(view))},
    }


def file_name(study: str) -> str:
    """Return a study's name as a file's.

    >>> file_name("svm / digits")
    'svm-digits'
    """
    words = "".join(c if c.isalnum() or c in "._-" else " " for c in study).split()
    return "-".join(words).strip(".") or "study"
