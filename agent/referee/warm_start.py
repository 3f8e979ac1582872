"""The referees of the first trials, while the engine still fills its initial design: what is run in place of a design
point.

The engine's default comes first and is the yardstick. ``WarmStartReferee`` compares a proposal with the design point it
would replace, by the belief that two trials already give: a proposal that looks no worse costs nothing in expectation,
whoever made it. ``UncheckedWarmStart`` runs the first proposals as they are, which was measured to cost more (decision
0051). Both stop at ceil(sqrt(T)) planned trials (LLINBO's Transient rule, arXiv 2505.14756).
"""

import math
from dataclasses import dataclass

from ...evaluators.problems.history import History
from ..contracts import Case, Verdict
from .trust import Trust, is_planned, trust_in_planner


@dataclass(frozen=True)
class WarmStartReferee:
    """Keeps the most plausible proposal if it looks as good as the design point, with a slack that follows trust.

    ``trials``: the study's budget T where known (else 30). ``proven``: trust from which a proposal need not be checked.
    ``slack``: what a neutral trust allows on the log acquisition.
    """

    trials: int | None = None
    proven: float = 0.62
    slack: float = 0.0

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal; at most one is kept."""
        proposals, own = case.proposals, case.suggestion.assessment
        used, trust = planned_trials(case.history), trust_in_planner(case.history)
        if used >= most_unchecked(self.trials):
            return tuple(
                Verdict(p, False, f"{used} planned trials are enough to start with") for p in proposals
            )
        if not proposals or not case.belief.modelled or own is None:
            return tuple(Verdict(p, False, "nothing is modelled yet") for p in proposals)
        assessments = case.belief.assess([p.params for p in proposals])
        gaps = [own.log_acquisition - a.log_acquisition for a in assessments]
        allowed = self.allowed(trust)
        best = min(range(len(gaps)), key=gaps.__getitem__)
        rule = f"gap {gaps[best]:.3g} to the design point, allowed {allowed:.3g}, trust {trust.mean:.2f}"
        return tuple(
            Verdict(
                p,
                i == best and gaps[i] <= allowed,
                rule if i == best else "another one looks better",
                g,
                a.prediction,
                math.isfinite(allowed),
            )
            for i, (p, g, a) in enumerate(zip(proposals, gaps, assessments, strict=True))
        )

    def allowed(self, trust: Trust) -> float:
        """Return the slack on the log acquisition: everything once proven, nothing below a neutral trust."""
        return math.inf if trust.mean >= self.proven else (self.slack if trust.mean >= 0.5 else -0.5)


@dataclass(frozen=True)
class UncheckedWarmStart:
    """Keeps the first proposal, whatever it looks like, while the planner's trials do no worse than the others."""

    trials: int | None = None
    floor: float = 0.5

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal; at most the first is kept."""
        proposals, history = case.proposals, case.history
        used, trust = planned_trials(history), trust_in_planner(history)
        waiting = sum(is_planned(t.source) for t in history.running)
        if used >= most_unchecked(self.trials):
            return tuple(
                Verdict(p, False, f"{used} planned trials are enough to start with") for p in proposals
            )
        if trust.mean < self.floor or (waiting and not trust.trials):
            return tuple(
                Verdict(p, False, f"its trials did worse than others: trust {trust.mean:.2f}")
                for p in proposals
            )
        reason = f"unchecked warm start {used + 1}, trust {trust.mean:.2f}"
        return tuple(
            Verdict(p, i == 0, reason if i == 0 else "another one goes first", checked=False)
            for i, p in enumerate(proposals)
        )


@dataclass(frozen=True)
class NoWarmStart:
    """Keeps nothing: the engine's initial design is run as it is."""

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal."""
        return tuple(Verdict(p, False, "the initial design is the engine's") for p in case.proposals)


def struggles(history: History) -> bool:
    """Whether so many trials failed for what they were that there is little to model: three, and more than succeeded."""
    failed = sum(t.kind not in ("lost", "infrastructure") for t in history.failed)
    return failed >= 3 and failed > len(history.finished)


def planned_trials(history: History) -> int:
    """Return how many trials of ``history`` a planner proposed, running ones included."""
    return sum(is_planned(t.source) for t in (*history.finished, *history.failed, *history.running))


def most_unchecked(trials: int | None) -> int:
    """Return how many trials of a planner may be run before there is a model to check them with."""
    return math.ceil(math.sqrt(trials or 30))
