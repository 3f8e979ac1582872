"""What of a tuning's budget is left, what the verification needs of it, and in words.

A trial is started only where it and the verification fit in what is left. Small budgets verify by fewer pairs, so that
something can be tried at all. Knows no server; durations come from the default's measurement and from the trials.
"""

import math
import time

from .measures import Measures

ORDINARY_S = 30.0
"""Seconds that an ordinary start takes longer than one from a warm process."""
SHARE = 0.5
"""Of the time after the default's measurement, the most that more than the least number of pairs may reserve."""


class Clock:
    """Time of one tuning, interruptions included. ``beside``: whether a trial loads the default too."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._plan, self._state = measures.plan, measures.state
        self._began = time.monotonic() - self._state.used_s
        self._took_s: list[float] = []

    def took(self, seconds: float) -> None:
        """Count the seconds of a trial."""
        self._took_s.append(seconds)

    @property
    def used_s(self) -> float:
        """Seconds since the beginning, without those between interruptions."""
        return time.monotonic() - self._began

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self._plan.budget_s - self.used_s

    @property
    def trial_s(self) -> float:
        """Seconds that a trial usually takes."""
        if self._took_s:
            return sorted(self._took_s)[len(self._took_s) // 2]
        return self._state.start_s + max(self._measures.load_s, 10.0)

    @property
    def pair_s(self) -> float:
        """Seconds of one pair of the verification: two servers, each with its loads."""
        ordinary = ORDINARY_S if self._plan.verify_rung == "ordinary" else 0.0
        if self._measures.target.settings.rungs.beside:  # a trial has loaded the default too
            return self.trial_s + self._state.start_s + 2 * ordinary
        return 2 * (self.trial_s + ordinary)

    @property
    def reserved_pairs(self) -> int:
        """Pairs for which time is kept: those of the plan, fewer where they were more than half of a small budget."""
        fit = math.floor(SHARE * (self._plan.budget_s - self._state.default_s) / self.pair_s)
        return max(min(fit, self._plan.pairs), self._least_pairs)

    @property
    def time_for_trial(self) -> bool:
        """Whether a trial and then the verification fit in what is left."""
        return self.time_for(1)

    def time_for(self, trials: int) -> bool:
        """Return whether so many trials and then the verification fit in what is left."""
        return self.left_s > self.next_s + (trials - 1) * self.trial_s

    @property
    def next_s(self) -> float:
        """Seconds of one more trial and then the verification."""
        return self.reserved_pairs * self.pair_s + self.trial_s

    @property
    def least_s(self) -> float:
        """Seconds of the smallest budget that tries something and verifies it."""
        return self._state.default_s + self.trial_s + self._least_pairs * self.pair_s

    @property
    def _least_pairs(self) -> int:
        return min(2, self._plan.pairs)

    def words(self) -> str:
        """Return what is left of the budget, short."""
        left = self.left_s
        if left <= 0:
            return "budget spent"
        if left < 300:
            return f"{left:.0f} s left"
        return f"{left / 60:.0f} min left" if left < 6000 else f"{left / 3600:.1f} h left"
