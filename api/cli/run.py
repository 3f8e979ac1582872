"""``trialogue run STUDY.toml``: run, or go on with, the study that a file describes."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ..options import AsJson
from .planner_option import FORMS, checked_planner


def run(
    file: Annotated[
        Path, typer.Argument(metavar="STUDY.toml", help="The study: see the README and docs/studies.md.")
    ],
    trials: Annotated[int | None, typer.Option(min=1, help="Run this many more trials.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Start no trial after this many seconds.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Evaluate this many trials at a time.")] = 1,
    planner: Annotated[
        str | None, typer.Option(metavar="SPEC", help=f"Instead of the file's: {FORMS}.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", envvar="TRIALOGUE_STORAGE", help="Instead of the file's.")
    ] = None,
    transfer: Annotated[
        bool, typer.Option("--transfer", help="Start with the best of similar studies in the same database.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report page here at the end.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the study that a TOML file describes. A study that exists already goes on where it ended.

    Ends when the file's budget, --trials or --seconds is used up. Ctrl-C keeps every finished trial.
    """
    from ..study_files.study_file import read_specification

    specification = read_specification(file)
    budget = specification.settings.budget
    limited = budget is not None and (budget.trials or budget.seconds)
    if trials is None and seconds is None and not limited:
        raise typer.BadParameter(
            "say how long: --trials, --seconds, or budget = { trials = 30 } in the file."
        )

    from ..reports.terminal import Session

    where = storage or specification.storage
    spec = checked_planner(planner or specification.settings.planner)
    study = specification.planned_by(spec).open(where)
    if transfer:
        from ...agent.study.transfer import enqueue_from_earlier

        enqueue_from_earlier(study)
    session = Session(study, where, quiet=as_json)
    started = time.monotonic()
    session.run(specification.evaluate, trials=trials, seconds=seconds, workers=workers)
    took_s = time.monotonic() - started
    session.summary(took_s)
    if report is not None:
        session.report(report)
    if as_json:
        print(session.as_json(took_s))
