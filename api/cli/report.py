"""``trialogue report``: a study as one HTML file."""

import json
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
    from ..reports.page import file_name, write_report

    require_database(storage)
    if as_json:
        print(json.dumps(as_data(study, storage)))
        return
    path = output or Path(f"{file_name(study)}.html")
    write_report(study, storage, path)
    print(path)


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
