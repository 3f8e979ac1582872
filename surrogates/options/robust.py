"""What is good around a configuration, not only at it: the belief over a neighbourhood, for choosing a winner.

A winner that is copied, rounded or moved to a slightly different task is run near its configuration, not at it. Robustness
to hyperparameters as a reason to choose: Hitchhiker's guide to preference optimization (arXiv 2407.15229), which compares
grids; here the neighbours are believed, not run. Numbers are moved by up to ``RADIUS`` of their (scaled) range, choices
stay. Knows nothing of studies.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from ...evaluators.problems.history import Params
from ...evaluators.problems.problem import Problem
from ..contracts import Belief

RADIUS = 0.1
"""Half the width of the neighbourhood, of each parameter's range."""
NEIGHBOURS = 32
_LEVELS = (np.arange(16) + 0.5) / 16
"""Quantiles that stand for the belief at one neighbour."""


def neighbours(problem: Problem, params: Params, moves: np.ndarray) -> list[Params]:
    """Return the configuration and those that ``moves`` (n, d) in [-1, 1] lead to, as far as they are in the space."""
    space = problem.space
    X, _ = space.encode([params])
    step = np.where(space.is_categorical, 0.0, RADIUS)
    if problem.fidelity is not None:  # how much of the task is done is no place in its landscape
        step[space.names.index(problem.fidelity.name)] = 0.0
    rows, _ = space.canonical(np.clip(X + step * moves, 0.0, 1.0))
    return [params, *space.decode(rows[space.satisfies_rows(rows)])]


def robust_values(
    belief: Belief,
    problem: Problem,
    params: Sequence[Params],
    rng: np.random.Generator,
    *,
    quantile: float | None = None,
) -> np.ndarray:
    """Return what each configuration (n,) is worth with its neighbourhood, in the first objective's unit, larger better.

    The mean of the posterior mean over neighbours, or a ``quantile`` of the posterior over all of them. A neighbour counts
    as the worst one believed as far as it may be infeasible. ``belief`` is modelled; all get the same moves.
    """
    moves = rng.uniform(-1, 1, (NEIGHBOURS, len(problem.space)))
    groups = [neighbours(problem, p, moves) for p in params]
    predictions = [a.prediction for a in belief.assess([p for group in groups for p in group])]
    mean = float(problem.signs[0]) * np.array([t.mean[0] for t in predictions])
    sd, feasible = np.array([t.sd[0] for t in predictions]), np.array([t.p_feasible for t in predictions])
    mean = feasible * mean + (1 - feasible) * mean.min()
    parts = np.split(np.arange(len(mean)), np.cumsum([len(group) for group in groups])[:-1])
    if quantile is None:
        return np.array([mean[part].mean() for part in parts])
    values = mean[:, None] + sd[:, None] * ndtri(_LEVELS)
    return np.array([np.quantile(values[part], quantile) for part in parts])
