"""The model of one measured number: an outcome transform and a few Gaussian processes over it.

The transform is chosen by leave-one-out predictive likelihood (with its Jacobian), the hyperparameters are
sampled while data are few, and the scale of the error bars is corrected when leave-one-out coverage is off.

Notation: as in gp.py · S members (samples of the hyperparameters).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from .gp import Fitted, Priors, Task, fit_map, sample_thetas
from .mean import Bowl, Flat
from .transforms import Kind, Transform, fit_transform

FLAT = Flat()


@dataclass(frozen=True)
class Settings:
    """How much work a fit may be. The defaults come from benchmarks/regret.py."""

    design: int = 3
    """Trials (the default included) before the acquisition function chooses."""
    samples: int = 6
    """Hyperparameter samples while there are at most ``sampled_rows`` rows; one (the mode) beyond."""
    sampled_rows: int = 60
    transforms: tuple[Kind, ...] = ("linear", "power", "rank")
    limit_transforms: tuple[Kind, ...] = ("power",)
    heavy_tail: float = 100.0
    """Tail beyond which transforms other than the first are tried: clusters of good trials alone reach 30."""
    choice_tail: float = 10.0
    """The same in spaces of unordered choices alone: there a few choices often fail altogether, at a floor far below."""
    choice: float = 1.0
    """In the same spaces, standard deviation of what each choice adds by itself (over the root of their number)."""
    design_length: float = 0.2
    """Lengthscale (times the root of the dimension) of the prior that spreads the initial design."""
    bowl: float = 1.0
    """How many standard deviations a corner of the space is expected to be worse than its centre ..."""
    bowl_sd: float = 1.0
    """... and the standard deviation of that expectation: the rows decide."""
    bowl_each: float = 1.0
    """The same for each parameter apart (over the root of their number)."""
    slope: float = 0.0
    """Standard deviation of a linear trend per parameter (over the root of their number)."""
    failure_slope: float = 2.0
    """Standard deviation, from the centre to an edge, of the linear part of what separates failures from successes."""
    failure_bowl: float = 2.0
    """How much likelier a corner is expected to fail than the centre, on the latent scale of the classifiers."""
    caution: float = 1.5
    """Power of P(feasible) in the acquisition function."""
    wide: int = 20
    """Parameters beyond which the search stays in a trust region around the best trial."""
    changed: int = 8
    """About how many coordinates a candidate in the trust region changes."""
    design_kind: Literal["integrated", "dpp", "volume", "ariel"] = "integrated"
    """The initial design lowers the integrated variance, is drawn as in ``options/determinantal.py``, or is spread over
    the boxes of ``options/volumes.py``."""
    coreset: Literal["usual", "sensitivity"] = "usual"
    """Which rows of a long history are trained on: ``models/coreset.py``, or ``options/sensitivity.py``."""
    replicates: Literal["gain", "variance", "never"] = "gain"
    """Whether a configuration may be measured again: where noise is known and nothing new is worth more, or as
    ``options/allocation.py`` shares measurements out."""
    price: Literal["", "seconds", "cost"] = ""
    """Which of the measurement's prices expected improvement is divided by."""
    subspace: int = 0
    """Dimensions of the random subspace that is searched (``options/subspace.py``); 0 is the whole space."""
    candidates: int = 500
    """Uniform candidates per search of the acquisition function, and as many near good trials."""
    length: float = 0.45
    length_sd: float = 0.9
    noise: float = -7.0
    growth: float = 1.15
    """A full fit again when the rows have grown by this factor; a few steps from the last optimum otherwise."""


@dataclass(frozen=True)
class Warm:
    """What one fit leaves for the next: hyperparameters, transform and the number of rows of the last full fit."""

    theta: np.ndarray
    kind: Kind
    rows: int
    inflation: float = 1.0


@dataclass(frozen=True)
class OutcomeModel:
    """Posterior of one number. ``members`` differ in hyperparameters only; variances are multiplied by
    ``inflation``."""

    transform: Transform
    members: tuple[Fitted, ...]
    warm: Warm
    trend: Bowl | Flat
    notes: tuple[str, ...] = field(default=())

    def predict(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance (S, m) on the transformed scale at embedded rows Z (m, p)."""
        pairs = [m.predict(Z) for m in self.members]
        mean = np.stack([p[0] for p in pairs]) + self.trend.mean(Z)
        return mean, np.stack([p[1] for p in pairs]) * self.warm.inflation

    def natural(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return median (m,) and half the width of the central 68 % (m,) in the unit of y."""
        mean, sd = mixture(*self.predict(Z))
        low, high = self.transform.inverse(mean - sd), self.transform.inverse(mean + sd)
        return self.transform.inverse(mean), np.maximum(0.5 * high - 0.5 * low, 1e-300)

    def with_fantasies(self, Z: np.ndarray) -> "OutcomeModel":
        """Return the model that also believes its own mean at Z (q, p)."""
        return replace(self, members=tuple(m.with_fantasies(Z) for m in self.members)) if len(Z) else self


def fit_outcome(
    D: np.ndarray, Z: np.ndarray, group: np.ndarray, y: np.ndarray, sem: np.ndarray, *,
    warm: Warm | None, settings: Settings, rng: np.random.Generator, trend: Bowl | Flat = FLAT,
) -> OutcomeModel:  # fmt: skip
    """Return the model of y (n,) at rows Z (n, p) with D (d, n, n); ``sem`` (n,): standard errors, NaN where
    unknown."""
    full = warm is None or len(y) <= 12 or len(y) >= warm.rows * settings.growth
    priors = Priors.default(
        len(D), length=settings.length, length_sd=settings.length_sd, noise=settings.noise
    )
    phi = trend.features(Z)
    base = Task(D, trend.mean(Z), np.zeros(len(y)), priors, phi @ phi.T)
    kinds: Sequence[Kind] = _kinds(y, settings) if full or warm is None else [warm.kind]
    fits = [_fit_kind(base, y, sem, kind, Z, group, warm, full, trend) for kind in kinds]
    _, transform, theta, task, fitted = max(fits, key=lambda f: f[0])
    members = [fitted]
    if len(y) <= settings.sampled_rows and settings.samples > 1:
        thetas = sample_thetas(task, theta, rng, n=settings.samples)
        members = [Fitted.build(t, group, Z, task.y, task.noise, features=trend.features) for t in thetas]
    inflation = _inflation(fitted) if full or warm is None else warm.inflation
    state = Warm(theta, transform.kind, len(y) if full or warm is None else warm.rows, inflation)
    jitter = max(m.jitter for m in members)
    notes = (f"jitter of {jitter:g} was added to the covariance",) if jitter > 1e-6 else ()
    return OutcomeModel(transform, tuple(members), state, trend, notes)


def _kinds(y: np.ndarray, settings: Settings) -> Sequence[Kind]:
    """Return the transforms worth fitting: the first, and the others only for tails that it cannot hold.

    The tail is the distance from the best to the worst value in units of that from the best to the median.
    """
    if len(y) < 5:
        return settings.transforms[:1]
    unit = float(np.max(np.abs(y))) or 1.0
    best, middle, worst = (float(v) for v in np.quantile(y / unit, [1.0, 0.5, 0.0]))
    heavy = best - worst > settings.heavy_tail * (best - middle)
    return settings.transforms if heavy else settings.transforms[:1]


def _fit_kind(
    base: Task, y: np.ndarray, sem: np.ndarray, kind: Kind, Z: np.ndarray, group: np.ndarray,
    warm: Warm | None, full: bool, trend: Bowl | Flat,
) -> tuple[float, Transform, np.ndarray, Task, Fitted]:  # fmt: skip
    transform = fit_transform(y, kind)
    z = transform.forward(y)
    slope = np.exp(transform.log_slope(y))
    with np.errstate(over="ignore"):
        noise = np.where(np.isnan(sem), 0.0, np.minimum(np.nan_to_num(sem) * slope, 3.0) ** 2)
    task = base.with_y(z - base.y, noise)
    starts = [base.priors.mean] if warm is None else [warm.theta]
    if full and warm is not None:
        starts.append(base.priors.mean)
    theta = fit_map(task, starts, steps=60 if full else 5)
    fitted = Fitted.build(theta, group, Z, task.y, noise, features=trend.features)
    mean, variance = fitted.leave_one_out()
    density = -0.5 * (task.y - mean) ** 2 / variance - 0.5 * np.log(variance)
    return float(np.sum(density + transform.log_slope(y))), transform, theta, task, fitted


def _inflation(fitted: Fitted) -> float:
    """Return the factor on variances that repairs leave-one-out coverage; 1 unless it is clearly off.

    The 68th percentile of squared leave-one-out errors in units of their variance is 1 for a calibrated model.
    With few rows it is shrunk towards 1 (as if 20 calibrated rows had been seen), and deflation stops at 0.5.
    """
    mean, variance = fitted.leave_one_out()
    n = len(variance)
    if n < 8:
        return 1.0
    ratio = float(np.quantile((fitted.y - mean) ** 2 / variance, 0.683))
    shrunk = np.exp(n / (n + 20.0) * np.log(np.clip(ratio, 0.05, 20.0)))
    return float(np.clip(shrunk, 1.0, 4.0))


def mixture(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (m,) and sd (m,) of the mixture of the S samples."""
    centre = mean.mean(axis=0)
    return centre, np.sqrt(variance.mean(axis=0) + mean.var(axis=0))
