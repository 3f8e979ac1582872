"""A trial as the ledger keeps it, and its way to and from the rows of the database. No SQL here.

One record holds everything about a trial: parameters, who proposed it and why, what became of it. The values that
strategies see (``evaluators/problems/history.py``) are made from it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from ...evaluators.errors import EvaluationFailed, FailureKind, InvalidMeasurement
from ...evaluators.problems.history import (
    FailedTrial,
    FinishedTrial,
    Params,
    Proposal,
    PrunedTrial,
    RunningTrial,
)
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.base import shown
from ...surrogates.contracts import Prediction
from ..contracts import Asked, Decision, Past, Verdict
from .schema import UNFIT, moment, stored_json

State = Literal["running", "finished", "failed", "pruned"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial has no measurement."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """A trial stopped early, at this step with this value. ``why``: which rule it broke; "" where a pruner stopped it."""

    step: int
    value: float
    why: str = ""


Ending = Measurement | Failure | Pruned


def state_of(ending: Ending | None) -> State:
    """Return the state of a trial that ended so."""
    match ending:
        case None:
            return "running"
        case Measurement():
            return "finished"
        case Failure():
            return "failed"
        case Pruned():
            return "pruned"


@dataclass(frozen=True, slots=True)
class NewTrial:
    """A trial to write: running when ``ending`` is None. Times in seconds since the epoch."""

    params: Params
    decision: Decision
    ending: Ending | None = None
    started_at: float | None = None
    ended_at: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A trial as it stands in the ledger. ``ending`` is None while it runs; ``excluded`` is the reason, or None; ``note``
    is what people wrote beside it, ``notes`` what was remarked when it was decided.

    ``started_at`` and ``ended_at`` are seconds since the epoch; ``replicate`` counts earlier trials of the same
    configuration.
    """

    number: int
    params: Params
    state: State
    source: str
    verdict: str
    reason: str
    hypothesis: str = ""
    prediction: Prediction | None = None
    tokens: int = 0
    notes: tuple[str, ...] = ()
    proposals: tuple[
        Mapping[str, Any], ...
    ] = ()  # what was proposed for this trial and what the referee said, as JSON
    asked: Asked | None = None
    ending: Ending | None = None
    excluded: str | None = None
    replicate: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    note: str = ""
    revision: int = field(default=0, compare=False)

    @property
    def measurement(self) -> Measurement | None:
        """The result of a finished trial."""
        return self.ending if isinstance(self.ending, Measurement) else None

    @property
    def values(self) -> tuple[float, ...] | None:
        """One number per objective of a finished trial."""
        return self.ending.values if isinstance(self.ending, Measurement) else None

    @property
    def value(self) -> float | None:
        """The first value of a finished trial, or the last reported one of a pruned trial."""
        if isinstance(self.ending, Measurement):
            return self.ending.value
        return self.ending.value if isinstance(self.ending, Pruned) else None

    @property
    def failure(self) -> Failure | None:
        """Why a failed trial failed."""
        return self.ending if isinstance(self.ending, Failure) else None

    @property
    def seconds(self) -> float:
        """How long the trial took, by the clock of the ledger; 0 while it runs, when it was lost and for added
        results."""
        lost = isinstance(self.ending, Failure) and self.ending.kind == "lost"
        if self.started_at is None or self.ended_at is None or lost:
            return 0.0
        return max(0.0, self.ended_at - self.started_at)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready data, for export and for the service."""
        return {
            "number": self.number, "state": self.state, "params": dict(self.params), "values": self.values,
            "source": self.source, "verdict": self.verdict, "reason": self.reason, "hypothesis": self.hypothesis,
            "prediction": prediction_to_json(self.prediction), "tokens": self.tokens, "notes": list(self.notes),
            "proposals": [dict(p) for p in self.proposals], "ending": ending_to_json(self.ending),
            "excluded": self.excluded, "replicate": self.replicate,
            "started_at": self.started_at, "ended_at": self.ended_at, "note": self.note,
        }  # fmt: skip


def ending_of(
    problem: Problem,
    value: "float | Sequence[float] | Measurement | None",
    failed: "str | EvaluationFailed | None",
    kind: FailureKind,
    pruned: bool,
) -> Ending | None:
    """Return the ending that the arguments of ``tell`` mean; None: pruned at the last report. Raises InvalidMeasurement."""
    if (value is not None) + (failed is not None) + bool(pruned) != 1:
        raise InvalidMeasurement(
            f"tell exactly one of a value, `failed=` or `pruned=True`, got value={value!r}, failed={failed!r}, "
            f"pruned={pruned!r}."
        )
    if isinstance(failed, EvaluationFailed):
        return Failure(failed.kind, failed.reason)
    if failed is not None:
        return Failure(kind, str(failed))
    if value is None:
        return None
    return problem.check(value if isinstance(value, Measurement) else Measurement(value))


def record_from_row(
    row: Any, problem: Problem | None
) -> TrialRecord:  # Any: a SQLAlchemy row of `trialogue_trials`
    """Return the record of one row of our table of trials.

    A row that says nothing this version can read, or what cannot be of ``problem`` (None: it was checked), becomes a failed
    trial that is excluded for that reason: it spoils itself alone.
    """
    try:
        record = _read(row)
        if problem is not None:
            _check(row, record, problem)
        return record
    except UNFIT as error:
        return _unreadable(row, str(error).partition("; ")[0][:200].rstrip("."))


def _read(row: Any) -> TrialRecord:  # Any: as above
    decision = stored_json(row.decision, strict=False)
    return TrialRecord(
        number=row.number,
        params=stored_json(row.params),
        state=row.state,
        source=row.source,
        verdict=row.verdict,
        reason=decision.get("reason", ""),
        hypothesis=decision.get("hypothesis", ""),
        prediction=prediction_from_json(decision.get("prediction")),
        tokens=decision.get("tokens", 0),
        notes=tuple(decision.get("notes", ())),
        proposals=tuple(decision.get("proposals", ())),
        asked=Asked(**decision["asked"]) if "asked" in decision else None,
        ending=ending_from_json(row.state, row.outcome),
        excluded=row.excluded,
        replicate=row.replicate,
        started_at=row.started_at,
        ended_at=row.ended_at,
        note=row.note or "",
        revision=row.revision,
    )


def _check(row: Any, record: TrialRecord, problem: Problem) -> None:  # Any: as above
    """Raise one of ``UNFIT`` for a record that is none of this problem, or of no trial at all."""
    problem.space.key(record.params)
    past_of(record)
    texts = (
        record.source,
        record.verdict,
        record.reason,
        record.hypothesis,
        record.note,
        record.excluded or "",
    )
    if not all(isinstance(text, str) for text in (*texts, *record.notes)):
        raise TypeError(f"`source`, `verdict`, `note` and the like must be text, got {texts!r}")
    wholes = (record.number, record.replicate, record.revision, record.tokens)
    if not all(isinstance(whole, int) and whole >= 0 for whole in wholes):
        raise TypeError(f"`number`, `replicate` and `revision` must be whole numbers, got {wholes!r}")
    for at in (record.started_at, record.ended_at):
        if at is not None and moment(at) is None:
            raise TypeError(f"`started_at` and `ended_at` must be seconds since the epoch, got {at!r}")
    if record.state not in get_args(State) or state_of(record.ending) != record.state:
        raise TypeError(
            f"`state` must be {' or '.join(get_args(State))} and fit `outcome`, got {record.state!r}"
        )
    if isinstance(record.ending, Measurement):
        problem.check(record.ending)
    if getattr(record.ending, "value", None) != row.value:
        raise ValueError(f"`value` is {row.value!r} and not the one of `outcome`")


def _unreadable(row: Any, why: str) -> TrialRecord:  # Any: as above
    """Return what stands for a row that cannot be read."""
    number, revision = (n if isinstance(n, int) and n >= 0 else 0 for n in (row.number, row.revision))
    reason = f"the row of trial {shown(row.number)} in the ledger cannot be read: {why}"
    return TrialRecord(
        number, {}, "failed", "unreadable", "unchecked", reason, ending=Failure("infrastructure", reason), excluded=reason,
        revision=revision,
    )  # fmt: skip


def decision_to_json(decision: Decision) -> str:
    """Return what the ledger keeps of why a trial was chosen; partner of ``record_from_row``."""
    plain: dict[str, Any] = {"reason": decision.reason}
    if decision.hypothesis:
        plain["hypothesis"] = decision.hypothesis
    if decision.prediction is not None:
        plain["prediction"] = prediction_to_json(decision.prediction)
    if decision.tokens:
        plain["tokens"] = decision.tokens
    if decision.notes:
        plain["notes"] = list(decision.notes)
    if decision.asked is not None:
        plain["asked"] = asdict(decision.asked)
    if decision.verdicts:
        plain["proposals"] = [_proposal_to_json(v) for v in decision.verdicts]
    return json.dumps(plain)


def _proposal_to_json(verdict: Verdict) -> dict[str, Any]:
    p = verdict.proposal
    optional: dict[str, Any] = {} if p.variant is None else {"variant": p.variant}
    optional |= {} if verdict.checked else {"checked": False}
    return {
        "params": dict(p.params), "source": p.source, "kept": verdict.kept, "answer": verdict.reason,
        "hypothesis": p.hypothesis, "expected": p.expected, "confidence": p.confidence, "tokens": p.tokens,
        **optional,
        "gap": None if verdict.gap != verdict.gap else verdict.gap,
        "prediction": prediction_to_json(verdict.prediction),
    }  # fmt: skip


def past_of(record: TrialRecord) -> Past | None:
    """Return what a strategy is told of an earlier decision; None where no planner had a part in it."""
    if record.asked is None and not record.proposals:
        return None
    names = ("params", "source", "hypothesis", "expected", "confidence", "tokens", "variant")
    verdicts = tuple(
        Verdict(
            Proposal(**{n: p[n] for n in names if n in p}),
            p["kept"],
            p["answer"],
            float("nan") if p.get("gap") is None else float(p["gap"]),
            checked=p.get("checked", True),
        )
        for p in record.proposals
    )
    return Past(record.asked, verdicts)


def prediction_to_json(prediction: Prediction | None) -> dict[str, Any] | None:
    """Return a prediction as JSON-ready data; inverse: ``prediction_from_json``."""
    if prediction is None:
        return None
    return {"mean": list(prediction.mean), "sd": list(prediction.sd), "p_feasible": prediction.p_feasible}


def prediction_from_json(data: Mapping[str, Any] | None) -> Prediction | None:
    """Return the prediction that ``prediction_to_json`` wrote."""
    if data is None:
        return None
    mean, sd = (tuple(map(float, data[name])) for name in ("mean", "sd"))
    return Prediction(mean, sd, data["p_feasible"])


def ending_to_json(ending: Ending | None) -> dict[str, Any] | None:
    """Return how a trial ended as JSON-ready data; inverse: ``ending_from_json``."""
    match ending:
        case Measurement():
            optional = {"sem": ending.sem, "seconds": ending.seconds, "cost": ending.cost}
            numbers = {"constraints": dict(ending.constraints), "metrics": dict(ending.metrics)}
            return {
                "values": list(ending.values),
                **{k: v for k, v in (optional | numbers).items() if v not in (None, {})},
            }
        case Failure():
            return {"kind": ending.kind, "reason": ending.reason}
        case Pruned():
            return {"step": ending.step, "value": ending.value} | ({"why": ending.why} if ending.why else {})
        case None:
            return None


def ending_from_json(state: State, text: str | None) -> Ending | None:
    """Return how a trial ended from the text of its row."""
    if text is None:
        return None
    data = stored_json(text)
    if state == "finished":
        return Measurement(data.pop("values"), data.pop("sem", None), **data)
    return Failure(**data) if state == "failed" else Pruned(**data)


def feasible_of(problem: Problem, ending: Ending | None) -> int | None:
    """Return 1 or 0 for a finished trial that satisfies the constraints or does not, None for any other."""
    return int(problem.feasible(ending)) if isinstance(ending, Measurement) else None


def finished_of(records: Sequence[TrialRecord]) -> list[FinishedTrial]:
    """Return the finished trials among ``records`` as strategies see them."""
    return [
        FinishedTrial(r.number, r.params, r.ending, r.source)
        for r in records
        if isinstance(r.ending, Measurement)
    ]


def failed_of(records: Sequence[TrialRecord]) -> list[FailedTrial]:
    """Return the failed trials among ``records`` as strategies see them."""
    return [
        FailedTrial(r.number, r.params, r.ending.kind, r.ending.reason, r.source)
        for r in records
        if isinstance(r.ending, Failure)
    ]


def pruned_of(records: Sequence[TrialRecord]) -> list[PrunedTrial]:
    """Return the pruned trials among ``records`` as strategies see them."""
    return [
        PrunedTrial(r.number, r.params, r.ending.step, r.ending.value, r.source)
        for r in records
        if isinstance(r.ending, Pruned)
    ]


def running_of(records: Sequence[TrialRecord]) -> list[RunningTrial]:
    """Return the running trials among ``records`` as strategies see them."""
    return [RunningTrial(r.number, r.params, r.source) for r in records if r.state == "running"]
