"""Which trials a model is shown: what a selection is, the usual one, and how trials are ordered.

A selection returns positions in order of importance, the best trial first; others to choose from are in ``histories/``.

Notation: X (n, d) rows of the unit cube · g (n,) goodness, larger is better.
"""

from collections.abc import Callable

import numpy as np

from ..evaluators.problems.history import History

Selection = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], list[int]]
"""(X, g, k, rng) to at most k positions, most important first."""


def goodness(history: History) -> np.ndarray:
    """Return one number per finished trial, larger is better: the objective, or the mean rank over several.

    Infeasible trials stand below all feasible ones, ordered as they would be otherwise.
    """
    if not history.finished:
        return np.empty(0)
    signed = history.Y * np.asarray(history.problem.signs, float)
    ranks = signed.argsort(0, kind="stable").argsort(0, kind="stable") / max(1, len(signed) - 1)
    g = ranks.mean(1) if signed.shape[1] > 1 else signed[:, 0]
    if history.problem.constraints:
        feasible = np.array([history.problem.feasible(t.measurement) for t in history.finished])
        g = np.where(feasible, g, g - (g.max() - g.min() + 1.0))
    return g


def best_and_recent(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return the best and the latest trials in turn."""
    best = np.argsort(-g, kind="stable").tolist()
    recent = list(range(len(g) - 1, -1, -1))
    return _interleaved(best, recent, k)


def _interleaved(first: list[int], second: list[int], k: int) -> list[int]:
    order: dict[int, None] = {}
    for a, b in zip(first, second, strict=True):
        order[a] = None
        order[b] = None
    return list(order)[:k]


def ranks(g: np.ndarray) -> np.ndarray:
    """Return each trial's rank (n,) by goodness: 0 the worst, 1 the best."""
    return g.argsort(kind="stable").argsort(kind="stable") / max(1, len(g) - 1)
