"""Whether a configuration is new, at the resolution that matters: exact comparison misses 1.0001 after 1.0.

Two configurations are the same when every discrete parameter is equal, the same parameters are active, and no
continuous one differs by a hundredth of its scaled range or more. (A sixth of LLAMBO's trials repeat earlier ones in
this sense.)
"""

from collections.abc import Sequence

import numpy as np

from ...evaluators.problems.history import History, Params
from ...evaluators.spaces.space import SearchSpace

RESOLUTION = 0.01
"""Of the scaled range. Refinement below it is the surrogate's work, which has no such limit."""


class Novelty:
    """Configurations that count as tried; more can be added as they are proposed. ``most``: only so many latest ones."""

    def __init__(self, space: SearchSpace, tried: Sequence[Params] = (), *, most: int | None = None) -> None:
        self._space, self._most = space, most
        self._X, self._active = space.encode(list(tried)) if tried else _nothing(len(space))

    @classmethod
    def of(cls, history: History) -> "Novelty":
        """Return what is tried or running in ``history``."""
        kinds = [history.rows(kind) for kind in ("finished", "failed", "pruned", "running")]
        novelty = cls(history.problem.space)
        novelty._X = np.vstack([r.X for r in kinds])
        novelty._active = np.vstack([r.active for r in kinds])
        return novelty

    def is_new(self, params: Params) -> bool:
        """Whether nothing tried is the same."""
        if not len(self._X):
            return True
        X, active = self._space.encode([params])
        discrete = np.asarray(self._space.levels) > 0
        apart = np.abs(self._X - X[0]) >= np.where(discrete, 1e-9, RESOLUTION)
        differs = (apart & active[0]) | (self._active != active[0])
        return bool(differs.any(1).all())

    def add(self, params: Params) -> None:
        """Count a configuration as tried from now on."""
        X, active = self._space.encode([params])
        first = 0 if self._most is None else max(0, len(self._X) + 1 - self._most)
        self._X, self._active = np.vstack([self._X[first:], X]), np.vstack([self._active[first:], active])


def _nothing(d: int) -> tuple[np.ndarray, np.ndarray]:
    return np.empty((0, d)), np.empty((0, d), bool)
