"""Stratified samples: a few of many, each kind in proportion.

Shares are rounded by largest remainders, so that they add up; within a kind all are as likely. Knows nothing of tasks.
"""

from collections.abc import Hashable, Sequence

import numpy as np


def stratified_sample(strata: Sequence[Hashable], n: int, rng: np.random.Generator) -> list[int]:
    """Return the places of ``n`` of the items whose kinds these are, in order; all where there are no more than n."""
    if n >= len(strata):
        return list(range(len(strata)))
    groups = {kind: [i for i, k in enumerate(strata) if k == kind] for kind in dict.fromkeys(strata)}
    shares = np.array([n * len(group) / len(strata) for group in groups.values()])
    counts = np.floor(shares).astype(int)
    largest = np.argsort(-(shares - counts) - 1e-9 * rng.random(len(shares)))  # equal remainders: by lot
    counts[largest[: n - counts.sum()]] += 1
    samples = [
        rng.choice(group, count, replace=False) for group, count in zip(groups.values(), counts, strict=True)
    ]
    return sorted(int(i) for part in samples for i in part)
