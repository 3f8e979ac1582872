"""The two strategies that need no model, the surrogate alone and random search, and what all strategies share.

Strategies know nothing of the ledger. Each draws from its own random stream, ``stream(seed, index, purpose)``: the
surrogate's stream never depends on a model call, so a study whose proposals are all rejected is bit-identical to one
without a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...evaluators.errors import SpaceExhausted
from ...evaluators.problems.history import History, Params, Proposal, Value
from ...evaluators.problems.problem import Problem
from ...evaluators.random_streams import stream
from ...prompts.knowledge import warm_starts
from ...surrogates.contracts import Engine, Suggestion
from ...surrogates.options.multitask import EarlierStudy
from ..contracts import Ask, Decision, Plan
from ..engine_options import EngineOptions
from ..planner.scaling_laws import prior_proposals
from ..referee.knowledge import known_proposals
from ..referee.novelty import Novelty

_OPENING = 4
"""Trials within which what is known beforehand is run."""

_ATTEMPTS = 2_000
"""Draws before random search says that nothing is left: a space in which fewer than one in 2,000 points is new and
valid."""


class RandomStrategy:
    """Uniform random search without repetition."""

    name = "random"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._seed = problem, seed

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` new configurations drawn uniformly from the unit cube."""
        keys = taken_keys(ask.history)
        decisions = []
        for i in range(ask.n):
            params = draw_new(self._problem, keys, stream(self._seed, ask.index + i, "random"), ask.fixed)
            keys.add(self._problem.space.key(params))
            decisions.append(Decision(params, "random", "drawn uniformly", "own"))
        return Plan(tuple(decisions))


class SurrogateStrategy:
    """The engine alone: default configuration, initial design, then the acquisition function's optimum.

    ``by_name``: what is known of parameters by name is run in between, as ``agent/referee/knowledge.py`` says.
    """

    name = "surrogate"

    def __init__(
        self, problem: Problem, seed: int, *, engine: Engine | None = None, by_name: bool = False
    ) -> None:
        self._seed, self._starts = seed, warm_starts(problem) if by_name else ()
        self._engine = engine if engine is not None else default_engine(problem)

    def plan(self, ask: Ask) -> Plan:
        """Return the engine's next ``ask.n`` configurations."""
        start = opening(ask, self._starts)
        if start is not None:
            return Plan((start,))
        rng = stream(self._seed, ask.index, "surrogate")
        belief = self._engine.condition(ask.history, rng)
        suggestions = belief.suggest(ask.n, rng, fixed=ask.fixed)
        return Plan(tuple(decision_of(s, notes=tuple(belief.notes)) for s in suggestions))


def default_engine(
    problem: Problem, *, surrogate: str | None = None, options: EngineOptions | None = None,
    earlier: Sequence[EarlierStudy] = (),
) -> Engine:  # fmt: skip
    """Return the engine of ``surrogates/``, which loads numpy and scipy.

    ``surrogate``: an alternative's name, or ``per-second`` or ``per-cost`` for expected improvement per unit of what the
    measurements say they cost. ``earlier``: studies to learn from; the best of the first two are then the initial design.
    """
    from ...surrogates.alternatives.by_name import alternative
    from ...surrogates.engine.engine import GaussianEngine
    from ...surrogates.models.outcome import Settings

    settings = replace(Settings(), **(options or EngineOptions()).settings())
    if surrogate in ("per-second", "per-cost"):
        price = "seconds" if surrogate == "per-second" else "cost"
        return GaussianEngine(problem, replace(settings, price=price))
    if earlier:
        design = (options and options.design_trials) or 1 + min(len(earlier), 2)
        return GaussianEngine(problem, replace(settings, design=design), earlier=tuple(earlier))
    return GaussianEngine(problem, settings, None if surrogate is None else alternative(surrogate))


def opening(ask: Ask, starts: Sequence[Proposal] = ()) -> Decision | None:
    """Return what is known beforehand and to be run now, once each, after the default: the configuration of a scaling
    law, and ``starts``, the usual configurations of parameters that the knowledge base knows, the first of them in
    place of the default where none is declared."""
    undeclared = starts and not ask.history.problem.space.has_defaults
    if ask.fixed or ask.n > 1 or not (len(ask.history) or undeclared):
        return None
    laws = prior_proposals(ask.history.problem) if 0 < len(ask.history) <= _OPENING else ()
    for p in laws:
        if Novelty.of(ask.history).is_new(p.params):
            return Decision(
                p.params, p.source, f"a scaling law, run once: {p.hypothesis}", "own", hypothesis=p.hypothesis
            )
    for p in known_proposals(ask.history, starts) if starts else ():
        return Decision(p.params, p.source, f"run unchecked: {p.hypothesis}", "own", hypothesis=p.hypothesis)
    return None


def decision_of(suggestion: Suggestion, *, verdict: str = "own", notes: Sequence[str] = ()) -> Decision:
    """Return the decision to run what the engine suggests."""
    sources = {"acquisition": "surrogate", "replicate": "surrogate"}
    assessment = suggestion.assessment
    return Decision(
        suggestion.params,
        source=sources.get(suggestion.origin, suggestion.origin),
        reason=suggestion.reason,
        verdict=verdict,
        prediction=None if assessment is None else assessment.prediction,
        notes=tuple(notes),
    )


def taken_keys(history: History) -> set[str]:
    """Return the canonical keys of every configuration that was tried or is running."""
    return history.taken


def draw_new(
    problem: Problem, taken: set[str], rng: np.random.Generator, fixed: Mapping[str, Value] | None = None
) -> Params:
    """Return one uniformly drawn configuration whose key is not in ``taken``; raises SpaceExhausted."""
    space = problem.space
    for _ in range(_ATTEMPTS if space.size is None or len(taken) < space.size or fixed else 1):
        (params,) = space.sample(rng, 1)
        if fixed:
            params = space.clip({**params, **fixed})
            if not space.satisfies(params):
                continue
        if space.key(params) not in taken:
            return params
    raise SpaceExhausted(
        f"no untried configuration was found: {len(taken)} are tried or running; widen the search space."
    )
