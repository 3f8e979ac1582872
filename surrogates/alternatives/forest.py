"""A random forest: for rough objectives with many choices. Spread over trees and within leaves is its uncertainty.

Notation: as in prepared.py. Source: Hutter et al. 2011 (SMAC), the law of total variance over trees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..contracts import TrainingData
from .prepared import Prepared, StandardizedPosterior


@dataclass(frozen=True)
class Trees:
    """The nodes of T trees side by side: all are walked at once, for few rows many times faster than one by one."""

    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    value: np.ndarray
    impurity: np.ndarray

    @classmethod
    def of(cls, estimators: Sequence[Any]) -> "Trees":
        """Copy the nodes of fitted scikit-learn trees."""
        trees = [e.tree_ for e in estimators]

        def padded(columns: list[np.ndarray]) -> np.ndarray:
            out = np.zeros((len(columns), max(map(len, columns)), *columns[0].shape[1:]), columns[0].dtype)
            for row, column in zip(out, columns, strict=True):
                row[: len(column)] = column
            return out

        children = padded([np.stack([t.children_left, t.children_right], axis=1) for t in trees])
        return cls(
            padded([np.where(t.children_left < 0, -1, t.feature) for t in trees]), padded([t.threshold for t in trees]),
            children, padded([t.value[:, 0, 0] for t in trees]), padded([t.impurity for t in trees]),
        )  # fmt: skip

    def leaves(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return value and impurity (T, m) of the leaves that rows Z (m, p) fall into."""
        Z, tree, row = Z.astype(np.float32), np.arange(len(self.feature))[:, None], np.arange(len(Z))
        node = np.zeros((len(self.feature), len(Z)), int)
        while (inner := (column := self.feature[tree, node]) >= 0).any():
            right = Z[row, np.maximum(column, 0)] > self.threshold[tree, node]
            node = np.where(inner, self.children[tree, node, right.astype(int)], node)
        return self.value[tree, node], self.impurity[tree, node]


@dataclass(frozen=True)
class ForestSurrogate:
    """Regression trees on bootstrap samples with random splits of a few columns each."""

    trees: int = 60
    name: str = "forest"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        from sklearn.ensemble import ExtraTreesRegressor

        prepared = Prepared.of(data)
        forest = ExtraTreesRegressor(
            self.trees, min_samples_split=3, max_features=0.7, bootstrap=len(prepared.z) > 3,
            random_state=int(rng.integers(2**31)), n_jobs=1,
        ).fit(prepared.Z, np.round(prepared.z, 9))  # fmt: skip

        trees = Trees.of(forest.estimators_)

        def predict(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            each, within = trees.leaves(Z)
            variance = each.var(axis=0) + within.mean(axis=0) + 1.0 / (len(prepared.z) + 1.0) ** 2
            return each.mean(axis=0), np.sqrt(variance)

        return prepared.posterior(predict)
