"""BBOB's 24 noiseless functions (COCO), instances and dimensions of one's choice, searched in [-5, 5]^d.

Scored by log10 of f - f*, at least -8, as the published tables of expensive optimization are. Needs ``coco-experiment``.
Reference points, means over 24 functions x 15 instances, at 5, 10 and 50 evaluations per dimension: MATSuMoTo's best
variant, Ord-N-DTS-CMA-ES and DIRECT, from the COCO data archive. Source: Hansen et al. 2021.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import product

from problems.base import Case, Outcome

import trialogue as tl

from .suite import Params, Task

INSTANCES = (*range(1, 6), *range(41, 51))
PER_DIMENSION = (3, 5, 10, 50)
PUBLISHED = {
    "MATSuMoTo RAND-2x": {3: (2.02, 1.06, -0.02), 5: (2.39, 1.37, 0.53), 10: (2.68, 1.73, 0.94)},
    "Ord-N-DTS-CMA-ES": {3: (2.21, 1.09, 0.02), 5: (2.35, 1.59, 0.65), 10: (2.68, 2.24, 1.04)},
    "DIRECT": {3: (1.94, 1.43, 0.04), 5: (2.25, 1.99, 0.61), 10: (2.56, 2.37, 1.81)},
}
"""By optimizer and dimension, at 5, 10 and 50 evaluations per dimension."""


def tasks(dimensions: Iterable[int], instances: Iterable[int], per_dimension: int) -> Iterator[Task]:
    """Yield the tasks of some instances, up to ``per_dimension`` evaluations per dimension."""
    import cocoex

    for d in dimensions:
        marks = tuple(k * d for k in PER_DIMENSION if k <= per_dimension)
        for number, instance in product(range(1, 25), tuple(instances)):
            function = cocoex.BareProblem("bbob", number, d, instance)
            yield task(f"f{number:02d}-i{instance}-d{d}", function, function.best_value(), d, marks)


def task(
    name: str, function: Callable[[list[float]], float], best: float, d: int, marks: tuple[int, ...]
) -> Task:
    """Return a function of ``d`` numbers with its least value as a task."""
    space = tl.SearchSpace([tl.Float(f"x{i}", -5.0, 5.0) for i in range(d)])

    def value(params: Params) -> float:
        return float(function([params[n] for n in space.names]))

    def evaluate(params: Params) -> Outcome:
        return Outcome(value(params))

    def regret(params: Params) -> float:
        return math.log10(max(value(params) - best, 1e-8))

    problem = tl.Problem(name, space, [tl.Objective("f", "minimize")])
    return Task(f"d = {d}", Case(problem, "bbob", evaluate), regret, marks)
