"""Maximum information gain over a graph of labels: trials that together say most, the good ones louder.

A trial's labels are the tenths of the ranges in which its parameters lie. Its score is split over its labels, spreads
to labels that are alike, and counts less the more of it was chosen already: a selection's information is
sum_l phi((sum_i v_i P)_l) with phi(x) = (x + 1e-6)^0.8, and is maximized greedily.

Notation: V (n, L) scores over labels · W (L, L) similarity of labels where it is at least ``ALIKE`` · P = W with
columns that sum to 1.
Source: Chen et al. 2025, "MIG: Automatic data selection for instruction tuning by maximizing information gain in
semantic space", whose labels are tags of texts.
"""

import numpy as np

from ..selection import ranks

TENTHS = 10
ALIKE = 0.9
"""Similarity from which labels are joined: of tenths of one range, neighbours."""

POWER = 0.8
SMALLEST = 1e-6
LEAST_SCORE = 0.25
"""Score of the worst trial; the best has 1."""


def information_gain(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return the best trial, then each next one that adds most information."""
    U = label_scores(X, LEAST_SCORE + (1 - LEAST_SCORE) * ranks(g)) @ propagation(X.shape[1])
    rows = [int(np.argmax(g))]
    total = U[rows[0]].copy()
    while len(rows) < min(k, len(g)):
        gain = U @ (POWER * (total + SMALLEST) ** (POWER - 1))
        gain[rows] = -1.0
        rows.append(int(np.argmax(gain)))
        total += U[rows[-1]]
    return rows


def label_scores(X: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return V (n, 10 d): each trial's score (n,), split evenly over its d labels."""
    n, d = X.shape
    V = np.zeros((n, d * TENTHS))
    label = np.minimum((X * TENTHS).astype(int), TENTHS - 1) + TENTHS * np.arange(d)
    np.put_along_axis(V, label, np.repeat(score[:, None] / max(d, 1), d, axis=1), axis=1)
    return V


def propagation(d: int) -> np.ndarray:
    """Return P (10 d, 10 d): how a label's score spreads over the labels that are like it."""
    tenth = np.arange(TENTHS)
    W = 1.0 - np.abs(tenth[:, None] - tenth) / TENTHS
    W = np.where(W >= ALIKE - 1e-9, W, 0.0)
    return np.kron(np.eye(d), W / W.sum(axis=0))


def information(U: np.ndarray) -> float:
    """Return the information of a selection, given its propagated scores (n, L)."""
    return float(np.sum((U.sum(axis=0) + SMALLEST) ** POWER))
