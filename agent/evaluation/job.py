"""The evaluation of one trial as a value that can be sent anywhere, and how it is carried out there.

Knows nothing of who decides and of who tells the result.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ...evaluators.errors import EvaluationFailed
from ...evaluators.problems.history import Params
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.problems.stopping import StopRule
from ...evaluators.programs.call import Evaluate
from ...evaluators.programs.instances import Instance, measure_on
from ...evaluators.programs.run import Report, Run, Stopped
from ...evaluators.random_streams import stream
from ..ledger.records import Ending, Failure, Pruned, TrialRecord
from ..lineage import parent_of, tunes_itself
from ..protocol import StudyProtocol
from .reporter import Reporter


class Evaluated(Protocol):
    """What an evaluation needs of a study, here or behind a service."""

    @property
    def problem(self) -> Problem: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def protocol(self) -> StudyProtocol: ...  # noqa: D102


@dataclass(frozen=True)
class Job:
    """Everything an evaluation needs, wherever it runs. ``instances``: what it is made on; none is ``seed`` alone."""

    evaluate: Evaluate
    params: Params
    problem: Problem
    number: int
    seed: int
    report: Report
    workdir: Path | None = None
    fidelity: float = 1.0
    source: str = ""
    """Of the trial: it says from whose checkpoint the evaluation goes on, and whether it tunes itself."""
    instances: tuple[Instance, ...] = ()
    stops: tuple[StopRule, ...] = ()


def evaluate_job(job: Job) -> Ending:
    """Evaluate one configuration; never raises for what the evaluator does. Runs in the executor's worker."""
    with _folder(job.workdir, job.number) as folder:
        run = Run(
            seed=job.seed,
            fidelity=job.fidelity,
            workdir=folder,
            on_report=job.report,
            checkpoint=_checkpoint(job),
            self_tuning=tunes_itself(job.source),
            stops=job.stops,
        )
        try:
            result = measure_on(job.instances, job.evaluate, job.params, job.problem, run)
        except EvaluationFailed as failure:
            return Failure(failure.kind, failure.reason)
        finally:
            if isinstance(job.report, Reporter):
                job.report.flush()
    if not isinstance(result, Stopped):
        return replace(result, metrics={**result.metrics, **run.traces}) if run.traces else result
    if result.value != result.value:
        return Failure("invalid", f"stopped early at step {result.step} without a finite reported value")
    return Pruned(result.step, result.value, result.why)


def informed(
    rules: tuple[StopRule, ...], trials: Callable[[], Sequence[TrialRecord]]
) -> tuple[StopRule, ...]:
    """Return the rules as they stand for a trial that begins now: those that compare, with the trials that have ended."""
    if all(rule.medians is None for rule in rules):
        return rules
    ended = [t.ending.metrics for t in trials() if isinstance(t.ending, Measurement) and t.excluded is None]
    return tuple(rule.informed(ended) for rule in rules)


def evaluation_seed(study_seed: int, number: int) -> int:
    """Return the seed that the evaluation of a trial gets, the same whenever it runs again."""
    return int(stream(study_seed, number, "evaluation").integers(2**31))


def evaluate_again(study: Evaluated, evaluate: Evaluate, number: int, params: Params) -> Ending:
    """Evaluate ``params`` as trial ``number`` of a study was evaluated; what it reports is not heard."""
    seed, instances = evaluation_seed(study.seed, number), study.protocol.instances("tuning")
    return evaluate_job(
        Job(evaluate, params, study.problem, number, seed, lambda step, value: False, instances=instances)
    )


def _checkpoint(job: Job) -> Path | None:
    parent = parent_of(job.source)
    return None if job.workdir is None or parent is None else job.workdir / f"trial-{parent:05d}"


@contextmanager
def _folder(base: Path | None, number: int) -> Iterator[Path]:
    if base is None:
        with tempfile.TemporaryDirectory(prefix=f"trial-{number}-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    folder = base / f"trial-{number:05d}"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
