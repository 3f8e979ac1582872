"""Which configuration to try next when trials cost differently: expected improvement per second.

A server that runs already can be loaded differently (or have its limits lowered) in seconds; another one has to be
started first. Finite spaces are scored completely and the best score per cost wins, which groups trials by restart
class without a rule for it. Knows the cost only as a function of (candidate, what was run last).
"""

import math
from collections.abc import Callable

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
MODELLED_FROM = 4
"""Trials before the acquisition function decides: fewer say nothing about how knobs act together."""


class CostAwareStrategy:
    """The engine's acquisition value divided by cost. Deterministic in (history, seed, index)."""

    name = "cost-aware"

    def __init__(self, problem: Problem, seed: int, cost: Cost, *, engine: Engine | None = None) -> None:
        self._problem, self._seed, self._cost = problem, seed, cost
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
        scores = [a.log_acquisition - math.log(c) for a, c in zip(assessed, costs, strict=True)]
        best = int(np.argmax(scores))
        reason = f"most expected improvement per second (log value {scores[best]:.2f} at {costs[best]:.0f} s)"
        return Decision(
            candidates[best], "surrogate", reason, "own", assessed[best].prediction, notes=tuple(belief.notes)
        )
