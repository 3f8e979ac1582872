"""One training that tunes itself: its intervals are the trials, and each goes on from the one before.

The evaluator does the tuning (``evaluators/gradients/``): where ``run.self_tuning`` is set it trains on from
``run.checkpoint``, moves its hyperparameters by gradients, leaves its state in ``run.workdir``, and says as metrics
``tuned:NAME`` where they stand: a number, or of a categorical parameter the place of its choice. The next interval begins
there. So the ledger holds the schedule of the hyperparameters. While an interval runs, a further ask begins a training of
its own. Knows nothing of gradients.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ....evaluators.problems.history import History, Params
from ....evaluators.problems.problem import Problem
from ....evaluators.random_streams import stream
from ....evaluators.spaces.parameters import Categorical
from ....serving.errors import InvalidInput
from ...contracts import Ask, Decision, Plan
from ...lineage import source_of
from .population import TRIES, Member, begun, members_of

TUNED = "tuned:"
"""How the name of a metric begins that says where a hyperparameter stands."""


class SelfTuningStrategy:
    """Chains the intervals of self-tuning trainings. ``name``: ``"stn"``, or ``"differentiable"`` for grids of choices."""

    def __init__(self, problem: Problem, seed: int, name: str) -> None:
        if name == "differentiable" and not all(isinstance(p, Categorical) for p in problem.space):
            raise InvalidInput(
                "strategy 'differentiable' needs a grid, whose parameters are all categorical; use 'stn' for numbers."
            )
        self._problem, self._seed, self.name = problem, seed, name

    def plan(self, ask: Ask) -> Plan:
        """Return the next intervals of ``ask.n`` trainings."""
        trainings, decisions = members_of(ask.history), list[Decision]()
        for i in range(ask.n):
            rng = stream(self._seed, ask.index + i, self.name)
            decisions.append(self._next(trainings, ask, rng, decisions))
        return Plan(tuple(decisions))

    def _next(
        self, trainings: dict[int, Member], ask: Ask, rng: np.random.Generator, planned: Sequence[Decision]
    ) -> Decision:
        free = [m for m, one in trainings.items() if not one.is_running and one.failures < TRIES]
        if not free:
            m, params = begun(trainings, self._problem, ask, rng, planned)
            return self._decision(m, params, None, "begins")
        m = min(free, key=lambda m: (len(trainings[m].finished), m))
        training = trainings[m]
        training.is_running = True
        if not training.finished:
            return self._decision(m, training.params, None, "once more, because it failed")
        last = training.finished[-1][0]
        params = self._problem.space.clip({**tuned_params(ask.history, last), **(ask.fixed or {})})
        words = f"goes on after {len(training.finished)} intervals, where trial {last} left its parameters"
        return self._decision(m, params, last, words)

    def _decision(self, m: int, params: Params, parent: int | None, words: str) -> Decision:
        return Decision(params, source_of(m, parent, self.name), f"training {m} {words}", "own")


def tuned_params(history: History, number: int) -> Params:
    """Return where the training of finished trial ``number`` left its parameters."""
    (trial,) = (t for t in history.finished if t.number == number)
    return moved_params(history.problem, trial.params, trial.measurement.metrics)


def moved_params(problem: Problem, params: Params, metrics: Mapping[str, float]) -> Params:
    """Return ``params`` with what metrics ``tuned:NAME`` say."""
    neighbour = dict(params)
    for p in problem.space:
        at = metrics.get(TUNED + p.name)
        if at is None or p.name not in params:
            continue
        neighbour[p.name] = (
            p.choices[int(np.clip(round(at), 0, len(p.choices) - 1))] if isinstance(p, Categorical) else at
        )
    return neighbour
