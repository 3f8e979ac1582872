"""Which configuration to try next when trials cost differently: expected improvement per second.

A server that runs already can be loaded differently (or have its limits lowered) in seconds; another one has to be
started first. Finite spaces are scored completely and the best score per cost wins, which groups trials by restart
class without a rule for it. An engine around another one, so that strategies with and without a planner use it alike, and
a planner's proposals are held against the same scores. Knows the cost only as a function of the candidate.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...evaluators.problems.history import History, Params, Value
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.parameters import Categorical
from ...surrogates.contracts import Assessment, Belief, Engine, Suggestion
from ...surrogates.engine.expected import Expected, ExpectingEngine
from ..strategies.simple import default_engine
from .odds import Harder, Odds

Cost = Callable[[Params], float]
"""Seconds that a candidate would take now."""

SCORED = 3000
"""Spaces up to this size are scored completely; of larger ones the engine's suggestion, neighbours and a sample."""
SAMPLED, ANCHORS = 300, 3
"""Of a larger space: configurations drawn, and best trials whose neighbours by one knob are scored."""
CAUTION = 2.0
"""Exponent of the odds that a configuration runs. Chosen on replay."""
MODELLED_FROM = 4
"""Trials before the acquisition function decides: fewer say nothing about how knobs act together."""


class CostAwareEngine:
    """The engine's acquisition value divided by cost, times the odds of running. Deterministic in (history, rng, costs)."""

    def __init__(
        self,
        problem: Problem,
        cost: Cost,
        *,
        engine: Engine | None = None,
        harder: Mapping[str, Harder] | None = None,
        expected: Expected | None = None,
    ) -> None:
        """``harder``: ordered knobs that ask for more or less, and so are likelier or less likely to fail; ``expected``:
        estimates of objective and limits, from which the search begins."""
        self._cost, self._harder = cost, dict(harder or {})
        self._engine = engine if engine is not None else default_engine(problem)
        self._modelled_from = MODELLED_FROM
        if expected is not None:
            self._engine, self._modelled_from = ExpectingEngine(problem, expected, self._engine), 0

    def condition(self, history: History, rng: np.random.Generator) -> Belief:
        """Return the engine's belief, its scores by cost and odds."""
        belief = self._engine.condition(history, rng)
        return CostAwareBelief(belief, history, self._cost, Odds(history, self._harder), self._modelled_from)


class CostAwareBelief:
    """The belief of an engine whose log acquisition values are per second and weighed by the odds of running."""

    def __init__(
        self, belief: Belief, history: History, cost: Cost, odds: Odds, modelled_from: int = MODELLED_FROM
    ) -> None:
        self._belief, self._history, self._cost, self._odds = belief, history, cost, odds
        self._modelled_from = modelled_from

    @property
    def notes(self) -> Sequence[str]:
        """As the engine's."""
        return self._belief.notes

    @property
    def modelled(self) -> bool:
        """As the engine's."""
        return self._belief.modelled

    def suggest(
        self, n: int, rng: np.random.Generator, *, fixed: Mapping[str, Value] | None = None
    ) -> tuple[Suggestion, ...]:
        """Return one suggestion by cost and odds, or the engine's own: for batches, with fixed values, and where it is
        as good. All carry assessments as ``assess`` gives them."""
        own = self._own(rng) if n == 1 and not fixed else None
        if own is not None:
            return (own,)
        return tuple(
            s if s.assessment is None else replace(s, assessment=self._priced(s.params, s.assessment))
            for s in self._belief.suggest(n, rng, fixed=fixed)
        )

    def assess(self, params: Sequence[Params]) -> tuple[Assessment, ...]:
        """Return the engine's assessments with the log acquisition per second, weighed by the odds."""
        assessed = self._belief.assess(params)
        return tuple(map(self._priced, params, assessed)) if assessed else ()

    def _priced(self, params: Params, assessment: Assessment) -> Assessment:
        return replace(assessment, log_acquisition=assessment.log_acquisition + self._worth(params))

    def _worth(self, params: Params) -> float:
        """Return what cost and odds add to a log acquisition value."""
        return float(CAUTION * np.log(self._odds.runs(params)) - np.log(self._cost(params)))

    def _own(self, rng: np.random.Generator) -> Suggestion | None:
        """Return the suggestion by cost and odds; None where the engine's own is as good, or nothing is left."""
        trials = len(self._history.finished) + len(self._history.failed)
        modelled = self.modelled and trials >= self._modelled_from
        if not modelled and not (self._odds.known and trials):
            return None
        candidates = self._candidates(rng)
        if not candidates:
            return None
        return self._gaining(candidates) if modelled else self._telling(candidates)

    def _candidates(self, rng: np.random.Generator) -> list[Params]:
        """Return what is not tried yet: all of a small space; none where the engine would measure something again."""
        keys, space = self._history.taken, self._history.problem.space
        if space.size is not None and space.size <= SCORED:
            everything = space.decode(np.vstack(list(space.enumerated())))
            return [p for p in everything if space.key(p) not in keys]
        suggested = self._belief.suggest(1, rng)[0].params
        if space.key(suggested) in keys:
            return []
        pool = [suggested, *self._neighbours(), *space.sample(rng, SAMPLED)]
        distinct = {space.key(p): p for p in reversed(pool)}
        return [p for key, p in reversed(distinct.items()) if key not in keys]

    def _neighbours(self) -> Iterator[Params]:
        """Yield what differs in one choice from what finished last or from one of the best trials."""
        problem = self._history.problem
        latest = sorted(self._history.finished, key=lambda t: t.number)[-1:]
        ranked = sorted(
            self._history.finished,
            key=lambda t: (not problem.feasible(t.measurement), -problem.signs[0] * t.measurement.values[0]),
        )
        for anchor in (t.params for t in [*latest, *ranked[:ANCHORS]]):
            for parameter in problem.space:
                if isinstance(parameter, Categorical) and parameter.name in anchor:
                    variants = (problem.space.clip({**anchor, parameter.name: c}) for c in parameter.choices)
                    yield from (p for p in variants if problem.space.satisfies(p))

    def _gaining(self, candidates: Sequence[Params]) -> Suggestion:
        """Return the candidate of the highest score, the first of equal ones."""
        assessed = self.assess(candidates)
        best = int(np.argmax([a.log_acquisition for a in assessed]))
        score, cost = assessed[best].log_acquisition, self._cost(candidates[best])
        reason = f"most expected improvement per second (log value {score:.2f} at {cost:.0f} s)"
        return Suggestion(candidates[best], "acquisition", reason, assessed[best])

    def _telling(self, candidates: Sequence[Params]) -> Suggestion:
        """Return the candidate that is farthest from what was tried, for its cost and odds."""
        worth = np.log(self._distances(candidates)) + [self._worth(p) for p in candidates]
        best = candidates[int(np.argmax(worth))]
        reason = f"tells something new, is likely to run, and takes {self._cost(best):.0f} s"
        return Suggestion(best, "initial_design", reason)

    def _distances(self, candidates: Sequence[Params]) -> np.ndarray:
        """Return how far each candidate (m,) is from the closest trial: mean over knobs, other choices at 1."""
        space, kinds = self._history.problem.space, ("finished", "failed", "pruned", "running")
        rows = np.vstack([self._history.rows(kind).X for kind in kinds])
        apart = np.abs(space.encode(candidates)[0][:, None, :] - rows[None, :, :])
        return np.where(space.is_categorical & (apart > 0), 1.0, apart).mean(axis=2).min(axis=1)
