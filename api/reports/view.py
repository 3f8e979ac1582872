"""A study as the doors show it: plain rows, one per trial, read from the ledger once.

Figures, the report, the live table and the exports read these values and nothing else, so they can be tested without a
ledger and drawn from a file. Knows no plotly and no terminal.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from ...agent.certainty.held_out import held_out_scores
from ...agent.certainty.of_study import certainty_of, is_verification, outcome
from ...agent.errors import NoFeasibleTrial
from ...agent.ledger.ledger import Ledger, StoredStudy
from ...agent.ledger.records import Failure, Pruned, TrialRecord
from ...agent.protocol import StudyProtocol
from ...agent.study.study import Study
from ...agent.views.best import nondominated
from ...evaluators.problems.history import Params
from ...evaluators.problems.problem import Problem

Fate = Literal["finished", "failed", "pruned", "running"]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial. ``values`` in the objectives' own unit, empty without a result; ``mean``, ``sd``: what the surrogate
    expected of the first objective before the trial ran; ``text``: why it failed, where it did; ``started_at``: seconds
    since the epoch."""

    number: int
    fate: Fate
    params: Params
    values: tuple[float, ...] = ()
    feasible: bool = True
    source: str = "user"
    verdict: str = ""
    reason: str = ""
    hypothesis: str = ""
    mean: float | None = None
    sd: float | None = None
    p_feasible: float | None = None
    constraints: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    started_at: float | None = None
    cost: float | None = None
    tokens: int = 0
    excluded: bool = False
    text: str = ""
    note: str = ""

    @property
    def counts(self) -> bool:
        """Whether the trial has a result that may become the best."""
        return self.fate == "finished" and self.feasible and not self.excluded


@dataclass(frozen=True)
class StudyView:
    """A study's name, problem and rows in the order of their numbers. ``rejected``: proposals the referee refused;
    ``certainty``: what is certain about the best one, in words; ``note``: what people wrote beside it; ``left_out``: how many
    trials of the study are no rows here."""

    name: str
    problem: Problem
    rows: tuple[TrialRow, ...]
    rejected: int = 0
    tokens: int = 0
    certainty: str = ""
    note: str = ""
    left_out: int = 0

    @property
    def counted(self) -> tuple[TrialRow, ...]:
        """Rows with a result that may become the best."""
        return tuple(row for row in self.rows if row.counts)

    @property
    def comparable(self) -> tuple[TrialRow, ...]:
        """The counted rows that did as much of the task as any; all of them where the problem has no fidelity."""
        return tuple(row for row in self.counted if not self.is_partial(row))

    @cached_property
    def _whole(self) -> float:
        """The largest fidelity that has finished."""
        ended = (row.params for row in self.rows if row.fate == "finished" and not row.excluded)
        return self.problem.fidelity.most(ended) if self.problem.fidelity else 0.0

    def is_partial(self, row: TrialRow) -> bool:
        """Whether a row did less of the task than others, so that its value is no candidate for the best."""
        fidelity = self.problem.fidelity
        return fidelity is not None and row.params[fidelity.name] != self._whole

    def best(self, objective: int = 0) -> TrialRow | None:
        """Return the best row for one objective, the earliest among equals; None while there is none."""
        sign = self.problem.signs[objective]
        return max(self.comparable, key=lambda row: (sign * row.values[objective], -row.number), default=None)

    def front(self) -> tuple[TrialRow, ...]:
        """Return the rows that no other row beats in every objective."""
        rows = self.comparable
        if not rows:
            return ()
        return tuple(
            rows[i] for i in sorted(nondominated(self.problem.signs * np.array([r.values for r in rows])))
        )

    def incumbents(self, objective: int = 0) -> list[tuple[int, float]]:
        """Return (trial number, value) of each trial that was the best when it ended, of those that did the whole task."""
        sign = self.problem.signs[objective]
        steps: list[tuple[int, float]] = []
        for row in self.comparable:
            if not steps or sign * row.values[objective] > sign * steps[-1][1]:
                steps.append((row.number, row.values[objective]))
        return steps

    def sources(self) -> Sequence[str]:
        """Return who proposed trials, in order of first appearance."""
        return list(dict.fromkeys(row.source for row in self.rows))


def view_of(name: str, problem: Problem, records: Sequence[TrialRecord], *, tokens: int = 0) -> StudyView:
    """Return the view of a study from its records; ``tokens``: what its model calls cost together."""
    rejected = sum(not proposal.get("kept") for record in records for proposal in record.proposals)
    rows = tuple(row_of(record, problem) for record in sorted(records, key=lambda record: record.number))
    return StudyView(name, problem, rows, rejected=rejected, tokens=tokens)


def read_view(study_name: str, storage: str) -> StudyView:
    """Return the view of a stored study without changing it. Raises StudyNotFound, LedgerUnavailable."""
    ledger = Ledger(storage)
    stored = ledger.find(study_name)
    records = list(ledger.records(stored))
    view = view_of(stored.name, stored.problem, records, tokens=ledger.heads(stored.study_id).spent.tokens)
    return replace(view, certainty=certainty_in_words(ledger, stored), note=stored.note)


def certainty_in_words(ledger: Ledger, stored: StoredStudy) -> str:
    """Return what is certain about the best of a study, or what a verification says; nothing where there is no best."""
    if is_verification(stored):
        return f"{outcome(ledger, stored)}."
    certainty = certainty_of(ledger, stored)
    texts = ["" if certainty is None else certainty.text, *map(str, held_out_scores(ledger, stored))]
    if (instances := StudyProtocol.stored(stored.config).instances("tuning")) and certainty is not None:
        texts.insert(0, f"Each configuration was measured on {'; '.join(map(str, instances))}.")
    return " ".join(filter(None, (*texts, *_chosen(ledger, stored))))


def _chosen(ledger: Ledger, stored: StoredStudy) -> Iterator[str]:
    """Yield in words which trial a protocol chooses instead of the best, and what it has searched for."""
    protocol, study = StudyProtocol.stored(stored.config), Study.load(stored.name, storage=ledger, reap=False)
    with suppress(NoFeasibleTrial):
        if protocol.choose != "best":
            winner = study.winner
            yield f"Recommended is trial {winner.number} ({winner.value:.4g}), by {protocol.choose!r}: good around it too."
        few = study.changes() if len(stored.problem.objectives) == 1 else None
        if few is not None and few.others:
            yield str(few)
    if protocol.only:
        yield f"Only {', '.join(protocol.only)} is searched for now, the other parameters stand."


def row_of(record: TrialRecord, problem: Problem) -> TrialRow:
    """Return one trial's row."""
    measured, expected = record.measurement, record.prediction
    return TrialRow(
        number=record.number,
        fate=record.state,
        params=record.params,
        values=record.values or (),
        feasible=measured is None or problem.feasible(measured),
        source=record.source,
        verdict=record.verdict,
        reason=record.reason,
        hypothesis=record.hypothesis,
        mean=expected.mean[0] if expected else None,
        sd=expected.sd[0] if expected else None,
        p_feasible=expected.p_feasible if expected else None,
        constraints=dict(measured.constraints) if measured else {},
        metrics=dict(measured.metrics) if measured else {},
        seconds=(measured.seconds if measured else None) or record.seconds or None,
        started_at=record.started_at,
        cost=measured.cost if measured else None,
        tokens=record.tokens,
        excluded=record.excluded is not None,
        text=_in_words(record),
        note=record.note,
    )


def _in_words(record: TrialRecord) -> str:
    """Return why a trial has no result, or why it is left out."""
    match record.ending:
        case Failure(kind, reason):
            words = f"{kind}: {reason}"
        case Pruned(step, value, why):
            words = f"stopped early at step {step} with {value:.5g}" + (f": {why}" if why else "")
        case _:
            words = ""
    left_out = f"excluded: {record.excluded}" if record.excluded else ""
    return "; ".join(part for part in (words, left_out) if part)
