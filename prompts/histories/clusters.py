"""Diverse trials by clusters whose weights are refined from round to round.

The trials are clustered by k-means. Each round draws its part of the rows from the clusters in proportion to their
weights; a cluster's next weight is the normalized mean score of what was drawn from it. So every region is seen, and
more is seen of those whose trials turn out good. A score is a trial's rank: 1 the best, near 0 the worst.

Source: Yu et al. 2024, "Diversify and conquer: diversity-centric data selection with iterative refinement", where the
score of what was drawn comes from training on it.
"""

import numpy as np

from ..selection import ranks

ROUNDS = 4
MOST_CLUSTERS = 8
PASSES = 10
LEAST_SCORE = 0.05
"""Score of the worst trial: no cluster is given up for one bad draw."""


def refined_clusters(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return the best trial, then what the rounds drew, in their order."""
    n, k = len(g), min(k, len(g))
    labels = k_means(X, max(1, min(MOST_CLUSTERS, n // 4)), rng)
    score = LEAST_SCORE + (1 - LEAST_SCORE) * ranks(g)
    rows = [int(np.argmax(g))]
    weights = np.full(labels.max() + 1, 1.0 / (labels.max() + 1))
    for left in range(min(ROUNDS, k - 1), 0, -1):
        sample = _draw(labels, weights, rows, -(-(k - len(rows)) // left), rng)
        weights = refined(weights, labels[sample], score[sample])
        rows += sample
    return rows


def refined(weights: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the next weights (c,): normalized mean scores of what was drawn, given its clusters and scores (r,).

    A cluster of which nothing was drawn keeps its weight.
    """
    counts = np.bincount(labels, minlength=len(weights))
    means = np.bincount(labels, scores, minlength=len(weights)) / np.maximum(counts, 1)
    is_sampled = counts > 0
    share = weights[is_sampled].sum()
    return np.where(is_sampled, share * means / max(means[is_sampled].sum(), 1e-12), weights)


def budgets(weights: np.ndarray, sizes: np.ndarray, n: int) -> np.ndarray:
    """Return how many of n draws each cluster gets (c,): in proportion to its weight, at most what it has."""
    counts = np.zeros(len(weights), int)
    for _ in range(min(n, int(sizes.sum()))):
        lacking = np.where(counts < sizes, weights * n - counts, -np.inf)
        counts[int(np.argmax(lacking))] += 1
    return counts


def _draw(
    labels: np.ndarray, weights: np.ndarray, chosen: list[int], n: int, rng: np.random.Generator
) -> list[int]:
    free = np.ones(len(labels), bool)
    free[chosen] = False
    sizes = np.bincount(labels[free], minlength=len(weights))
    rows: list[int] = []
    for c, count in enumerate(budgets(weights, sizes, n)):
        rows += rng.choice(np.flatnonzero(free & (labels == c)), count, replace=False).tolist()
    return rows


def k_means(X: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Return labels (n,) from 0 on without gaps, by k-means from k-means++ starts."""
    centres = X[_spread(X, clusters, rng)]
    labels = np.zeros(len(X), int)
    for _ in range(PASSES):
        labels = ((X[:, None, :] - centres[None, :, :]) ** 2).sum(-1).argmin(1)
        centres = np.array(
            [X[labels == j].mean(0) if (labels == j).any() else c for j, c in enumerate(centres)]
        )
    return np.unique(labels, return_inverse=True)[1]


def _spread(X: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    rows = [int(rng.integers(len(X)))]
    while len(rows) < k:
        d2 = ((X[:, None, :] - X[rows][None, :, :]) ** 2).sum(-1).min(1)
        if d2.sum() <= 0:
            break
        rows.append(int(rng.choice(len(X), p=d2 / d2.sum())))
    return rows
