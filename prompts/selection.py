"""Which trials a model is shown: a strategy per function, each returning positions in order of importance.

Notation: X (n, d) rows of the unit cube · g (n,) goodness, larger is better. Every strategy starts with the best trial.
Sources: maximal information gain in a similarity graph (MIG, 2025); diversity by k-means (Diversify and Conquer, 2024);
a fresh random subset per query (RS2, repeated random sampling, 2023).
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


def information_gain(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return trials that together tell most: greedy maximisation of log det(I + K), where better trials weigh more."""
    n = len(g)
    weight = 0.25 + 0.75 * _ranks(g)
    distance2 = ((X[:, None, :] - X[None, :, :]) ** 2).sum(-1)
    K = np.exp(-distance2 / (2 * 0.04 * max(1, X.shape[1]))) * np.outer(weight, weight)
    chosen: list[int] = [int(np.argmax(g))]
    L = np.zeros((n, 0))
    variance = np.diag(K).copy()
    while True:
        i = chosen[-1]
        column = (K[:, i] - L @ L[i]) / np.sqrt(variance[i] + 1.0)
        L = np.column_stack([L, column])
        variance = np.maximum(variance - column**2, 0)
        variance[chosen] = -1.0
        if len(chosen) >= min(k, n):
            return chosen
        chosen.append(int(np.argmax(variance)))


def k_means(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return the best trial of each of k clusters, best first: what was learnt in each region."""
    n = len(g)
    k = min(k, n)
    centres = X[_spread(X, g, k, rng)]
    labels = np.zeros(n, int)
    for _ in range(10):
        labels = ((X[:, None, :] - centres[None, :, :]) ** 2).sum(-1).argmin(1)
        centres = np.array(
            [X[labels == j].mean(0) if (labels == j).any() else centres[j] for j in range(len(centres))]
        )
    best = [
        int(np.flatnonzero(labels == j)[np.argmax(g[labels == j])])
        for j in range(len(centres))
        if (labels == j).any()
    ]
    rest = [i for i in np.argsort(-g, kind="stable").tolist() if i not in set(best)]
    return (sorted(best, key=lambda i: -g[i]) + rest)[:k]


def random_subset(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return the best trial and a fresh random subset of the others."""
    best = int(np.argmax(g))
    others = [i for i in rng.permutation(len(g)).tolist() if i != best]
    return [best, *others][:k]


SELECTIONS: dict[str, Selection] = {
    "best_and_recent": best_and_recent,
    "information_gain": information_gain,
    "k_means": k_means,
    "random_subset": random_subset,
}


def _interleaved(first: list[int], second: list[int], k: int) -> list[int]:
    chosen: dict[int, None] = {}
    for a, b in zip(first, second, strict=True):
        chosen[a] = None
        chosen[b] = None
    return list(chosen)[:k]


def _ranks(g: np.ndarray) -> np.ndarray:
    return g.argsort(kind="stable").argsort(kind="stable") / max(1, len(g) - 1)


def _spread(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return k-means++ starts: the best trial, then each next one drawn by its squared distance to those chosen."""
    chosen = [int(np.argmax(g))]
    while len(chosen) < k:
        d2 = ((X[:, None, :] - X[chosen][None, :, :]) ** 2).sum(-1).min(1)
        if d2.sum() <= 0:
            break
        chosen.append(int(rng.choice(len(X), p=d2 / d2.sum())))
    return chosen
