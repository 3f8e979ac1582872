"""Replicates allocated by variance: how often each of a few noisy candidates is measured again.

A first stage measures each candidate twice. Then the measurements of the second are shared out so that the variance of
all candidates' means is least: in proportion to G_i / sqrt(p_i + alpha / p_i^(beta - 1)), G_i the size of candidate i's
noise and p_i the share of its measurements that do not fail. A candidate that never succeeds, or has no noise, gets none.

Source: Yao et al. 2025, "Optimizing chain-of-thought reasoners via gradient variance minimization in rejection sampling
and RL" (GVM-RAFT), where G_i is a prompt's gradient norm and p_i the share of accepted answers.
"""

from collections.abc import Sequence

import numpy as np

ALPHA, BETA = 1e-3, 2.0

CANDIDATES = 6
"""Configurations with the best means that are measured again."""

MOST_REPEATS = 0.4
"""Share of all measurements that may be repetitions."""


def shares(G: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the share (n,) of measurements that each candidate gets; all zero where none has noise and success."""
    useful = (G > 0) & (p > 0)
    p = np.where(useful, p, 1.0)
    weight = np.where(useful, G / np.sqrt(p + ALPHA / p ** (BETA - 1)), 0.0)
    return weight / weight.sum() if weight.any() else weight


def allocate(G: np.ndarray, p: np.ndarray, n: int) -> np.ndarray:
    """Return how many of n measurements each candidate gets (k,), whole numbers that sum to n, or to 0."""
    exact = n * shares(G, p)
    counts = np.floor(exact).astype(int)
    rest = round(float(exact.sum())) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return counts


def next_repeat(finished: Sequence[bytes], y: np.ndarray, failed: Sequence[bytes]) -> bytes | None:
    """Return the key of the configuration to measure again; None where it is time for something new.

    ``finished``: keys of measured configurations with outcomes y (n,), larger is better; ``failed``: keys of failures.
    """
    tries = len(finished) + len(failed)
    results = {key: y[[i for i, k in enumerate(finished) if k == key]] for key in dict.fromkeys(finished)}
    repeats = tries - len({*finished, *failed})
    if len(results) < 2 or repeats + 1 > MOST_REPEATS * (tries + 1):
        return None
    best = sorted(results, key=lambda key: -results[key].mean())[:CANDIDATES]
    counts = np.array([len(results[key]) for key in best])
    lost = np.array([sum(key == k for k in failed) for key in best])
    untested = (counts < 2) & (counts + lost < 4)
    if untested.any():
        return best[int(np.argmax(untested))]
    G = np.array([results[key].std(ddof=1) if len(results[key]) > 1 else 0.0 for key in best])
    target = allocate(G, counts / (counts + lost), int((counts + lost).sum()) + 1)
    return best[int(np.argmax(target - counts - lost))] if target.any() else None
