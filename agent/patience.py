"""When a planner that failed is asked again: less and less often, and after two time-outs in a row not at all.

A failed call costs wall time and tokens, never a trial. Kept in memory only: a study that is resumed starts patient
again.
"""

from .contracts import PlanAnswer

_TIMEOUTS = 2
_LONGEST = 32
"""Asks between two tries of a planner that keeps failing."""


class Patience:
    """Counts failures in a row. A model that never answers costs a study at most ``2 * timeout_s``."""

    def __init__(self) -> None:
        self._failures = 0
        self._timeouts = 0
        self._not_before = 0
        self.reason = ""

    def allows(self, index: int) -> bool:
        """Whether the planner may be asked at proposal ``index``."""
        return self._timeouts < _TIMEOUTS and index >= self._not_before

    def record(self, index: int, answer: PlanAnswer) -> None:
        """Take note of an answer."""
        outcomes = [c.outcome for c in answer.calls]
        if answer.proposals or answer.abstained or not outcomes:
            self._failures = self._timeouts = 0
            return
        self._failures += 1
        self._timeouts = self._timeouts + 1 if outcomes[-1] == "timeout" else 0
        wait = min(_LONGEST, 2 ** (self._failures - 1) * (4 if self._timeouts else 1))
        self._not_before = index + wait
        self.reason = f"the planner failed {self._failures} times in a row ({outcomes[-1]}): not asked"
