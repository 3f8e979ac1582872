"""Which configuration to try next when trials cost differently: expected improvement per second.

A server that runs already can be loaded differently (or have its limits lowered) in seconds; another one has to be
started first. Finite spaces are scored completely and the best score per cost wins, which groups trials by restart
class without a rule for it. Knows the cost only as a function of (candidate, what was run last).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ..evaluators.history import History, Params
from ..evaluators.parameters import Categorical
from ..evaluators.problem import Problem
from ..evaluators.streams import stream
from ..surrogates.contracts import Belief, Engine
from .contracts import Ask, Decision, Plan
from .strategy import decision_of, default_engine
from .tuning_odds import Harder, Odds

Cost = Callable[[Params, Params | None], float]
"""Seconds that a candidate would take after what was run last (None: nothing yet)."""

SCORED = 3000
"""Spaces up to this size are scored completely; of larger ones the engine's suggestion, neighbours and a sample."""
SAMPLED, ANCHORS = 300, 3
"""Of a larger space: configurations drawn, and best trials whose neighbours by one knob are scored."""
CAUTION = 2.0
"""Exponent of the odds that a configuration runs. Chosen on replay."""
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
        harder: Mapping[str, Harder] | None = None,
    ) -> None:
        """``harder``: ordered knobs that ask for more or less, and so are likelier or less likely to fail."""
        self._problem, self._seed, self._cost = problem, seed, cost
        self._harder = dict(harder or {})
        self._engine = engine if engine is not None else default_engine(problem)
        self._last: Params | None = None

    def plan(self, ask: Ask) -> Plan:
        """Return one decision for ``n`` = 1 without fixed values, else the engine's own suggestions."""
        rng = stream(self._seed, ask.index, "surrogate")
        belief = self._engine.condition(ask.history, rng)
        decision = self._own(ask.history, belief, rng) if ask.n == 1 and not ask.fixed else None
        if decision is not None:
            self._last = decision.params
            return Plan((decision,))
        suggestions = belief.suggest(ask.n, rng, fixed=ask.fixed)
        self._last = suggestions[-1].params
        return Plan(tuple(decision_of(s, notes=tuple(belief.notes)) for s in suggestions))

    def _own(self, history: History, belief: Belief, rng: np.random.Generator) -> Decision | None:
        """Return the decision by cost and odds; None where the engine's own is as good, or nothing is left."""
        tried = len(history.finished) + len(history.failed)
        odds = Odds(history, self._harder)
        modelled = belief.modelled and tried >= MODELLED_FROM
        if not modelled and not (odds.known and tried):
            return None
        candidates = self._candidates(history, belief, rng)
        if not candidates:
            return None
        return (
            self._gaining(belief, odds, candidates) if modelled else self._telling(history, odds, candidates)
        )

    def _candidates(self, history: History, belief: Belief, rng: np.random.Generator) -> list[Params]:
        """Return what is not tried yet: all of a small space; none where the engine would measure something again."""
        taken, space = history.taken, self._problem.space
        if space.size is not None and space.size <= SCORED:
            everything = space.decode(np.vstack(list(space.enumerated())))
            return [p for p in everything if space.key(p) not in taken]
        suggested = belief.suggest(1, rng)[0].params
        if space.key(suggested) in taken:
            return []
        pool = [suggested, *self._neighbours(history), *space.sample(rng, SAMPLED)]
        distinct = {space.key(p): p for p in reversed(pool)}
        return [p for key, p in reversed(distinct.items()) if key not in taken]

    def _neighbours(self, history: History) -> Iterator[Params]:
        """Yield what differs in one choice from what ran last or from one of the best trials."""
        space, problem = self._problem.space, self._problem
        ranked = sorted(
            history.finished,
            key=lambda t: (not problem.feasible(t.measurement), -problem.signs[0] * t.measurement.values[0]),
        )
        for anchor in [*([self._last] if self._last else []), *(t.params for t in ranked[:ANCHORS])]:
            for parameter in space:
                if isinstance(parameter, Categorical) and parameter.name in anchor:
                    moved = (space.clip({**anchor, parameter.name: c}) for c in parameter.choices)
                    yield from (p for p in moved if space.satisfies(p))

    def _gaining(self, belief: Belief, odds: Odds, candidates: Sequence[Params]) -> Decision:
        assessed = belief.assess(candidates)
        worth = np.array([a.log_acquisition for a in assessed])
        best, score, cost = self._best(odds, candidates, worth)
        reason = f"most expected improvement per second (log value {score:.2f} at {cost:.0f} s)"
        return Decision(
            candidates[best], "surrogate", reason, "own", assessed[best].prediction, notes=tuple(belief.notes)
        )

    def _telling(self, history: History, odds: Odds, candidates: Sequence[Params]) -> Decision:
        """Return the candidate that is farthest from what was tried, for its cost and odds."""
        best, _, cost = self._best(odds, candidates, np.log(self._distances(history, candidates)))
        reason = f"tells something new, is likely to run, and takes {cost:.0f} s"
        return Decision(candidates[best], "surrogate", reason, "own")

    def _distances(self, history: History, candidates: Sequence[Params]) -> np.ndarray:
        """Return how far each candidate (m,) is from the closest trial: mean over knobs, other choices at 1."""
        space = self._problem.space
        tried = np.vstack([history.rows(kind).X for kind in ("finished", "failed", "pruned", "running")])
        apart = np.abs(space.encode(candidates)[0][:, None, :] - tried[None, :, :])
        return np.where(space.is_categorical & (apart > 0), 1.0, apart).mean(axis=2).min(axis=1)

    def _best(self, odds: Odds, candidates: Sequence[Params], worth: np.ndarray) -> tuple[int, float, float]:
        """Return index, score and cost of the candidate with the most worth (m,), in logarithms, for cost and odds."""
        costs = [self._cost(p, self._last) for p in candidates]
        scores = worth - np.log(costs) + CAUTION * np.log([odds.runs(p) for p in candidates])
        best = int(np.argmax(scores))
        return best, float(scores[best]), costs[best]
