"""``trialogue run``, ``verify``, ``test``, ``soup`` and ``counterfactual STUDY.toml``: run the study that a file describes;
certify its winner; score it on what the search has not seen; average weights; run the study again without its planner."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from ..options import AsJson, Changes, Fidelity, FileStorage, Workdir
from .manage import require_database
from .planner_option import FORMS, checked_planner


def run(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY.toml", help="The study, or target:NAME: `trialogue targets` lists those."
        ),
    ],
    trials: Annotated[int | None, typer.Option(min=1, help="Run this many more trials.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Start no trial after this many seconds.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Evaluate this many trials at a time.")] = 1,
    planner: Annotated[
        str | None, typer.Option(metavar="SPEC", help=f"Instead of the file's: {FORMS}.")
    ] = None,
    storage: FileStorage = None,
    transfer: Annotated[
        bool, typer.Option("--transfer", help="Start with the best of similar studies in the same database.")
    ] = False,
    changes: Changes = None,
    workdir: Workdir = None,
    fidelity: Fidelity = None,
    report: Annotated[Path | None, typer.Option(help="Write the report page here at the end.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the study that a TOML file describes. A study that exists already goes on where it ended.

    Ends when the file's budget, --trials or --seconds is used up. Ctrl-C keeps every finished trial.
    """
    from ..study_files.study_file import read_specification

    specification = read_specification(file).changed_by(changes or ()).at(fidelity)
    budget = specification.settings.budget
    limited = budget is not None and (budget.trials or budget.seconds)
    if trials is None and seconds is None and not limited:
        raise typer.BadParameter(
            "say how long: --trials, --seconds, or budget = { trials = 30 } in the file."
        )

    from ..terminal.session import Session

    where = storage or specification.storage
    spec = checked_planner(planner or specification.settings.planner)
    study = specification.planned_by(spec).open(where)
    if transfer:
        from ...agent.study.transfer import enqueue_from_earlier

        enqueue_from_earlier(study)
    session = Session(study, where, quiet=as_json)
    started = time.monotonic()
    with study:
        session.run(specification.evaluate, trials=trials, seconds=seconds, workers=workers, workdir=workdir)
    took_s = time.monotonic() - started
    session.summary(took_s)
    if report is not None:
        session.report(report)
    if as_json:
        print(session.as_json(took_s))


def verify(
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study; its evaluator is run.")],
    trial: Annotated[int | None, typer.Option(min=0, help="Verify this trial instead of the best.")] = None,
    against: Annotated[
        int | None, typer.Option(min=0, help="Compare with this trial instead of the default.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=5, help="End undecided after this many pairs of runs.")] = 20,
    least: Annotated[
        float | None,
        typer.Option(
            help="Smallest gain that counts: 1.05 is 5 % (a difference where results have both signs)."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Evaluate this many runs at a time.")] = 1,
    storage: FileStorage = None,
    as_json: AsJson = False,
) -> None:
    """Run the best configuration and the default anew, in turns, until the difference is certain or hopeless.

    Says "change recommended" with a gain and its interval, or "no change recommended". A difference that is not there is
    taken for one in at most 5 % of verifications, however often one looks. Again: goes on where it ended.
    """
    from ...agent.study.study import Study
    from ..study_files.study_file import read_specification

    spec = read_specification(file)
    where = storage or spec.storage
    require_database(where)
    study = Study.load(spec.name, storage=where)
    progress = None if as_json else _line
    result = study.verify(
        spec.evaluate, trial, against=against, pairs=pairs, least=least, workers=workers, on_trial=progress
    )
    if as_json:
        print(json.dumps(result.to_dict(), indent=1))
        return
    print(f"{result}.")
    if result.searched is not None and result.gain is not None:
        print(f"The search had shown {result.searched:.4g}, the luck of the pick included.")


def score_unseen(
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study; its evaluator is run.")],
    trial: Annotated[int | None, typer.Option(min=0, help="Test this trial instead of the winner.")] = None,
    storage: FileStorage = None,
    workdir: Workdir = None,
    as_json: AsJson = False,
) -> None:
    """Measure the winner once on the test seeds and data of [protocol]; say its score there and what tuning had shown.

    Again: says what is there. The runs are a trial of the study NAME-test in the same database.
    """
    from ...agent.study.study import Study
    from ..study_files.study_file import read_specification

    spec = read_specification(file)
    where = storage or spec.storage
    require_database(where)
    protocol = None if spec.settings.protocol is None else spec.settings.protocol.protocol()
    study = Study(spec.problem, name=spec.name, storage=where, protocol=protocol, reap=False)
    score = study.test(spec.evaluate, trial, workdir=workdir)
    print(json.dumps(score.to_dict(), indent=1) if as_json else score)


def soup(
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study, already run.")],
    workdir: Annotated[Path, typer.Option(help="Where its trials kept their folders.")],
    score: Annotated[
        str,
        typer.Option(
            metavar="MODULE:NAME", help="Python function of the weights, arrays by name: their score."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Write the averaged weights here.")] = Path("soup.safetensors"),
    most: Annotated[int, typer.Option(min=1, help="Try this many of the best trials.")] = 10,
    storage: FileStorage = None,
) -> None:
    """Average the checkpoints of the best trials: from the best downwards, one stays where it does not harm the score.

    A trial leaves a .safetensors file in its folder (`run.workdir`). The score must be of held-out data.
    """
    from ...agent.study.study import Study
    from ...evaluators.programs.function import load_function
    from ..study_files.study_file import read_specification

    spec = read_specification(file)
    where = storage or spec.storage
    require_database(where)
    study = Study.load(spec.name, storage=where, reap=False)
    mixture = study.soup(load_function(score, file.parent), workdir, most=most)
    mixture.save(out)
    print(f"{mixture} Written to {out}.")


def counterfactual(
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study; its evaluator is run.")],
    storage: FileStorage = None,
    as_json: AsJson = False,
) -> None:
    """Run a study again without its planner, trial for trial, and say what the planner was worth in it.

    For evaluators that give the same result again, such as recorded tables. Trials that come out the same are not
    evaluated again. Nothing is written.
    """
    from ...agent.study.study import Study
    from ..study_files.study_file import read_specification

    spec = read_specification(file)
    where = storage or spec.storage
    require_database(where)
    worth = Study.load(spec.name, storage=where, reap=False).counterfactual(spec.evaluate)
    if as_json:
        print(json.dumps(worth.to_dict(), indent=1))
        return
    print(worth)
    print("\n  trials      with   without")
    for point in worth.checkpoints:
        best, without = ("-" if v is None else f"{v:.6g}" for v in (point.best, point.best_without))
        print(f"  {point.trials:6} {best:>9} {without:>9}")


def _line(record: object) -> None:
    from ...agent.ledger.records import TrialRecord

    assert isinstance(record, TrialRecord)
    ended = f"{record.value:.6g}" if record.value is not None else record.state
    print(f"{record.reason}: {ended}", flush=True)
