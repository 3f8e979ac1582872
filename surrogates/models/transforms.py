"""Outcome transforms: monotone maps of y to a scale on which a Gaussian process is believable.

Three are tried: ``linear`` (standardize), ``power`` (Yeo-Johnson after standardizing, its exponent by maximum
likelihood) and ``rank`` (normal scores of the ranks). All are invariant to affine changes of y. Knows nothing
of models.

Notation: y (n,) larger is better · z (n,) transformed, mean 0 and variance 1 where y varies.
Sources: Yeo & Johnson 2000; the copula of Salinas et al. 2020 ("A quantile-based approach").
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import ndtri

Kind = Literal["linear", "power", "rank"]
KINDS: tuple[Kind, ...] = ("linear", "power", "rank")
SMALLEST = 1e-290
"""Spread below which values are equal: its inverse, and that of a difference step, must be a float."""
_LARGEST = float(np.finfo(float).max)


@dataclass(frozen=True)
class Transform:
    """z = (warp((y - shift) / scale) - mean) / sd, where warp is the identity, Yeo-Johnson or interpolated ranks."""

    kind: Kind
    shift: float
    scale: float
    exponent: float = 1.0
    mean: float = 0.0
    sd: float = 1.0
    knots: tuple[np.ndarray, np.ndarray] | None = None
    span: tuple[float, float] = (-1e12, 1e12)
    """Where ``inverse`` stops, in units of ``scale`` from ``shift``: ten ranges beyond the data."""

    def forward(self, y: np.ndarray) -> np.ndarray:
        """Return z of values y, any shape; beyond the data the map goes on."""
        return (self._warp(_units(y, self.shift, self.scale)) - self.mean) / self.sd

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """Return y of transformed values z; inverse of ``forward`` (clipped where it would overflow)."""
        w = z * self.sd + self.mean
        if self.knots is not None:
            u = _interpolate(w, self.knots[1], self.knots[0])
        else:
            u = w if self.exponent == 1.0 else _yeo_johnson_inverse(w, self.exponent)
        with np.errstate(over="ignore"):  # the largest float stands for what lies beyond
            return np.clip(np.clip(u, *self.span) * self.scale + self.shift, -_LARGEST, _LARGEST)

    def log_slope(self, y: np.ndarray) -> np.ndarray:
        """Return log dz/dy at y, by a central difference: the Jacobian of predictive densities."""
        h = 1e-3 * self.scale
        y = np.clip(y, h - _LARGEST, _LARGEST - h)
        rise = self.forward(y + h) - self.forward(y - h)
        return np.log(np.maximum(rise / (2 * h), 1e-12 / self.scale))

    def _warp(self, u: np.ndarray) -> np.ndarray:
        if self.knots is not None:
            return _interpolate(u, *self.knots)
        return u if self.exponent == 1.0 else _yeo_johnson(u, self.exponent)


def fit_transform(y: np.ndarray, kind: Kind) -> Transform:
    """Return the transform of that kind for finite values y (n,). Constant y maps to zeros."""
    shift, scale = _location(y)
    u = _units(y, shift, scale)
    span = _span(u)
    if kind == "rank" and len(y) > 1:
        values, z = _normal_scores(u)
        if len(values) > 1:
            return Transform("rank", shift, scale, knots=(values, z), span=span)
    exponent = _best_exponent(u) if kind == "power" and len(y) >= 4 else 1.0
    w = _yeo_johnson(u, exponent) if exponent != 1.0 else u
    sd = float(np.std(w))
    return Transform(kind, shift, scale, exponent, float(np.mean(w)), sd if sd > 1e-9 else 1.0, span=span)


def _location(y: np.ndarray) -> tuple[float, float]:
    """Return median and spread; a spread of the central half where outliers dominate the standard deviation."""
    if len(y) == 0:
        return 0.0, 1.0
    unit = float(np.max(np.abs(y))) or 1.0
    shift = float(np.median(y / unit)) * unit
    scale = float(np.std(y / unit)) * unit
    if np.isfinite(scale) and scale < SMALLEST:
        return shift, max(abs(shift), 1.0)
    if not np.isfinite(scale) or scale <= 1e-12 * max(abs(shift), 1e-280):
        return shift, max(abs(shift), 1.0) if scale <= 0 or not np.isfinite(scale) else scale
    central = float(np.subtract(*np.quantile(y / unit, [0.75, 0.25]))) * unit / 1.35
    return shift, central if central < scale and central > 1e-12 * max(abs(shift), scale) else scale


def _units(y: np.ndarray, shift: float, scale: float) -> np.ndarray:
    """Return (y - shift) / scale where the difference may be larger than any float."""
    return (0.5 * y - 0.5 * shift) / (0.5 * scale)


def _span(u: np.ndarray) -> tuple[float, float]:
    if len(u) == 0:
        return -10.0, 10.0
    low, high = float(np.min(u)), float(np.max(u))
    room = 10.0 * max(high - low, 1.0)
    return low - room, high + room


def _normal_scores(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, counts = np.unique(u, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    return values, ndtri(np.clip(middle / len(u), 1e-6, 1 - 1e-6))


def _interpolate(x: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    inside = np.interp(x, xs, ys)
    low = (ys[1] - ys[0]) / max(xs[1] - xs[0], 1e-12)
    high = (ys[-1] - ys[-2]) / max(xs[-1] - xs[-2], 1e-12)
    inside = np.where(x < xs[0], ys[0] + low * (x - xs[0]), inside)
    return np.where(x > xs[-1], ys[-1] + high * (x - xs[-1]), inside)


def _yeo_johnson(u: np.ndarray, exponent: float) -> np.ndarray:
    high, low = np.maximum(u, 0.0), np.maximum(-u, 0.0)
    up = np.log1p(high) if abs(exponent) < 1e-6 else np.expm1(exponent * np.log1p(high)) / exponent
    other = 2.0 - exponent
    down = np.log1p(low) if abs(other) < 1e-6 else np.expm1(other * np.log1p(low)) / other
    return up - down


def _yeo_johnson_inverse(w: np.ndarray, exponent: float) -> np.ndarray:
    high, low = np.maximum(w, 0.0), np.maximum(-w, 0.0)
    return _grow(high, exponent) - _grow(low, 2.0 - exponent)


def _grow(w: np.ndarray, exponent: float) -> np.ndarray:
    if abs(exponent) < 1e-6:
        return np.expm1(np.minimum(w, 50.0))
    inside = np.maximum(1.0 + exponent * w, 1e-12)
    return np.expm1(np.minimum(np.log(inside) / exponent, 50.0))


def _best_exponent(u: np.ndarray) -> float:
    """Return the exponent that makes u most normal, with a weak pull towards 1."""

    def loss(exponent: float) -> float:
        w = _yeo_johnson(u, exponent)
        jacobian = (exponent - 1.0) * float(np.sum(np.sign(u) * np.log1p(np.abs(u))))
        return 0.5 * len(u) * float(np.log(np.var(w) + 1e-12)) - jacobian + 0.5 * (exponent - 1.0) ** 2

    optimum: Any = minimize_scalar(
        loss, bounds=(-2.0, 4.0), method="bounded", options={"maxiter": 25}
    )  # Any: untyped
    return float(optimum.x)
