"""Any evaluator that trains one group on a number of samples, made into one of a budget of data over all groups.

It is asked for the error of one group after so many samples (``run.group``, ``run.samples``); data are bought in rounds by the
learning curves that its errors draw, and the result is what is lost at the end. Knows nothing of how the split is found:
``retrieval/group_budget.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import EvaluationFailed, InvalidSpecification
from ..problems.measurement import Measurement
from ..problems.problem import Problem
from ..programs.call import Evaluate, takes_run
from ..programs.results import measurement_of
from ..programs.run import Run
from .retrieval.group_budget import GroupBudget

SMALLEST = 1e-4
"""What a learning curve takes for an error of zero, which says that the test cases were too few to show one."""


@dataclass(frozen=True)
class OverGroups:
    """``evaluate`` of one group, over all ``names``; ``problem`` has one objective, an error of at least 0 to minimize.

    ``pilot``: the share of the budget that is split evenly at first; ``rounds`` of fitting curves and buying follow. The
    value is the weighted mean of power ``budget.power`` of the groups' errors; ``samples:NAME`` and ``error:NAME`` are
    metrics. Raises InvalidSpecification for another problem.
    """

    evaluate: Evaluate
    problem: Problem
    names: Sequence[str]
    budget: GroupBudget
    pilot: float = 0.2
    rounds: int = 4

    def __post_init__(self) -> None:
        self.budget.check()
        objectives, constraints = self.problem.objectives, self.problem.constraints
        if len(objectives) != 1 or objectives[0].direction != "minimize" or constraints:
            raise InvalidSpecification(
                "`groups` needs one objective, an error that is minimized, and no constraints, got "
                f"{', '.join(f'{o.direction} {o.name}' for o in objectives)} and {len(constraints)} constraints."
            )

    def __call__(self, params: Mapping[str, Any], run: Run) -> Measurement:
        """Return what is lost at the split that a budget ends at."""
        by_size: dict[tuple[int, int], float] = {}

        def error(g: int, n: int) -> float:
            if (g, n) not in by_size:
                by_size[g, n] = self._error(params, run, g, n)
            return by_size[g, n]

        budget = replace(self.budget, total=self.budget.total * run.fidelity)
        split = budget.adaptive(lambda g, n: max(error(g, n), SMALLEST), pilot=self.pilot, rounds=self.rounds)
        errors = [error(g, n) for g, n in enumerate(split)]
        weights, power = self.budget.weights, self.budget.power
        lost = sum(w * e**power for w, e in zip(weights, errors, strict=True)) / sum(weights)
        bought = {f"samples:{name}": float(n) for name, n in zip(self.names, split, strict=True)}
        each = {f"error:{name}": e for name, e in zip(self.names, errors, strict=True)}
        return Measurement(lost ** (1 / power), metrics={**bought, **each})

    def _error(self, params: Mapping[str, Any], run: Run, g: int, n: int) -> float:
        """Return the error of one group after n samples. Raises EvaluationFailed where it is below 0."""
        one = replace(run.unheard(), group=self.names[g], samples=n, fidelity=1.0)
        result = self.evaluate(params, one) if takes_run(self.evaluate) else self.evaluate(params)
        value = measurement_of(result, self.problem).value
        if value < 0:
            raise EvaluationFailed(
                f"the error of group {self.names[g]!r} after {n} samples must be at least 0, got {value!r}.",
                kind="invalid",
            )
        return value
