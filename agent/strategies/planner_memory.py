"""What the hybrid strategy remembers of its planner, folded from earlier decisions as the ledger keeps them.

Proposals not used yet, what was rejected, how often it failed and when it was last asked, which instruction worked. A study
that is resumed, or shared by several processes, reads the same decisions and so remembers the same.
"""

from collections.abc import Sequence

from ...evaluators.problems.history import History, Proposal
from ...evaluators.problems.problem import Problem
from ..contracts import Ask, Asked, Past, Plan, Verdict
from ..referee.knowledge import KNOWN
from ..referee.novelty import Novelty
from ..referee.plausibility import LATEST
from .coverage import Round
from .patience import Patience
from .schedule import Schedule

_REMEMBERED = 300
"""Rejected proposals that are remembered."""


class Recollection:
    """The memory of one study's planner. ``pool``: proposals not used yet; ``seen``: the latest ever made, run or not;
    ``rounds``: judged and passed per call; ``variants``: the instruction behind each trial of the planner, by key."""

    def __init__(self, problem: Problem, schedule: Schedule) -> None:
        self._space = problem.space
        self.patience, self.schedule = Patience(), schedule
        self.pool: list[Proposal] = []
        self.seen: list[Proposal] = []
        self.rounds: list[Round] = []
        self.variants: dict[str, int] = {}
        self.memory = ""
        self._doubted = Novelty(problem.space, most=_REMEMBERED)
        self._refused = Novelty(problem.space, most=_REMEMBERED)
        self._read = 0
        self._own: Past | None = None

    def catch_up(self, ask: Ask) -> None:
        """Take in the decisions made since the last call, by whoever; of one's own, also those that were overtaken."""
        new = () if ask.past is None else ask.past[self._read :]
        for past in new:
            self._take(past)
        self._read += len(new)
        own, self._own = self._own, None
        if own is not None and all(past.asked != own.asked or not past.asked for past in new):
            self._take(own)

    def decided(self, plan: Plan, ask: Ask) -> None:
        """Remember an own decision until it is read back from the ledger, if there is one."""
        past = _past_of(plan)
        if past is not None and ask.past is None:
            self._take(past)
        elif past is not None and past.asked is not None:
            self._own = past

    def usable(self, proposals: Sequence[Proposal], history: History) -> list[Proposal]:
        """Return the proposals that were neither tried nor rejected twice."""
        novelty = Novelty.of(history)
        return [p for p in proposals if novelty.is_new(p.params) and self._refused.is_new(p.params)]

    def _take(self, past: Past) -> None:
        if past.asked is not None:
            self.patience.record(past.asked.index, past.asked.result)
            self.schedule.asked(past.asked.index, past.asked.result)
            self.memory = past.asked.memory or self.memory
        if past.verdicts:
            self._take_verdicts(past.verdicts, past.asked)

    def _take_verdicts(self, verdicts: Sequence[Verdict], asked: Asked | None) -> None:
        self.pool = [v.proposal for v in verdicts]
        self.seen = [*self.seen, *(p for p in self.pool if self._is_new(p))][-LATEST:]
        if asked is not None and asked.result == "ok":
            self.rounds.append((len(verdicts), sum(v.kept for v in verdicts)))
        for verdict in verdicts:
            params, variant = verdict.proposal.params, verdict.proposal.variant
            if verdict.kept and variant is not None:
                self.variants[self._space.key(params)] = variant
            if not verdict.kept and verdict.checked and verdict.proposal.source != KNOWN:
                self._doubt(verdict.proposal)

    def _doubt(self, proposal: Proposal) -> None:
        """Keep what was rejected twice from being judged again: a point that is proposed stubbornly, or stays in the
        pool, would otherwise pass some day by the ups and downs of the belief."""
        params = proposal.params
        (self._doubted if self._doubted.is_new(params) else self._refused).add(params)

    def _is_new(self, proposal: Proposal) -> bool:
        key = self._space.key(proposal.params)
        return all(self._space.key(p.params) != key for p in self.seen)


def _past_of(plan: Plan) -> Past | None:
    """Return what is to be remembered of a plan; None where no planner had a part in it."""
    first = plan.decisions[0]
    return Past(first.asked, first.verdicts) if first.asked or first.verdicts else None
