"""What is certain about the best of a study: its verifications, else what is known of the noise, else that nothing is.

Reads the ledger, a bounded number of rows whatever the size of the study: the best few hundred results decide how much of
the best one's lead is luck. Noise is known from configurations that ran more than once, in the study or in its
verifications, or from the standard errors that the evaluator states.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ...evaluators.problems.history import History
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.statistics.luck import Noise, expected_luck, noise_of
from ...serving.errors import InvalidInput
from ..ledger.ledger import Ledger, StoredStudy
from ..ledger.records import TrialRecord, failed_of, finished_of, pruned_of, running_of
from .pairing import PREFIX, Pairing
from .verdict import Certified, certified

_READ = 300
"""Results that are read: the best ones, among which luck decides."""
Known = Literal["replicates", "standard errors", "nothing"]


@dataclass(frozen=True, slots=True)
class Certainty:
    """What is certain about the best result of one objective. ``noise``: of one run, None where it is unknown; ``luck``: by
    how much the best value is expected to overstate its configuration; ``text``: all of it in words."""

    text: str
    known_from: Known
    noise: Noise | None = None
    luck: float | None = None
    verifications: tuple[Certified, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        noise = None if self.noise is None else asdict(self.noise)
        verifications = [v.to_dict() for v in self.verifications]
        return {
            "text": self.text,
            "known_from": self.known_from,
            "noise": noise,
            "luck": self.luck,
            "verifications": verifications,
        }


def pairing_in(stored: StoredStudy) -> Pairing:
    """Return what a verification compares."""
    return Pairing.from_text(str(stored.config["strategy"]))


def is_verification(stored: StoredStudy) -> bool:
    """Return whether a study verifies another one."""
    return str(stored.config.get("strategy")).startswith(PREFIX)


def outcome(ledger: Ledger, stored: StoredStudy) -> Certified:
    """Return what a verification says so far."""
    return outcome_of(stored.problem, ledger.records(stored), pairing_in(stored))


def outcome_of(problem: Problem, trials: Iterable[TrialRecord], pairing: Pairing) -> Certified:
    """Return what the trials of a verification say."""
    records = [r for r in trials if r.excluded is None]
    history = History(problem).extended(
        finished=finished_of(records),
        failed=failed_of(records),
        pruned=pruned_of(records),
        running=running_of(records),
    )
    return certified(history, pairing)


def outcomes(ledger: Ledger, study: str) -> list[Certified]:
    """Return what the verifications of a study say, oldest first; what cannot be read is left out."""
    verdicts: list[Certified] = []
    for stored in ledger.verifications(study):
        with suppress(InvalidInput):
            verdicts.append(outcome(ledger, stored))
    return [v for v in verdicts if v.pairing.study == study]


def certainty_of(ledger: Ledger, stored: StoredStudy) -> Certainty | None:
    """Return what is certain about the best trial of a study with one objective; None while there is none."""
    problem = stored.problem
    records = [r for r in _best_records(ledger, stored) if r.excluded is None and _feasible(problem, r)]
    if len(problem.objectives) > 1 or not records:
        return None
    verifications = tuple(outcomes(ledger, stored.name))
    noise, known_from = _noise(problem, records, verifications)
    y = problem.signs[0] * np.array([r.value for r in records], float)
    luck = None if noise is None else expected_luck(y, noise.sd)
    text = _told(problem, records[0], verifications, noise, luck)
    return Certainty(text, known_from, noise, luck, verifications)


def _best_records(ledger: Ledger, stored: StoredStudy) -> list[TrialRecord]:
    maximize = stored.problem.objectives[0].direction == "maximize"
    order = "-value" if maximize else "value"
    return ledger.page(stored, state="finished", order=order, limit=_READ)[0]


def _feasible(problem: Problem, record: TrialRecord) -> bool:
    return isinstance(record.ending, Measurement) and problem.feasible(record.ending)


def _noise(
    problem: Problem, records: Sequence[TrialRecord], verifications: Sequence[Certified]
) -> tuple[Noise | None, Known]:
    replicates: list[tuple[str, float]] = [
        (problem.space.key(r.params), r.ending.value) for r in records if isinstance(r.ending, Measurement)
    ]
    for v in verifications:
        keys = [problem.space.key(side.params) for side in (v.pairing.candidate, v.pairing.baseline)]
        replicates += [(key, x) for run in v.runs for key, x in zip(keys, run, strict=True) if np.isfinite(x)]
    if (noise := noise_of(replicates)) is not None:
        return noise, "replicates"
    sems = [r.ending.sem[0] for r in records if isinstance(r.ending, Measurement) and r.ending.sem]
    if sems:
        return Noise(float(np.sqrt(np.mean(np.square(sems)))), 0), "standard errors"
    return None, "nothing"


def _told(
    problem: Problem,
    best: TrialRecord,
    verifications: Sequence[Certified],
    noise: Noise | None,
    luck: float | None,
) -> str:
    key = problem.space.key(best.params)
    of_best = [v for v in verifications if problem.space.key(v.pairing.candidate.params) == key]
    parts = [f"Verified: {of_best[-1]}."] if of_best else ["Not verified by fresh runs."]
    if noise is None:
        parts.append(
            "Nothing was run twice, so its noise is unknown, and with it how much of the lead is luck."
        )
    elif noise.sd == 0:
        parts.append("What was run again gave the same result to the last digit.")
    else:
        parts.append(
            f"One result varies by ±{noise.sd:.3g}; as the best of many, it is expected to overstate its "
            f"configuration by {luck or 0:.3g}."
        )
    return " ".join(parts)
