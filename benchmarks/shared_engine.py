"""An engine for studies that begin alike: what it computed for one history it need not compute for the same again.

The studies of ``no_harm.py`` with one problem and seed run the same trials until a proposal is kept; most with a bad model
do so to the end. ``Shared`` keeps belief, suggestions and a copy of the engine after every call, by the chain of calls that
led there: the engine is deterministic in those. Trials are the same as without it; only seconds are not comparable.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trialogue.evaluators.problems.history import History, Params, Value
from trialogue.surrogates.contracts import Assessment, Belief, Engine, Suggestion

Chain = tuple[str, ...]


@dataclass
class Known:
    """What came of one call, and the engine as it stood afterwards."""

    engine: Engine
    belief: Belief
    suggestions: dict[int, tuple[Suggestion, ...]] = field(default_factory=dict)


@dataclass
class Shared:
    """What is known of one problem and seed. ``hits``: calls that were not made."""

    make: Callable[[], Engine]
    known: dict[Chain, Known] = field(default_factory=dict)
    hits: int = 0

    def engine(self) -> "SharedEngine":
        """Return an engine at its beginning."""
        return SharedEngine(self)


class SharedEngine:
    """One study's engine."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._chain = shared, ()

    def condition(self, history: History, rng: np.random.Generator) -> "SharedBelief":
        """Return the belief given ``history``."""
        before = self._shared.known.get(self._chain)
        self._chain = (*self._chain, _digest(history))
        if self._chain in self._shared.known:
            self._shared.hits += 1
        else:
            engine = self._shared.make() if before is None else copy.deepcopy(before.engine)
            belief = engine.condition(history, rng)
            self._shared.known[self._chain] = Known(engine, belief)
        return SharedBelief(self._shared.known[self._chain])


class SharedBelief:
    """A belief whose first suggestions are remembered. One random stream per call, as strategies have it."""

    def __init__(self, known: Known) -> None:
        self._known = known

    @property
    def notes(self) -> Sequence[str]:
        """As the belief's."""
        return self._known.belief.notes

    @property
    def modelled(self) -> bool:
        """As the belief's."""
        return self._known.belief.modelled

    def suggest(
        self, n: int, rng: np.random.Generator, *, fixed: Mapping[str, Value] | None = None
    ) -> tuple[Suggestion, ...]:
        """Return the suggestions, remembered or new."""
        if n not in self._known.suggestions or fixed:
            found = self._known.belief.suggest(n, rng, fixed=fixed)
            if fixed:
                return found
            self._known.suggestions[n] = found
        return self._known.suggestions[n]

    def assess(self, params: Sequence[Params]) -> tuple[Assessment, ...]:
        """As the belief's."""
        return self._known.belief.assess(params)


def _digest(history: History) -> str:
    """Return what tells one history from another within a study: its trials and how they ended."""
    key = history.problem.space.key
    ended = [f"{key(t.params)}={t.measurement.values}" for t in history.finished[-1:]]
    failed = [key(t.params) for t in history.failed[-1:]]
    return f"{len(history.finished)} {ended} {len(history.failed)} {failed} {len(history.running)}"
