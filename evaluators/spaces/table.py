"""Configurations given one by one, as in a recorded table: what ``SearchSpace(…, allowed=…)`` keeps of them.

Notation: X (n, d) canonical coordinates of the listed configurations, in their order.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..errors import InvalidSpace

MAX_LISTED = 1_000_000

canonical_text = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""Write a canonical configuration so that equal ones have equal texts."""


class _Space(Protocol):
    """The part of a search space that listing its configurations needs."""

    def validate(self, params: Mapping[str, Any]) -> dict[str, Any]: ...
    def encode(self, params: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]: ...


class Listing:
    """The listed configurations: canonical, each once. ``keys``: their canonical texts."""

    def __init__(self, space: _Space, allowed: Iterable[Mapping[str, Any]]) -> None:
        if isinstance(allowed, str | Mapping) or not isinstance(allowed, Iterable):
            raise InvalidSpace(f"`allowed` must be a list of configurations, got {allowed!r}.")
        by_key = {canonical_text(valid): valid for valid in map(space.validate, allowed)}
        if not by_key:
            raise InvalidSpace("`allowed` must list at least one configuration, got none.")
        if len(by_key) > MAX_LISTED:
            raise InvalidSpace(f"`allowed` lists at most {MAX_LISTED} configurations, got {len(by_key)}.")
        self.keys = frozenset(by_key)
        self.params = tuple(by_key.values())
        self.X, self.active = space.encode(self.params)

    def __len__(self) -> int:
        return len(self.params)

    def nearest(self, X: np.ndarray) -> np.ndarray:
        """Return the coordinates (n, d) of the listed configuration nearest to each row."""
        return self.X[self._tree.query(X)[1]]

    @cached_property
    def _tree(self) -> Any:  # Any: scipy.spatial.KDTree has no types
        from scipy.spatial import KDTree

        return KDTree(self.X)
