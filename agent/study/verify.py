"""Verifications of a study: what would be compared, opening one, and those that were opened.

A verification is a study in the same ledger with the strategy ``pairs``: its runs are trials there, survive crashes and
are shared by workers like all others, and the study that is verified stays as it is. Running it again goes on with the
pairs that are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ...evaluators.problems.problem import Problem
from ...evaluators.programs.call import Evaluate
from ...evaluators.random_streams import stream
from ...evaluators.spaces.base import whole_number
from ...evaluators.statistics.paired import PairPlan, scale_of
from ...serving.errors import InvalidInput
from ..budget import Budget
from ..certainty.of_study import outcome, pairing_in
from ..certainty.pairing import Pairing, Side
from ..certainty.verdict import Certified, searched_gain
from ..errors import TrialNotFound
from ..evaluation.job import Evaluated
from ..ledger.ledger import Ledger, StoredStudy
from ..ledger.records import TrialRecord
from ..views.best import best_of
from .create import StudyOptions, create_or_resume


class Verifiable(Evaluated, Protocol):
    """What verifying needs of a study."""

    ledger: Ledger

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def trials(self) -> tuple[TrialRecord, ...]: ...  # noqa: D102
    @property
    def winner(self) -> TrialRecord: ...  # noqa: D102
    @classmethod
    def load(cls, name: str, *, storage: Ledger) -> Any: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class VerificationPlan:
    """What a caller wants verified; None is the winner, and the default configuration.

    ``pairs``: after how many pairs it ends undecided. ``least``: the smallest gain that counts, as a ratio where all
    results are positive, else as a difference; None is any. ``level``: confidence that a change is one.
    """

    candidate: int | None = None
    against: int | None = None
    objective: int = 0
    pairs: int = 20
    least: float | None = None
    level: float = 0.95


def pairing_of(
    study: str, problem: Problem, records: Sequence[TrialRecord], wanted: VerificationPlan
) -> Pairing:
    """Return what is to be compared. Raises InvalidInput, TrialNotFound, NoFeasibleTrial."""
    if not 0 <= wanted.objective < len(problem.objectives):
        raise InvalidInput(
            f"`objective` must be the index of one of {len(problem.objectives)}, got {wanted.objective!r}."
        )
    best = best_of(problem, records) if wanted.candidate is None else _record(records, wanted.candidate)
    candidate = Side(best.params, best.number, _value(best, wanted.objective))
    baseline = _baseline(problem, records, wanted)
    values = [r.values[wanted.objective] for r in records if r.values is not None and r.excluded is None]
    scale = scale_of(values)
    neutral = 1.0 if scale == "ratio" else 0.0
    least = neutral if wanted.least is None else wanted.least
    if not least >= neutral:
        raise InvalidInput(
            f"`least` is a {scale} here and must be >= {neutral:g}, got {wanted.least!r}; leave it out for any gain."
        )
    pairs = whole_number(wanted.pairs)
    if pairs is None:
        raise InvalidInput(f"`pairs` must be a whole number, 20 is usual, got {wanted.pairs!r}.")
    plan = PairPlan(pairs, wanted.level)
    return Pairing(study, candidate, baseline, wanted.objective, scale, plan, least, pairs)


def open_verification(study: Verifiable, wanted: VerificationPlan) -> "StoredStudy | Certified":
    """Return the study in which the runs are made, created where it is not there; its plan stays what it was.

    Returns the outcome where there is nothing to compare. Raises as ``pairing_of``.
    """
    if wanted.candidate is None and study.protocol.choose != "best":
        wanted = replace(wanted, candidate=study.winner.number)
    pairing = pairing_of(study.name, study.problem, study.trials, wanted)
    key = study.problem.space.key
    if key(pairing.candidate.params) == key(pairing.baseline.params):
        picked = wanted.candidate is None
        reason = f"no trial was better than {pairing.baseline}" if picked else "both are one configuration"
        return Certified(pairing, "no change", reason, searched=searched_gain(study.problem, pairing))
    ledger = study.ledger
    if ledger.has(pairing.name):
        there = pairing_in(ledger.find(pairing.name))
        if wanted.least is not None and there.least != pairing.least:
            raise InvalidInput(
                f"{pairing.name!r} was opened with a smallest gain of {there.least:g}, got {wanted.least!r}; what was "
                "planned before the first run stays: leave it out, or verify another trial."
            )
        pairing = there.extended(max(there.until, pairing.until))
    settings = StudyOptions(
        strategy=pairing.to_text(),
        budget=Budget(trials=2 * pairing.until),
        protocol=study.protocol.unseeded if study.protocol.data else None,
    )
    fresh = int(stream(study.seed, pairing.candidate.number or 0, "verification").integers(2**31))
    seed = (
        None if ledger.has(pairing.name) else fresh
    )  # the seeds of its runs follow from it: none of the search's
    return create_or_resume(ledger, pairing.name, study.problem, seed, settings).stored


def verify(
    study: Verifiable, evaluate: Evaluate, wanted: VerificationPlan, options: Mapping[str, Any]
) -> Certified:
    """Open a verification, run it in this process, return its outcome."""
    opened = open_verification(study, wanted)
    if isinstance(opened, Certified):
        return opened
    study.load(opened.name, storage=study.ledger).run(evaluate, **options)
    return outcome(study.ledger, opened)


def _record(records: Sequence[TrialRecord], number: int) -> TrialRecord:
    for record in records:
        if record.number == number and record.excluded is None:
            return record
    raise TrialNotFound(f"no trial {number!r} that counts in this study; it has {len(records)} trials.")


def _value(record: TrialRecord, objective: int) -> float | None:
    return None if record.values is None else record.values[objective]


def _baseline(problem: Problem, records: Sequence[TrialRecord], wanted: VerificationPlan) -> Side:
    if wanted.against is not None:
        record = _record(records, wanted.against)
        return Side(record.params, record.number, _value(record, wanted.objective))
    params = problem.space.validate(problem.space.default())
    key = problem.space.key(params)
    ran = [
        r
        for r in records
        if r.values is not None and r.excluded is None and problem.space.key(r.params) == key
    ]
    if not ran:
        return Side(params, is_default=True)
    return Side(params, ran[0].number, _value(ran[0], wanted.objective), is_default=True)
