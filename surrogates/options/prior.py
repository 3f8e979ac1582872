"""What a user believes of where the best configuration lies: a density over the space, whose weight the trials decide.

Expected improvement is multiplied by density^w. As in the source, w falls like BETA / n; here it is at most 1, and times the
probability, by the model, that the best of some draws from the density is better than the best of as many uniform ones: a
belief that the trials speak against is unlearnt when they do, not by the clock. A share of each parameter's density
is uniform, so that being wrong of one parameter leaves the others. Knows nothing of how expected improvement came about.

Notation: X (n, d), active (n, d) as in contracts.
Source: Hvarfner, Stoll, Souza, Lindauer, Hutter & Nardi 2022, "piBO: augmenting acquisition functions with user beliefs
for Bayesian optimization": the product, its exponent BETA / n, and first trials drawn from the density.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from ...evaluators.spaces.parameters import Categorical, Parameter
from ...evaluators.spaces.space import SearchSpace

BETA = 3.0
"""Trials after which the exponent falls. The source's is a tenth of all trials of a study, of which an engine is not told:
of 30, the usual number."""

DOUBT = 0.1
"""Share of each parameter's density that is uniform."""

DRAWS, SAMPLES = 256, 256
"""Points of either kind that are compared, and how often."""


@dataclass(frozen=True)
class BelievedDensity:
    """The density of a space's priors in the unit cube; parameters without one, and inactive ones, are uniform."""

    space: SearchSpace

    @cached_property
    def columns(self) -> tuple[tuple[int, Parameter], ...]:
        """The parameters with a prior, by their column; empty where nothing is believed."""
        return tuple((j, p) for j, p in enumerate(self.space.parameters) if p.prior is not None)

    def log_density(self, X: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Return the log density (n,) of canonical rows, 0 where uniform."""
        total = np.zeros(len(X))
        for j, parameter in self.columns:
            density = (1 - DOUBT) * _density(parameter, X[:, j]) + DOUBT
            total += np.where(active[:, j], np.log(density), 0.0)
        return total

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return up to n canonical rows of the density in which every relation holds; possibly none."""
        U = rng.random((4 * n, len(self.space)))
        for j, parameter in self.columns:
            U[:, j] = np.where(rng.random(len(U)) < DOUBT, U[:, j], _quantile(parameter, U[:, j]))
        X, _ = self.space.canonical(U)
        return X[self.space.satisfies_rows(X)][:n]


def sampled_scores(
    mean: np.ndarray, variance: np.ndarray, log_feasible: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return SAMPLES draws (SAMPLES,) of the largest value at m points, from mean and variance (S, m); -inf where
    none of them is feasible in a draw."""
    member = rng.integers(len(mean), size=SAMPLES)
    values = mean[member] + np.sqrt(variance[member]) * rng.standard_normal((SAMPLES, mean.shape[1]))
    return np.where(np.log(rng.random(values.shape)) < log_feasible, values, -np.inf).max(
        axis=1, initial=-np.inf
    )


def trust(believed: np.ndarray, uniform: np.ndarray, *, ended: int) -> float:
    """Return the exponent of the density, from sampled scores (n,) of its draws and of uniform ones, after ``ended``
    trials."""
    return float(np.mean(believed > uniform)) * min(1.0, BETA / max(ended, 1))


def _normal(parameter: Parameter) -> tuple[float, float]:
    """Return mean and standard deviation of a number's prior in the unit interval."""
    assert not isinstance(parameter, Categorical)
    assert parameter.prior is not None
    mean, sd, low, high = parameter.prior["mean"], parameter.prior["sd"], parameter.low, parameter.high
    step = float(parameter.step or 1) if parameter.levels else 0.0
    width = np.log(sd) / np.log(high / low) if parameter.log else sd / (high - low + step)
    return float(parameter.encode([parameter.nearest(mean)])[0]), float(width)


def _density(parameter: Parameter, u: np.ndarray) -> np.ndarray:
    if isinstance(parameter, Categorical):
        weights = np.array(parameter.prior or ())
        return (weights / weights.mean())[parameter.indices(u)]
    mean, sd = _normal(parameter)
    inside = ndtr((1 - mean) / sd) - ndtr(-mean / sd)
    return np.exp(-0.5 * ((u - mean) / sd) ** 2) / (np.sqrt(2 * np.pi) * sd * inside)


def _quantile(parameter: Parameter, q: np.ndarray) -> np.ndarray:
    """Return the coordinates below which shares q (n,) of the density lie."""
    if isinstance(parameter, Categorical):
        shares = np.cumsum(np.array(parameter.prior or ())) / np.sum(parameter.prior or ())
        return parameter.middles[np.minimum(np.searchsorted(shares, q), parameter.levels - 1)]
    mean, sd = _normal(parameter)
    low, high = ndtr(-mean / sd), ndtr((1 - mean) / sd)
    return np.clip(mean + sd * ndtri(low + q * (high - low)), 0.0, 1.0)
