"""What a model said of regions and failures, as soft knowledge: how much it weighs is learnt from the study's outcomes.

A rule's weight is the posterior probability that a trial it applies to fails; a region's, the probability that a trial
inside is better than one outside. Rules drop proposals, regions order and add to them. A rule that has come true twice and
never been wrong also keeps the engine from such configurations, as far as its weight goes; until then the engine knows
nothing of it, so that a wrong rule cannot lead it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...evaluators.problems.history import FailedTrial, History, Params, Proposal
from ...prompts.elicitation import Elicited, Region, Rule
from ...prompts.selection import goodness
from ..referee.novelty import Novelty

_PRIOR = 2.0
"""Trials that a model's word counts for, half of them in its favour and shared out by its confidence."""
_TRUE = 2
"""Trials that must have failed under a rule, and none succeeded, before the engine is kept from such configurations."""
_BROADEST = 0.8
"""Share of the space: a rule that covers more says nothing that can be used."""


@dataclass(frozen=True)
class SoftKnowledge:
    """Regions and rules of one study."""

    elicited: Elicited

    def rule_weight(self, rule: Rule, history: History) -> float:
        """Return the probability that a trial to which ``rule`` applies fails, from a prior of 2/3."""
        failed = sum(rule.applies(t.params) for t in history.failed if _own(t))
        went_well = sum(rule.applies(t.params) for t in history.finished)
        return (failed + 2 * _PRIOR / 3) / (failed + went_well + _PRIOR)

    def region_weight(self, region: Region, history: History) -> float:
        """Return the probability that a trial inside ``region`` beats one outside, from a prior by its confidence."""
        prior = 0.5 + 0.25 * region.confidence
        g, inside = goodness(history), self._inside(region, history)
        if not inside.any() or inside.all() or not len(g):
            return prior
        wins = (g[inside][:, None] > g[~inside][None, :]).mean()
        evidence = float(min(inside.sum(), (~inside).sum()))
        return float((_PRIOR * prior + evidence * wins) / (_PRIOR + evidence))

    def refused(self, params: Params, history: History) -> Rule | None:
        """Return the rule by which a configuration will probably fail, if any."""
        applying = [r for r in self.elicited.rules if r.applies(params)]
        return next((r for r in applying if self.rule_weight(r, history) > 0.5), None)

    def filtered(
        self, proposals: Sequence[Proposal], history: History
    ) -> tuple[tuple[Proposal, ...], tuple[str, ...]]:
        """Return the proposals that no rule refuses, best region first, and what was refused in words."""
        fitting, notes = list[Proposal](), list[str]()
        for p in proposals:
            rule = self.refused(p.params, history)
            if rule is None:
                fitting.append(p)
            else:
                notes.append(f"dropped a proposal that would probably fail: {rule.text}")
        return tuple(sorted(fitting, key=lambda p: -self.score(p.params, history))), tuple(notes)

    def doubt(self, params: Params, history: History) -> tuple[float, str]:
        """Return how sure it is that a configuration fails, by the rules that came true, and by which; 0.0 and "" if none.

        A rule has come true when two trials failed under it, none succeeded, and it does not cover nearly everything.
        """
        doubt = (0.0, "")
        for rule in self.elicited.rules:
            under = sum(rule.applies(t.params) for t in history.failed if _own(t))
            if (
                under < _TRUE
                or not rule.applies(params)
                or any(rule.applies(t.params) for t in history.finished)
            ):
                continue
            samples = history.problem.space.sample(np.random.default_rng(0), 64)
            if np.mean([rule.applies(p) for p in samples]) <= _BROADEST:
                doubt = max(doubt, (self.rule_weight(rule, history), rule.text))
        return doubt

    def score(self, params: Params, history: History) -> float:
        """Return how well a configuration agrees with the regions: the mean weight over 0.5 of those it lies in."""
        space = history.problem.space
        total = 0.0
        for region in self.elicited.regions:
            if region.name in params:
                u = float(space[region.name].encode([params[region.name]])[0])
                total += (self.region_weight(region, history) - 0.5) * (region.low <= u <= region.high)
        return total / max(1, len(self.elicited.regions))

    def sampled(
        self, history: History, n: int, rng: np.random.Generator, source: str
    ) -> tuple[Proposal, ...]:
        """Return ``n`` new configurations drawn from the regions that are trusted, uniform elsewhere; no model is asked."""
        space, novelty = history.problem.space, Novelty.of(history)
        names = list(space.names)
        trusted = [r for r in self.elicited.regions if self.region_weight(r, history) > 0.5]
        if not trusted:
            return ()
        proposals = list[Proposal]()
        for x in space.sample_rows(rng, 8 * n):
            for region in trusted:
                i = names.index(region.name)
                x[i] = region.low + (region.high - region.low) * rng.random()
            params = space.from_unit(x)
            if (
                len(proposals) < n
                and space.satisfies(params)
                and novelty.is_new(params)
                and self.refused(params, history) is None
            ):
                novelty.add(params)
                proposals.append(Proposal(params, source, "drawn from the ranges that the model named"))
        return tuple(proposals)

    def _inside(self, region: Region, history: History) -> np.ndarray:
        rows = history.rows("finished")
        i = list(history.problem.space.names).index(region.name)
        return rows.active[:, i] & (rows.X[:, i] >= region.low - 1e-9) & (rows.X[:, i] <= region.high + 1e-9)


def _own(trial: FailedTrial) -> bool:
    """Whether a trial failed for what it was."""
    return trial.kind not in ("lost", "infrastructure")
