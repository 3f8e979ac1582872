"""Solvers of the probability-flow ODE in the log signal-to-noise ratio, with the order and the form chosen per step.

Notation: t in (0, 1] · log α(t) = -t²/4 (β₁-β₀) - t/2 β₀ with β₀ = 0.1, β₁ = 20 (the linear VP schedule) · σ = √(1-α²) ·
λ = log α - log σ · h = λ_t - λ_s > 0 from time s to the smaller t · x (n, d).
Sources: DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095): multistep formulas of orders 1 to 3 in data and in noise
prediction; DDIM (Song et al. 2020) is order 1 of either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Prediction = Literal["data", "noise"]
Denoiser = Callable[[np.ndarray, float, float], np.ndarray]
"""(x_t, α, σ) to an estimate of x_0."""

BETA_0, BETA_1 = 0.1, 20.0
FIRST_TIME, LAST_TIME = 1.0, 1e-3


def log_alpha(t: float) -> float:
    """Return log α(t)."""
    return -0.25 * t**2 * (BETA_1 - BETA_0) - 0.5 * t * BETA_0


def level(t: float) -> tuple[float, float]:
    """Return (α, σ) at time t."""
    log = log_alpha(t)
    return float(np.exp(log)), float(np.sqrt(-np.expm1(2 * log)))


def log_snr(t: float) -> float:
    """Return λ(t) = log α - log σ."""
    alpha, sigma = level(t)
    return float(np.log(alpha) - np.log(sigma))


def time_of(lam: float) -> float:
    """Return t with λ(t) = lam; inverse of ``log_snr``."""
    log = -0.5 * np.logaddexp(0.0, -2 * lam)
    slope = BETA_1 - BETA_0
    return float((-BETA_0 + np.sqrt(BETA_0**2 - 4 * slope * log)) / slope)


def grid(kind: str, steps: int, *, last: float = LAST_TIME, power: float = 2.0) -> list[float]:
    """Return ``steps`` + 1 times from 1 down to ``last``: even in "time", in "logsnr", or in t^(1/power) ("power")."""
    even = np.linspace(0.0, 1.0, steps + 1)
    if kind == "logsnr":
        first, end = log_snr(FIRST_TIME), log_snr(last)
        return [time_of(lam) for lam in first + (end - first) * even]
    exponent = 1.0 if kind == "time" else power
    low, high = last ** (1 / exponent), FIRST_TIME ** (1 / exponent)
    return list((high + (low - high) * even) ** exponent)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a solver: to which time, of which order (lower while there is less history), in which form."""

    to: float
    order: int
    prediction: Prediction = "data"


def solve(
    denoise: Denoiser, x: np.ndarray, steps: Sequence[Step], *, first: float = FIRST_TIME
) -> np.ndarray:
    """Return x at the last step's time, starting from x at ``first``; calls the denoiser once per step."""
    steps_before: list[tuple[float, np.ndarray, np.ndarray]] = []
    s = first
    for step in steps:
        alpha, sigma = level(s)
        data = denoise(x, alpha, sigma)
        steps_before = [*steps_before, (log_snr(s), data, (x - alpha * data) / sigma)][-3:]
        x = _advanced(x, s, step, steps_before)
        s = step.to
    return x


def _advanced(
    x: np.ndarray, s: float, step: Step, seen: Sequence[tuple[float, np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Return x at ``step.to`` by the multistep formula of the order that the history allows."""
    (alpha_s, sigma_s), (alpha_t, sigma_t) = level(s), level(step.to)
    h = log_snr(step.to) - seen[-1][0]
    order = min(step.order, len(seen))
    in_data = step.prediction == "data"
    values = [e[1] if in_data else e[2] for e in reversed(seen)]
    lams = [e[0] for e in reversed(seen)]
    sign = -1.0 if in_data else 1.0
    phi1 = np.expm1(sign * h)
    scale, factor = (sigma_t / sigma_s, alpha_t) if in_data else (alpha_t / alpha_s, sigma_t)
    change = phi1 * values[0]
    if order == 2:
        r = (lams[0] - lams[1]) / h
        change = change + 0.5 * phi1 * (values[0] - values[1]) / r
    if order == 3:
        first, second = _differences(values, lams, h)
        phi2 = phi1 / h - sign
        change = change + sign * phi2 * first + (phi2 / h - 0.5) * second
    return scale * x - factor * change


def _differences(
    values: Sequence[np.ndarray], lams: Sequence[float], h: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return h times the first and h² times the second derivative of the parabola through three values.

    The reference code takes half of the second, which costs it the third order; here the parabola is integrated exactly.
    """
    r0, r1 = (lams[0] - lams[1]) / h, (lams[1] - lams[2]) / h
    d0, d1 = (values[0] - values[1]) / r0, (values[1] - values[2]) / r1
    return d0 + r0 / (r0 + r1) * (d0 - d1), 2 * (d0 - d1) / (r0 + r1)
