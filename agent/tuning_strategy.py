"""Which configuration to try next when trials cost differently: expected improvement per second.

A server that runs already can be loaded differently (or have its limits lowered) in seconds; another one has to be
started first. Finite spaces are scored completely and the best score per cost wins, which groups trials by restart
class without a rule for it. Knows the cost only as a function of (candidate, what was run last).
"""

import math
from collections.abc import Callable, Collection

import numpy as np

from ..evaluators.history import History, Params
from ..evaluators.problem import Problem
from ..evaluators.streams import stream
from ..surrogates.contracts import Belief, Engine
from .contracts import Ask, Decision, Plan
from .strategy import decision_of, default_engine

Cost = Callable[[Params, Params | None], float]
"""Seconds that a candidate would take after what was run last (None: nothing yet)."""

SCORED = 3000
"""Spaces up to this size are scored completely; in larger ones the engine's own suggestion is taken."""
CAUTION, HARDER = 2.0, 0.3
"""Exponent of the odds that a load runs, and what they are multiplied with beyond a failure. Chosen on replay, where they
cut the failures paid by 44 % and the minutes by 7 % on the tables that have a load among their knobs."""
MODELLED_FROM = 4
"""Trials before the acquisition function decides: fewer say nothing about how knobs act together."""


class CostAwareStrategy:
    """The engine's acquisition value divided by cost. Deterministic in (history, seed, index)."""

    name = "cost-aware"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        cost: Cost,
        *,
        engine: Engine | None = None,
        climbs: Collection[str] = (),
    ) -> None:
        """``climbs``: ordered knobs of the load, where more is harder; they are raised after a success, not before."""
        self._problem, self._seed, self._cost = problem, seed, cost
        self._climbs = tuple(climbs)
        self._engine = engine if engine is not None else default_engine(problem)
        self._last: Params | None = None

    def plan(self, ask: Ask) -> Plan:
        """Return one decision for ``n`` = 1 without fixed values, else the engine's own suggestions."""
        rng = stream(self._seed, ask.index, "surrogate")
        belief = self._engine.condition(ask.history, rng)
        size = self._problem.space.size
        tried = len(ask.history.finished) + len(ask.history.failed)
        if (
            ask.n == 1
            and not ask.fixed
            and belief.modelled
            and size is not None
            and size <= SCORED
            and tried >= MODELLED_FROM
        ):
            decision = self._cheapest_gain(ask.history, belief)
            if decision is not None:
                self._last = decision.params
                return Plan((decision,))
        suggestions = belief.suggest(ask.n, rng, fixed=ask.fixed)
        self._last = suggestions[-1].params
        return Plan(tuple(decision_of(s, notes=tuple(belief.notes)) for s in suggestions))

    def _cheapest_gain(self, history: History, belief: Belief) -> Decision | None:
        space = self._problem.space
        kinds = ("finished", "failed", "pruned", "running")
        taken = {space.key(t.params) for kind in kinds for t in getattr(history, kind)}
        rows = np.vstack(list(space.enumerated()))
        candidates = [p for p in space.decode(rows) if space.key(p) not in taken]
        if not candidates:
            return None
        assessed = belief.assess(candidates)
        costs = [self._cost(p, self._last) for p in candidates]
        scores = [
            a.log_acquisition - math.log(c) + CAUTION * math.log(will_run(history, p, self._climbs))
            for p, a, c in zip(candidates, assessed, costs, strict=True)
        ]
        best = int(np.argmax(scores))
        reason = f"most expected improvement per second (log value {scores[best]:.2f} at {costs[best]:.0f} s)"
        return Decision(
            candidates[best], "surrogate", reason, "own", assessed[best].prediction, notes=tuple(belief.notes)
        )


def will_run(history: History, params: Params, climbs: Collection[str]) -> float:
    """Return, in (0, 1], how likely a load is to run at all, from what ran and what failed; 1 without ``climbs``.

    For each such knob: the share of trials at this value that ran, counting one imagined success; ``HARDER`` times that
    beyond a failure of the same configuration, and again beyond everything that ran before on any other one.
    """
    return math.prod(_runs(history, params, knob) for knob in climbs)


def _runs(history: History, params: Params, knob: str) -> float:
    value = float(str(params[knob]))
    seen = [(t.params, True) for t in history.finished] + [(t.params, False) for t in history.failed]
    loads = [(float(str(p[knob])), ran, _same_but(p, params, knob)) for p, ran in seen]
    if any(ran and same and load >= value for load, ran, same in loads):
        return 1.0
    at = [ran for load, ran, _ in loads if load == value]
    odds = (sum(at) + 1) / (len(at) + 1)
    if any(not ran and same and load <= value for load, ran, same in loads):
        odds *= HARDER
    ran_here = any(ran and same for _, ran, same in loads)
    if not ran_here and value > max((load for load, ran, _ in loads if ran), default=0.0):
        odds *= HARDER
    return odds


def _same_but(one: Params, other: Params, knob: str) -> bool:
    return all(value == other.get(name) for name, value in one.items() if name != knob)
