"""``trialogue demo``: a real study of a real task, with everything that ships in the package and nothing else.

It tunes a support vector machine that reads 1797 handwritten digits (bundled with scikit-learn). The model that proposes
ships too.
"""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from ..options import DEFAULT_STORAGE, AsJson, Storage
from .planner_option import FORMS, checked_planner

DATASET, MODEL = "digits", "svm"


def demo(
    trials: Annotated[int, typer.Option(min=1, help="How many trials to run.")] = 30,
    quick: Annotated[bool, typer.Option("--quick", help="Ten trials only.")] = False,
    planner: Annotated[str, typer.Option(metavar="SPEC", help=f"Who proposes: {FORMS}.")] = "embedded",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same trials.")] = 0,
    storage: Storage = DEFAULT_STORAGE,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the report goes.")] = Path(
        "trialogue-demo.html"
    ),
    as_json: AsJson = False,
) -> None:
    """Tune a support vector machine on real data: what a study is, in a minute, on any machine.

    No key, no network, no GPU. Ends with the best configuration against the default one, and a report page.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: threads cost more than they give

    from ...agent.study.study import Study
    from ...evaluators.targets.sklearn_cv import CrossValidation
    from ..terminal.session import Session

    spec = checked_planner(planner)
    target = CrossValidation(DATASET, MODEL)
    name = _free_name(storage)
    study = Study(target.problem, name=name, storage=storage, seed=seed, planner=spec)
    session = Session(study, storage, quiet=as_json)
    session.console.print(f"{target.problem.description}\n{who_proposes(spec)}", highlight=False)
    started = time.monotonic()
    with study:
        session.run(target, trials=min(trials, 10) if quick else trials, seconds=None)
    took_s = time.monotonic() - started
    session.summary(took_s)
    session.report(output)
    session.console.print(
        f"go on    trialogue report {name} · trialogue list · trialogue --help", highlight=False
    )
    if as_json:
        print(session.as_json(took_s))


def who_proposes(spec: str | None) -> str:
    """Return in words who takes part."""
    if spec is None:
        return "No model proposes: the Gaussian process works alone."
    who = "The small model that ships with trialogue" if spec == "embedded" else spec
    return (
        f"{who} proposes, a Gaussian process checks, five-fold cross-validation decides. Each line says whose "
        "configuration was run, and after the check: its own, a proposal that was kept, or one that was replaced."
    )


def _free_name(storage: str) -> str:
    """Return ``demo``, or ``demo-2``, … where that study exists."""
    from ...agent.ledger.ledger import Ledger

    ledger, name, number = Ledger(storage), "demo", 1
    while ledger.has(name):
        number += 1
        name = f"demo-{number}"
    return name
