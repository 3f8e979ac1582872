"""Selections of trials by the names that users give them (``[planner] history``).

``"usual"``: the best and the latest in turn; ``"recent"``: the latest; ``"random"``: the best and a fresh random subset
per prompt; ``"mig"``: ``information_gain.py``; ``"diverse"``: ``clusters.py``. Each starts with the best trial.
Source of ``"random"``: Okanovic et al. 2023, "Repeated random sampling for minimizing the time-to-accuracy of learning".
"""

from typing import Literal

import numpy as np

from ..selection import Selection, best_and_recent
from .clusters import refined_clusters
from .information_gain import information_gain

HistoryName = Literal["usual", "recent", "random", "mig", "diverse"]


def recent(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return the best trial and the latest ones."""
    best = int(np.argmax(g))
    return [best, *(i for i in range(len(g) - 1, -1, -1) if i != best)][:k]


def random_subset(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
    """Return the best trial and a fresh random subset of the others."""
    best = int(np.argmax(g))
    return [best, *(i for i in rng.permutation(len(g)).tolist() if i != best)][:k]


SELECTIONS: dict[HistoryName, Selection] = {
    "usual": best_and_recent,
    "recent": recent,
    "random": random_subset,
    "mig": information_gain,
    "diverse": refined_clusters,
}
