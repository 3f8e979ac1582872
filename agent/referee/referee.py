"""The referees: which of a planner's proposals may be run, judged by the engine's belief. Pure functions of their
arguments.

Two rules, compared with others in ``benchmarks/no_harm.py`` (decision 0050): a slack that shrinks with t (LLINBO's
Justify, on the log of the acquisition function), and the same slack widened or closed by learnt trust.
Notation: t finished trials · gap = log acquisition of the engine's own optimum minus that of the proposal.
Source: LLINBO (arXiv 2505.14756).
"""

import math
from dataclasses import dataclass

from ...evaluators.problems.history import Proposal
from ...surrogates.contracts import Assessment
from ..contracts import Case, Verdict
from .plausibility import plausibility
from .trust import Trust, trust_in_planner


@dataclass(frozen=True)
class SlackReferee:
    """Keeps a proposal if its log acquisition is within ``slack / t`` of the engine's own optimum."""

    slack: float = 1.0

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal, in order."""
        return _by_gap(case, self.slack / max(1, len(case.history.finished)), "")


@dataclass(frozen=True)
class TrustReferee:
    """Keeps a proposal if the gap is within a slack that shrinks with t, follows the learnt trust w, and is open only
    to planners whose proposals are plausible.

    The slack is ``slack * trusted * plausible / t**power``, capped: ``trusted`` grows from 0 at w <= floor to 1 at w = 1,
    ``plausible`` from 0 to 1 between the two plausibilities given (None: always 1). Whatever the trust, it stays inside
    O(1/t**power). ``prior``: trust to start with (``agent/planner/selftest.py``); ``lift``: what full plausibility adds to it.
    ``informative``: share of the sd at the engine's own point that a proposal must have: small changes of what was
    tried tell nothing, and are the engine's work. ``looks_again``: nothing is kept of the first call before one more trial
    has shown what its proposals look like then.
    """

    slack: float = 20.0
    floor: float = 0.35
    power: float = 1.0
    cap: float = 1.5
    prior: float = 0.5
    plausible: tuple[float, float] | None = (0.58, 0.75)
    lift: float = 0.3
    informative: float = 0.6
    looks_again: bool = True

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal, in order."""
        if self.looks_again and not case.earlier:
            return tuple(
                Verdict(p, False, "looked at for the first time", checked=False) for p in case.proposals
            )
        share, why = self._plausible(case)
        lift = 0.0 if self.plausible is None else self.lift * share
        trust = trust_in_planner(case.history, prior=min(0.9, self.prior + lift))
        allowed = share * self.allowed(trust, len(case.history.finished))
        why = f", trust {trust.mean:.2f}{why}"
        return _by_gap(case, allowed, why, self.informative)

    def _plausible(self, case: Case) -> tuple[float, str]:
        """Return how far the gate is open to a planner that made these proposals, in [0, 1], and why."""
        if self.plausible is None:
            return 1.0, ""
        level = plausibility((*case.earlier, *case.proposals), case.belief, case.history)
        low, high = self.plausible
        return min(1.0, max(0.0, (level - low) / (high - low))), f", plausibility {level:.2f}"

    def allowed(self, trust: Trust, t: int) -> float:
        """Return the slack on the log acquisition after ``t`` trials, for a plausible planner."""
        share = max(0.0, trust.mean - self.floor) / (1 - self.floor)
        return min(self.cap, self.slack * share / max(1, t) ** self.power)


def _by_gap(case: Case, allowed: float, why: str, informative: float = 0.0) -> tuple[Verdict, ...]:
    proposals, own = case.proposals, case.suggestion.assessment
    if not proposals:
        return ()
    if not case.belief.modelled or own is None:
        return tuple(Verdict(p, False, "nothing is modelled yet") for p in proposals)
    rule = f"allowed {allowed:.3g} in log acquisition{why}"
    verdicts = []
    for p, a in zip(proposals, case.belief.assess([p.params for p in proposals]), strict=True):
        is_certain = a.z_sd < informative * own.z_sd
        is_kept = _gap(own, a) <= allowed and not is_certain
        verdicts.append(
            _verdict(p, is_kept, a, own, f"{rule}{', too well known already' if is_certain else ''}")
        )
    return tuple(verdicts)


def _gap(own: Assessment, other: Assessment) -> float:
    gap = own.log_acquisition - other.log_acquisition
    return math.inf if math.isnan(gap) else gap


def _verdict(proposal: Proposal, kept: bool, assessment: Assessment, own: Assessment, rule: str) -> Verdict:
    gap = _gap(own, assessment)
    return Verdict(
        proposal,
        kept,
        f"{'within' if kept else 'outside'} the slack: gap {gap:.3g}, {rule}",
        gap,
        assessment.prediction,
    )
