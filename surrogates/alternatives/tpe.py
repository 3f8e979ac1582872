"""A Parzen estimator (TPE) as a regression model: the log ratio, parameter by parameter, of good and other trials.

Only the order of its means carries meaning: they rise with the ratio, the spread is the residual of y given the
ratio, wider far from every trial. Source: Bergstra et al. 2011.

Notation: as in prepared.py · density of one parameter: Gaussians around the rows and a flat prior, of equal weight.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..contracts import TrainingData
from .prepared import Prepared, StandardizedPosterior


@dataclass(frozen=True)
class ParzenSurrogate:
    """TPE with the best quarter (at least two) as good trials."""

    good: float = 0.25
    name: str = "tpe"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        prepared = Prepared.of(data)
        Z, z = prepared.Z, prepared.z
        count = min(max(2, int(np.ceil(self.good * len(z)))), len(z))
        order = np.argsort(-z, kind="stable")
        best, rest = Z[order[:count]], Z[order[count:]]

        group = prepared.embedding.group

        def ratio(A: np.ndarray) -> np.ndarray:
            parts = [_log_density(A[:, group == j], best[:, group == j]) for j in np.unique(group)]
            other = [_log_density(A[:, group == j], rest[:, group == j]) for j in np.unique(group)]
            return np.sum(parts, axis=0) - np.sum(other, axis=0)

        r = ratio(Z)
        slope = max(float(np.cov(r, z)[0, 1] / max(r.var(ddof=1), 1e-12)), 0.0) if len(z) > 2 else 0.0
        residual = float(np.sqrt(np.mean((z - slope * (r - r.mean())) ** 2) + 1.0 / (len(z) + 1.0)))

        def predict(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            nearest = np.min(np.sum((A[:, None, :] - Z[None, :, :]) ** 2, axis=2), axis=1)
            return slope * (ratio(A) - r.mean()), residual * (0.6 + 0.4 * np.tanh(3.0 * np.sqrt(nearest)))

        return prepared.posterior(predict)


def _log_density(A: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the log density (up to a constant) of one parameter at A (m, q): Gaussians around rows (k, q), a
    wide prior."""
    k = len(rows)
    width = float(np.clip(0.5 * (k + 1.0) ** -0.2, 0.1, 0.5))
    prior = np.zeros((len(A), 1))
    distance = np.sum((A[:, None, :] - rows[None, :, :]) ** 2, axis=2)
    each = -0.5 * distance / width**2 - np.log(width) - 0.92
    return logsumexp(np.hstack([each, prior]), axis=1) - np.log(k + 1.0)
