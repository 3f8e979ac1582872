"""Rules that end an evaluation early by the other numbers that it reports beside its value: limits, from a step on.

Knows nothing of pruners, which compare a trial's values with those of others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import InvalidProblem
from ..spaces.base import shown
from .problem import Constraint

VALUE = "value"
"""What a rule calls the reported value itself."""
_FROM = re.compile(r"^(?P<limit>.*?)(?:\s+from\s+(?P<step>\d{1,9}))?\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StopRule:
    """A limit on a reported number; it is looked at from step ``start`` on."""

    text: str
    limit: Constraint
    start: int = 0

    @classmethod
    def parse(cls, text: str, constraints: Sequence[Constraint] = ()) -> "StopRule":
        """Return the rule written as ``"memory_gb <= 80"``, ``"accuracy >= 0.2 from 5"``, or the name of a constraint.

        Raises InvalidProblem.
        """
        found = _FROM.match(text) if isinstance(text, str) else None
        if found is None:
            raise InvalidProblem(f"A stop rule must be like 'memory_gb <= 80 from 5', got {shown(text)}.")
        stated = found["limit"].strip()
        known = {c.name: c for c in constraints}
        return cls(text, known.get(stated) or Constraint.parse(stated), int(found["step"] or 0))

    def broken(self, step: int, numbers: Mapping[str, float]) -> str:
        """Return in words how reported numbers break the rule; "" where they do not, or say nothing of it."""
        if step < self.start or self.limit.name not in numbers or self.limit.holds(numbers[self.limit.name]):
            return ""
        return f"{self.limit.name} = {numbers[self.limit.name]:.5g} breaks {self.text!r}"
