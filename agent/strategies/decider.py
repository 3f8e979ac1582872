"""What decides a study's next trials while it is open: strategy and planner, made when first needed, given back at the end.

Knows nothing of trials or the ledger. A strategy serves one thread at a time: whoever lets it plan holds ``lock``.
"""

import threading
from collections.abc import Callable, Sequence

from ...evaluators.problems.problem import Problem
from ...serving.errors import InvalidInput
from ...surrogates.options.multitask import EarlierStudy
from ..contracts import AbstractStrategy, Ask, Plan
from ..engine_options import EngineOptions
from ..planner.by_name import SharedPlanner
from ..planner.specification import referee_of
from .by_name import needs_model, strategy_for


class Decider:
    """The strategy of one open study. ``planner``: a specification, a planner, or one that is shared already.

    ``strategy``: a name, None for the usual one, or an object of the user's own, which is kept as it is. ``engine``: what
    is chosen of the engine of a strategy given by name; ``earlier`` reads the studies that it learns from.
    """

    def __init__(
        self, problem: Problem, seed: int, planner: object, strategy: "str | AbstractStrategy | None",
        engine: EngineOptions | None = None, *,
        earlier: Callable[[Sequence[str]], Sequence[EarlierStudy]] = lambda _: (),
    ) -> None:  # fmt: skip
        self._earlier = earlier
        self._problem, self._seed, self.chosen, self._options = problem, seed, strategy, engine
        self.planner = planner if isinstance(planner, SharedPlanner) else SharedPlanner(planner)
        self.lock = threading.RLock()
        self._strategy: AbstractStrategy | None = None

    @property
    def strategy(self) -> AbstractStrategy:
        """The strategy; its planner is opened with it. Raises InvalidInput, and what opening a planner raises."""
        with self.lock:
            if self._strategy is None:
                self._strategy = self._made()
            return self._strategy

    def plan(self, ask: Ask) -> Plan:
        """Let the strategy decide."""
        return self.strategy.plan(ask)

    def close(self) -> None:
        """Give the planner back; it is opened anew where the study is used again."""
        with self.lock:
            self._strategy = None
            self.planner.leave(self)

    def _made(self) -> AbstractStrategy:
        if self.chosen is None or isinstance(self.chosen, str):
            planner = self.planner.join(self) if needs_model(self.chosen) else None
            names = self._options.transfer if self._options else None
            return strategy_for(
                self._problem, seed=self._seed, planner=planner, strategy=self.chosen, options=self._options,
                earlier=self._earlier(names or ()), referee=referee_of(self.planner.spec),
            )  # fmt: skip
        if not isinstance(self.chosen, AbstractStrategy):
            raise InvalidInput(f"`strategy` must be a name or have `name` and `plan`, got {self.chosen!r}.")
        return self.chosen
