"""A random forest: for rough objectives with many choices. Spread over trees and within leaves is its uncertainty.

Notation: as in prepared.py. Source: Hutter et al. 2011 (SMAC), the law of total variance over trees.
"""

from dataclasses import dataclass

import numpy as np

from .contracts import TrainingData
from .prepared import Prepared, StandardizedPosterior


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

        def predict(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            each = np.stack([tree.predict(Z) for tree in forest.estimators_])
            within = np.stack([tree.tree_.impurity[tree.apply(Z)] for tree in forest.estimators_])
            variance = each.var(axis=0) + within.mean(axis=0) + 1.0 / (len(prepared.z) + 1.0) ** 2
            return each.mean(axis=0), np.sqrt(variance)

        return prepared.posterior(predict)
