"""When a planner is asked: every few trials, sooner on a plateau or in the dark, less often when it is not trusted.

Cost grows with the number of trials, not with its square: about ten calls of two thousand tokens for 25 trials.
"""

from dataclasses import dataclass

from ...prompts.selection import goodness
from ..contracts import Ask, Result
from ..referee.trust import trust_in_planner

_PROVEN = 0.6


@dataclass
class Schedule:
    """``every``: trials between two calls of a trusted planner; ``plateau``: trials without improvement that count as
    one.

    Remembers when the planner was last asked and how often it abstained since: one per study.
    """

    every: int = 3
    plateau: int = 5
    last: int = -(10**9)
    abstained: int = 0

    @property
    def was_asked(self) -> bool:
        """Whether there was a call already."""
        return self.last >= 0

    def is_due(self, ask: Ask, *, starting: bool, pooled: int, uncertain: bool = False) -> bool:
        """Whether to ask now.

        ``starting``: still in the initial design; ``pooled``: proposals not used yet; ``uncertain``: the engine knows
        little of its own next point, which brings a planner that has proved itself sooner.
        """
        since = ask.index - self.last
        if starting:
            return pooled == 0 and since >= 1
        trust = trust_in_planner(ask.history).mean
        every = self.every if trust >= 0.45 else (2 * self.every if trust >= 0.3 else 4 * self.every)
        every *= 1 + self.abstained
        if uncertain and trust >= _PROVEN:
            return since >= min(every, 2 * (1 + self.abstained))
        return since >= every or (since >= self.every and self.on_plateau(ask))

    def on_plateau(self, ask: Ask) -> bool:
        """Whether the last ``plateau`` trials brought nothing better."""
        g = goodness(ask.history)
        return len(g) > self.plateau and g[-self.plateau :].max() <= g[: -self.plateau].max()

    def asked(self, index: int, result: Result) -> None:
        """Take note of a call; to have no idea early in a study is no sign of having none later."""
        self.last = index
        self.abstained = min(4, self.abstained + 1) if result == "abstained" else 0
