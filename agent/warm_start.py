"""The referee of the first trials, when there is no model to check proposals with: a limited number is run unchecked.

The engine's default configuration comes first and is the yardstick. One proposal is then tried; more follow only
while the planner's trials beat the others, and never more than ceil(sqrt(T)) in all (LLINBO's Transient rule, arXiv
2505.14756). They stand in place of points of the initial design, which a wrong proposal costs little more than a poor
one would.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluators.history import History, Proposal
from ..surrogates.contracts import Belief, Suggestion
from .contracts import Verdict
from .trust import is_planned, trust_in_planner


@dataclass(frozen=True)
class WarmStartReferee:
    """``trials``: the study's budget T where known (else 30). ``floor``: trust below which nothing unchecked is run."""

    trials: int | None = None
    floor: float = 0.5

    @property
    def most(self) -> int:
        """How many trials of a planner may be run unchecked."""
        return math.ceil(math.sqrt(self.trials or 30))

    def judge(
        self, proposals: Sequence[Proposal], belief: Belief, suggestion: Suggestion, history: History
    ) -> tuple[Verdict, ...]:
        """Keep the first proposal, or the one that looks best where something is modelled, while the planner does
        well."""
        waiting = sum(is_planned(t.source) for t in history.running)
        used = sum(is_planned(t.source) for t in (*history.finished, *history.failed)) + waiting
        trust = trust_in_planner(history)
        if used >= self.most:
            return tuple(Verdict(p, False, f"{used} unchecked trials are enough") for p in proposals)
        if trust.mean < self.floor or (waiting and not trust.trials):
            return tuple(
                Verdict(p, False, f"its trials did worse than others: trust {trust.mean:.2f}")
                for p in proposals
            )
        best = self._best(proposals, belief)
        reason = f"unchecked warm start {used + 1} of at most {self.most}, trust {trust.mean:.2f}"
        return tuple(
            Verdict(p, i == best, reason if i == best else "another proposal goes first")
            for i, p in enumerate(proposals)
        )

    def _best(self, proposals: Sequence[Proposal], belief: Belief) -> int:
        """Return which proposal goes first: the model's own order until enough trials are known to say otherwise."""
        return 0
