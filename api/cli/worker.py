"""``trialogue worker``: evaluates a study's trials, from a service or straight from its database.

It runs only the evaluator of the file on its own command line: no command ever comes over the network. Trials are
leased; while it works a heartbeat renews them, and when it dies they are failed with their reason and tried again.
"""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from ...agent.errors import LedgerUnavailable
from ...serving.errors import InvalidInput
from ..options import DEFAULT_STORAGE, Fidelity, Storage, Workdir

log = structlog.get_logger("trialogue.worker")


def worker(
    study: Annotated[str, typer.Option(metavar="NAME", help="The study to work on.")],
    evaluator: Annotated[
        Path,
        typer.Option(metavar="STUDY.toml", help="File whose [evaluator] is run here; nothing else ever is."),
    ],
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="TRIALOGUE_URL", help="Service; without it, --storage."),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    workers: Annotated[int, typer.Option(min=1, help="Evaluate this many trials at a time.")] = 1,
    trials: Annotated[int | None, typer.Option(min=1, help="End after this many trials.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when no trial is left instead of waiting.")
    ] = False,
    poll_s: Annotated[float, typer.Option(min=0.05, help="Seconds between looks for new trials.")] = 2.0,
    workdir: Workdir = None,
    fidelity: Fidelity = None,
) -> None:
    """Evaluate trials of a study. The key of a service comes from TRIALOGUE_API_KEY.

    Ends with Ctrl-C or SIGTERM: trials that run are failed with that reason and queued again.
    """
    from ..service.telemetry import configure_logs
    from ..study_files.study_file import read_specification

    configure_logs(as_json=False)
    specification = read_specification(evaluator).at(fidelity)
    signal.signal(signal.SIGTERM, _interrupt)
    opened = _opened(study, url, storage)
    _same_space(specification.problem, opened.problem, evaluator)
    done = work(
        opened, specification.evaluate, trials=trials, workers=workers, once=once, poll_s=poll_s, workdir=workdir,
        reopen=lambda: _opened(study, url, storage),
        verifications=lambda: _verifications(opened, url, storage),
    )  # fmt: skip
    print(f"{done} trials")


def work(
    study: Any,  # Any: a Study or a RemoteStudy
    evaluate: Any,
    *,
    trials: int | None = None,
    workers: int = 1,
    once: bool = False,
    poll_s: float = 2.0,
    workdir: Path | None = None,
    reopen: Any = None,
    verifications: Callable[[], Sequence[Any]] = tuple,
) -> int:
    """Evaluate trials until there are no more (``once``), or ``trials`` are done; return how many ended.

    ``verifications``: the study's open ones, which are run when the study itself has nothing more to run.
    """
    done, how = 0, {"workers": workers, "on_trial": _said, "requeue": True}
    while trials is None or done < trials:
        try:
            left = None if trials is None else trials - done
            end = study.run(evaluate, n_trials=left, workdir=workdir, **how)
        except LedgerUnavailable as error:  # the service or database is away: it comes back
            if once:
                raise
            log.warning("waiting", why=str(error))
            time.sleep(poll_s)
            continue
        done += end.trials
        for opened in verifications() if trials is None else ():
            done += opened.run(evaluate, **how).trials
        if once or (trials is not None and done >= trials):
            break
        time.sleep(poll_s)
        if reopen is not None:
            study.close()
            study = reopen()
    study.close()
    return done


def _said(record: Any) -> None:
    log.info("trial_ended", trial=record.number, state=record.state, value=record.value)


def _opened(name: str, url: str | None, storage: str) -> Any:
    if url is not None:
        from ..client.study import RemoteStudy

        return RemoteStudy.load(name, url=url)
    from ...agent.study.study import Study

    study = Study.load(name, storage=storage, reap=False)
    study.reap(requeue=True)  # there may be no server that does it
    return study


def _verifications(study: Any, url: str | None, storage: str) -> list[Any]:
    """Return the open verifications of a study, opened."""
    if url is not None:
        verifications = (study.certainty() or {}).get("verifications", ())
        names = [v["verification"] for v in verifications if v["recommendation"] == "open"]
    else:
        from ...agent.certainty.of_study import outcomes

        verifications = outcomes(study.ledger, study.name)
        names = [v.pairing.name for v in verifications if v.recommendation == "open"]
    return [_opened(name, url, storage) for name in names]


def _same_space(stated: Any, stored: Any, path: Path) -> None:
    from ...agent.study.create import differences

    complaints = differences(stored, stated)
    if complaints:
        raise InvalidInput(
            f"{path} states another problem than the study has: {'; '.join(complaints[:3])}. A worker's file needs the study's "
            "parameters and objectives beside its [evaluator]."
        )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
