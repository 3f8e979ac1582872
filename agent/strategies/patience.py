"""When a planner that failed is asked again: less and less often, and not at all after two time-outs in a row, or where
the server does not keep the model to the length that was asked for.

A failed call costs wall time and tokens, never a trial. In thirty trials a model whose answers are never usable is asked
four times, and only the first time told what was wrong.
"""

from ..contracts import Result

_TIMEOUTS = 2
_LONGEST = 64
"""Asks between two tries of a planner that keeps failing."""


class Patience:
    """Counts failures in a row. A model that never answers costs a study at most ``2 * timeout_s``."""

    def __init__(self) -> None:
        self.failures = 0
        self._timeouts = 0
        self._not_before = 0
        self.reason = ""

    @property
    def repairs(self) -> bool:
        """Whether a bad answer is worth a second call that tells what was wrong: not after one that did not help."""
        return self.failures == 0

    def allows(self, index: int) -> bool:
        """Whether the planner may be asked at proposal ``index``."""
        return self._timeouts < _TIMEOUTS and index >= self._not_before

    def record(self, index: int, result: Result) -> None:
        """Take note of what came of asking."""
        if result in ("ok", "abstained", "nothing"):
            self.failures = self._timeouts = 0
            return
        self.failures += 1
        if result == "unbounded":
            self._timeouts, self.reason = (
                _TIMEOUTS,
                "the server ignores max_tokens: the planner is asked no more",
            )
            return
        self._timeouts = self._timeouts + 1 if result == "timeout" else 0
        wait = min(_LONGEST, 2 * 3 ** (self.failures - 1) * (2 if self._timeouts else 1))
        self._not_before = index + wait
        self.reason = f"the planner failed {self.failures} times in a row ({result}): not asked"
