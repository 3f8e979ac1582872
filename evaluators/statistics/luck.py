"""How much of the best of many noisy results is luck?

Notation: y (n,) results, larger is better · sd, the noise of one result. The true values are taken for draws from a law of
any shape, which is fitted to all results; the expected true value of the best one, given what it showed, is below it by
its luck. Where results differ by noise alone, nearly all of a lead is luck; where one stands out by many sd, none is.

Sources: Efron 2011 (selection bias) · Kiefer & Wolfowitz 1956 and Laird 1978 (the law of any shape, by EM). Results of one
search are not independent draws: this is a guide, and fresh runs (``paired.py``) are the proof.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_ATOMS = 200
_ROUNDS = 300


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one result: its standard deviation, and from how many degrees of freedom it is known."""

    sd: float
    freedom: int


def noise_of(replicates: Iterable[tuple[Hashable, float]]) -> Noise | None:
    """Return the pooled noise of results (which configuration, value); None where none was run twice."""
    groups: dict[Hashable, list[float]] = {}
    for key, value in replicates:
        groups.setdefault(key, []).append(value)
    repeated = [np.asarray(values) for values in groups.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in repeated)
    if not freedom:
        return None
    scale = _scale(np.concatenate(repeated))
    apart = np.concatenate([values / scale - (values / scale).mean() for values in repeated])
    return Noise(scale * float(np.sqrt((apart**2).sum() / freedom)), freedom)


def _scale(values: np.ndarray) -> float:
    """Return a power of two near the largest of the values: squares of 1e200 are no numbers, and dividing is exact."""
    return 2.0 ** float(np.clip(np.frexp(np.abs(values).max())[1], -1000, 1000))


def expected_luck(y: Sequence[float] | np.ndarray, sd: float) -> float:
    """Return by how much the largest of y (n,) is expected to stand above its true value; 0 without noise."""
    values = np.asarray(y, float)
    if sd <= 0 or len(values) < 2:
        return 0.0
    scale = _scale(values)
    values, sd = values / scale, max(sd / scale, 1e-100)
    atoms = np.linspace(values.min(), values.max(), _ATOMS)
    exponents = -0.5 * ((values[:, None] - atoms) / sd) ** 2
    likelihood = np.exp(
        exponents - exponents.max(axis=1, keepdims=True)
    )  # the nearest atom has 1, however far it is
    weights = np.full(_ATOMS, 1 / _ATOMS)
    for _ in range(_ROUNDS):
        share = likelihood * weights
        weights = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
    best = int(values.argmax())
    posterior = likelihood[best] * weights
    return max(0.0, scale * float(values[best] - (posterior @ atoms) / posterior.sum()))
