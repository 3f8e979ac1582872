"""What is expected of an outcome before any row: a mean over the space, and how unsure its shape is.

The mean falls from the centre to the corners (a bowl); its depth and a slope per parameter are random, so that the rows
decide: they enter the covariance as the features of a Bayesian linear model. Knows nothing of rows or fitting.

Notation: Z (n, p) embedded rows · features Phi (n, q), already scaled by their prior sd: prior covariance Phi Phi'.
"""

from dataclasses import dataclass

import numpy as np

from .embedding import Embedding

BIAS = 1.0
"""Variance of the constant mean, in standardized units."""


def constant(Z: np.ndarray) -> np.ndarray:
    """Return the feature of an unknown constant mean, (n, 1)."""
    return np.full((len(Z), 1), np.sqrt(BIAS))


class Flat:
    """Expects nothing but an unknown constant."""

    def mean(self, Z: np.ndarray) -> np.ndarray:
        """Return zeros (n,)."""
        return np.zeros(len(Z))

    def features(self, Z: np.ndarray) -> np.ndarray:
        """Return the constant feature, (n, 1)."""
        return constant(Z)


@dataclass(frozen=True)
class Bowl:
    """Corners are expected to be ``depth`` worse than the centre, give or take ``depth_sd`` in all and ``each_sd`` per
    parameter; ``slope_sd``: sd of a linear trend per parameter, from edge to edge half of it each way; ``choice_sd``: sd of
    what each choice adds, over the root of the number of parameters that are choices."""

    embedding: Embedding
    depth: float = 0.0
    depth_sd: float = 0.0
    each_sd: float = 0.0
    slope_sd: float = 0.0
    choice_sd: float = 0.0

    def mean(self, Z: np.ndarray) -> np.ndarray:
        """Return the prior mean (n,)."""
        return -self.depth * self.embedding.eccentricity(Z)

    def features(self, Z: np.ndarray) -> np.ndarray:
        """Return the scaled features (n, q)."""
        columns = [constant(Z)]
        if self.depth_sd > 0:
            columns.append(self.depth_sd * self.embedding.eccentricity(Z)[:, None])
        if self.each_sd > 0 or self.slope_sd > 0:
            x = self.embedding.numbers(Z)
            root = np.sqrt(max(x.shape[1], 1))
            columns += [self.each_sd / root * x**2, self.slope_sd / root * x]
        if self.choice_sd > 0:
            columns.append(self.choice_sd * self.embedding.chosen(Z))
        return np.hstack(columns)


@dataclass(frozen=True)
class Slope:
    """Linear in every number and choice, each with sd ``sd`` from the centre to an edge: what thresholds look like."""

    embedding: Embedding
    sd: float

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the scaled features (n, q)."""
        choice = (self.embedding.choices > 0)[self.embedding.group]
        return self.sd * np.hstack([self.embedding.numbers(Z), Z[:, choice] * np.sqrt(2.0)])
