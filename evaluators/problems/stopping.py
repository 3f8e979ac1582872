"""Rules that end an evaluation early by the other numbers that it reports beside its value: limits, from a step on.

A limit is a number, or the median of what trials that ended before reported at the same step, which they keep as a
metric. Knows nothing of pruners, which compare values of the first objective through Optuna.
"""

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import InvalidProblem
from ..spaces.base import shown
from .problem import Constraint

VALUE = "value"
"""What a rule calls the reported value itself."""
FEWEST = 5
"""Trials that must have reported at a step before there is a median."""
TRACE = " by step"
"""How the name of a metric ends that keeps what a trial reported of another one, as JSON by step."""
MOST_STEPS = 1000
"""Steps that are kept of a trial."""
_MEDIAN = re.compile(r"(?<=[<>=])\s*median$")
_FROM = re.compile(r"^(?P<limit>.*?)(?:\s+from\s+(?P<step>\d{1,9}))?\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StopRule:
    """A limit on a reported number; it is looked at from step ``start`` on. ``medians``: the limit at each step, where it is
    a median, none before trials have ended; None where it is a number."""

    text: str
    limit: Constraint
    start: int = 0
    medians: Mapping[int, float] | None = None

    @classmethod
    def parse(cls, text: str, constraints: Sequence[Constraint] = ()) -> "StopRule":
        """Return the rule written as ``"memory_gb <= 80"``, ``"accuracy >= 0.2 from 5"``, ``"loss <= median from 5"``, or
        the name of a constraint.

        Raises InvalidProblem.
        """
        match = _FROM.match(text) if isinstance(text, str) else None
        if match is None:
            raise InvalidProblem(f"A stop rule must be like 'memory_gb <= 80 from 5', got {shown(text)}.")
        limit_text = match["limit"].strip()
        start, numeric = int(match["step"] or 0), _MEDIAN.sub(" 0", limit_text)
        if numeric != limit_text:
            limit = _limit(numeric, text)
            if None not in (limit.lower, limit.upper):
                raise InvalidProblem(f"A stop rule has a median on one side alone, got {shown(text)}.")
            return cls(text, limit, start, {})
        by_name = {c.name: c for c in constraints}
        return cls(text, by_name.get(limit_text) or _limit(limit_text, text), start)

    def informed(self, metrics: Sequence[Mapping[str, object]]) -> "StopRule":
        """Return the rule given the metrics of the trials that ended with a result; the same where it is no median."""
        if self.medians is None:
            return self
        by_step: dict[int, list[float]] = {}
        for of_trial in metrics:
            for step, number in read_trace(of_trial.get(self.limit.name + TRACE)).items():
                by_step.setdefault(step, []).append(number)
        medians = {
            step: statistics.median(numbers) for step, numbers in by_step.items() if len(numbers) >= FEWEST
        }
        return replace(self, medians=medians)

    def broken(self, step: int, numbers: Mapping[str, float]) -> str:
        """Return in words how reported numbers break the rule; "" where they do not, or say nothing of it."""
        limit, number = self.limit, numbers.get(self.limit.name)
        median = None if self.medians is None else self.medians.get(step)
        if step < self.start or number is None or (self.medians is not None and median is None):
            return ""
        if median is not None:
            limit = replace(limit, lower=median) if limit.upper is None else replace(limit, upper=median)
        if limit.holds(number):
            return ""
        words = "" if median is None else f", which is {median:.5g} at step {step}"
        return f"{limit.name} = {number:.5g} breaks {self.text!r}{words}"


def _limit(stated: str, text: str) -> Constraint:
    try:
        return Constraint.parse(stated)
    except InvalidProblem:
        raise InvalidProblem(
            "A stop rule must be like 'memory_gb <= 80 from 5' or 'loss <= median', or name a constraint, got "
            f"{shown(text)}."
        ) from None


def trace_of(reported: Mapping[int, float]) -> str:
    """Return what was reported by step as text; inverse: ``read_trace``."""
    finite = [(step, number) for step, number in sorted(reported.items()) if math.isfinite(number)]
    return json.dumps(dict(finite[:MOST_STEPS]))


def read_trace(text: object) -> dict[int, float]:
    """Return what a metric says was reported by step; nothing for what is no trace."""
    try:
        trace = json.loads(text) if isinstance(text, str) else {}
        return {int(step): float(number) for step, number in trace.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
