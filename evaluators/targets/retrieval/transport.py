"""Optimal transport between two samples, and the mixture of sources that brings a training set near to a validation set.

Notation: C (n, m) costs of moving a training sample to a validation sample · f (n,) the dual potential of the training
samples, of entropic transport with weight ε · q (s,) shares of the sources. The distance's derivative in q_i is the mean
potential of source i less that of all others (the calibrated gradient). Knows no targets.
Source: Cuturi 2013, Sinkhorn distances; Kang, Just, Sahu & Jia 2023, Performance Scaling via Optimal Transport (arXiv
2307.02460): the gradient, and the projected descent.
"""

from collections.abc import Callable, Sequence

import numpy as np

Sample = tuple[np.ndarray, np.ndarray]
"""Inputs (n, d), and the numbers of their classes (n,)."""


def transport(costs: np.ndarray, epsilon: float = 0.05, rounds: int = 100) -> tuple[float, np.ndarray]:
    """Return the cost of the entropic plan between evenly weighted samples, and f, of mean 0. ``epsilon``: of the mean cost."""
    n, m = costs.shape
    scaled = costs / (epsilon * costs.mean())
    kernel = np.exp(-(scaled - scaled.min(1, keepdims=True)))  # rows scaled, so that none underflows
    u, v = np.full(n, 1 / n), np.ones(m)
    for _ in range(rounds):
        v = 1 / m / np.maximum(kernel.T @ u, 1e-300)
        u = 1 / n / np.maximum(kernel @ v, 1e-300)
    plan = u[:, None] * kernel * v[None]
    f = epsilon * costs.mean() * (np.log(np.maximum(u, 1e-300)) + scaled.min(1))
    return float((plan * costs).sum()), f - f.mean()


def costs_between(a: Sample, b: Sample, label_weight: float) -> np.ndarray:
    """Return squared distances (n, m) of inputs, in units of their mean, and ``label_weight`` where classes differ."""
    squares = (a[0] ** 2).sum(1)[:, None] + (b[0] ** 2).sum(1) - 2 * a[0] @ b[0].T
    return squares / squares.mean() + label_weight * (a[1][:, None] != b[1])


def calibrated(f: np.ndarray, source: np.ndarray, sources: int) -> np.ndarray:
    """Return the derivative (s,) of the distance in each source's share; 0 of a source that has no or all samples."""
    out = np.zeros(sources)
    for i in range(sources):
        own = source == i
        if own.any() and not own.all():
            out[i] = f[own].mean() - f[~own].mean()
    return out


def on_simplex(q: np.ndarray) -> np.ndarray:
    """Return the nearest shares that are not negative and sum to 1.

    >>> on_simplex(np.array([0.9, 0.5, -0.2])).round(3).tolist()
    [0.7, 0.3, 0.0]
    """
    falling = np.sort(q)[::-1]
    over = (falling.cumsum() - 1) / np.arange(1, len(q) + 1)
    return np.maximum(q - over[np.flatnonzero(falling > over)[-1]], 0)


def counts_of(q: Sequence[float] | np.ndarray, n: int) -> np.ndarray:
    """Return whole numbers of samples (s,) that sum to n, nearest to these shares.

    >>> counts_of([0.5, 0.3, 0.2], 11).tolist()
    [6, 3, 2]
    """
    exact = np.asarray(q) * n
    whole = np.floor(exact).astype(int)
    whole[np.argsort(whole - exact, kind="stable")[: n - whole.sum()]] += 1
    return whole


def nearest_mixture(
    draw: Callable[[np.ndarray], tuple[Sample, np.ndarray]], goal: Sample, sources: int, *, steps: int, rate: float,
    label_weight: float,
) -> np.ndarray:  # fmt: skip
    """Return the shares that projected descent from equal ones reaches; ``draw(q)`` gives samples and their sources.

    A source keeps at least 2 %, so that its gradient can be seen; the rate falls by a tenth every tenth of the steps.
    """
    q = np.full(sources, 1 / sources)
    for step in range(steps):
        sample, source = draw(q)
        _, f = transport(costs_between(sample, goal, label_weight))
        slope = rate * 0.9 ** (10 * step // steps) * calibrated(f, source, sources)
        q = on_simplex(np.maximum(on_simplex(q - slope), 0.02) - 0.02) * (1 - 0.02 * sources) + 0.02
    return q
