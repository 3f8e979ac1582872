"""A trial in the hands of whoever evaluates it: what to run, why, and a way to report progress."""

from collections.abc import Callable, Mapping
from typing import Any

from ...evaluators.problems.history import Params
from ...evaluators.spaces.base import shown, whole_number
from ...surrogates.contracts import Prediction
from ..errors import TrialNotFound
from ..ledger.records import TrialRecord
from ..lineage import parent_of


def number_of(trial: object) -> int:
    """Return the number of a trial, or of what says one (3.0 is 3). Raises TrialNotFound."""
    number = trial.number if isinstance(trial, Trial | TrialRecord) else whole_number(trial)
    if number is None:
        raise TrialNotFound(f"a trial is named by its number, got {shown(trial)}.")
    return number


class Trial:
    """A running trial as ``Study.ask`` hands it out. Tell it with ``study.tell(trial, …)``, from any process, by its
    number.

    ``params``: active parameters only. ``prediction``: what the surrogate believed (mean and sd per objective,
    p_feasible), or None.
    """

    def __init__(self, record: TrialRecord, report: Callable[[int, int, float], bool]) -> None:
        self.record = record
        self._report = report

    @property
    def number(self) -> int:
        """The trial's number in its study, from 0."""
        return self.record.number

    @property
    def params(self) -> Params:
        """The configuration to evaluate: a new dict each time."""
        return dict(self.record.params)

    @property
    def source(self) -> str:
        """Who proposed it: ``"surrogate"``, ``"default"``, ``"initial_design"``, ``"planner:<name>"``, ``"user"``,
        ``"random"``."""
        return self.record.source

    @property
    def parent(self) -> int | None:
        """The trial from whose checkpoint this one goes on (strategies ``"pbt"``, ``"stn"``,
        ``"differentiable"``); None where it starts anew."""
        return parent_of(self.record.source)

    @property
    def reason(self) -> str:
        """Why this configuration, in words."""
        return self.record.reason

    @property
    def verdict(self) -> str:
        """What the referee made of it: ``"own"``, ``"kept"``, ``"replaced"``, ``"unchecked"``, ``"fallback"``."""
        return self.record.verdict

    @property
    def prediction(self) -> Prediction | None:
        """What the surrogate believed when it was chosen."""
        return self.record.prediction

    @property
    def hypothesis(self) -> str:
        """What the model that proposed it expects, in its words."""
        return self.record.hypothesis

    @property
    def tokens(self) -> int:
        """Tokens that this trial's proposal cost."""
        return self.record.tokens

    @property
    def notes(self) -> tuple[str, ...]:
        """Fallbacks and repairs on the way to it, in words."""
        return self.record.notes

    @property
    def proposals(self) -> tuple[Mapping[str, Any], ...]:
        """What was proposed for this trial and what the referee answered."""
        return self.record.proposals

    def report(self, step: int, value: float) -> bool:
        """Record an intermediate value (first objective's unit) and return whether the study's pruner would stop now.

        When it returns True, end the evaluation and tell ``pruned=True``. Raises InvalidMeasurement for a step
        that is no whole number >= 0 or a value that is no number; NaN and infinities are for the pruner to judge.
        """
        return self._report(self.number, step, value)

    def __repr__(self) -> str:
        fields = {
            "number": self.number,
            "params": self.params,
            "source": self.source,
            "verdict": self.verdict,
        }
        return f"Trial({', '.join(f'{k}={v!r}' for k, v in fields.items())})"
