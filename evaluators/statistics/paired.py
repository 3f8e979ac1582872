"""Is a candidate better than a baseline, from interleaved pairs of runs, looked at after every pair?

Notation: d (n,) what the candidate was better by in each pair (log of the ratio, or the difference; above 0 is better) ·
alpha = 1 - level, the chance that one end of the interval ever lies on the wrong side of the truth.

The interval is the set of shifts that no look rejects. A look compares the sum of d - shift with the same sum under random
signs: where pairs are symmetric about the shift, signs are coin tosses given the sizes, whatever the law of the noise,
heavy tails and unequal variances included. Each look spends a part of alpha that is fixed beforehand, and paths that an
earlier look rejected do not count again, so that the interval holds at all looks at once and for ever. Two configurations
that do not differ give symmetric pairs whatever the noise. ``assumption="normal"`` has normal noise of unknown size in the
place of the signs: for three or four pairs, with which signs can decide nothing.

Sources: Fisher 1935 (signs) · Lan & DeMets 1983 (spending) · Armitage, McPherson & Rowe 1969 (paths that went on). Knows
nothing of studies and trials.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from ...serving.errors import InvalidInput

Assumption = Literal["symmetric", "normal"]
Scale = Literal["ratio", "difference"]
Judgement = Literal["better", "not better", "open"]

_PATHS = 2000
"""Random paths that a look compares with: alpha is met to 1 / 2,000."""
_LATER = 0.2
"""Share of alpha that is kept for looks beyond the planned pairs."""
_WINSORIZED = 4.0
"""Sizes count up to this multiple of their median (2.7 sd of normal noise): a run that hung does not outweigh five."""
_LEAST_LOOKS = 5
"""Pairs before which nothing is given up."""
_GRID = 31
"""Shifts looked at for the first that stands, from below: what is rejected is almost always, but not always, an interval."""
_HOPELESS = 0.05
"""A candidate is given up when even a trend one standard error better than seen would win less often than this."""


@dataclass(frozen=True, slots=True)
class PairPlan:
    """How pairs are judged, fixed before the first one. ``level``: confidence of each end of the interval."""

    pairs: int = 20
    level: float = 0.95
    assumption: Assumption = "symmetric"

    def __post_init__(self) -> None:
        if not 0.5 <= self.level < 1:
            raise InvalidInput(f"`level` must be in [0.5, 1), got {self.level!r}.")
        if not self.least_pairs <= self.pairs:
            raise InvalidInput(
                f"`pairs` must be >= {self.least_pairs} at level {self.level:g}, got {self.pairs!r}: with fewer, "
                "nothing could ever be decided."
            )

    @property
    def least_pairs(self) -> int:
        """The fewest planned pairs with which something can be decided."""
        if self.assumption == "normal":
            return 2
        return math.ceil(-math.log2((1 - _LATER) * (1 - self.level)))

    def spent(self, n: int) -> float:
        """Return how much of alpha the looks after 1 to n pairs spend together."""
        alpha = 1 - self.level
        if n <= self.pairs:
            return alpha * (1 - _LATER) * (n / self.pairs) ** 1.5
        return alpha * (1 - _LATER * self.pairs / n)


@dataclass(frozen=True, slots=True)
class PairedGain:
    """What the candidate is better by, ``low`` to ``high``; larger is better, and infinite ends are not known yet.

    Ratios on the scale ``"ratio"`` (1 is equal), differences on ``"difference"`` (0 is equal). ``estimate`` is of fresh
    runs and knows nothing of how the candidate was picked; where runs ended early because it looked good it is a little
    too good, and the interval is not.
    """

    estimate: float
    low: float
    high: float
    pairs: int
    scale: Scale
    level: float

    def __str__(self) -> str:
        """Return the gain in words: ``×1.12 (90% interval 1.03 to 1.25, 12 pairs)``."""
        sign, number = ("×", "{:.3g}") if self.scale == "ratio" else ("", "{:+.3g}")
        pairs = f"{self.pairs} pair{'s' * (self.pairs != 1)}"
        estimate = f"{sign}{number.format(self.estimate)}"
        lowest = 0.0 if self.scale == "ratio" else -math.inf
        if self.estimate in (lowest, math.inf):
            return f"{'better' if self.estimate > 0 else 'worse'} by no finite amount ({pairs})"
        if self.low <= lowest and math.isinf(self.high):
            return f"{estimate} ({pairs}: too few for an interval)"
        low = number.format(self.low) if self.low > lowest else "unknown"
        high = "unknown" if math.isinf(self.high) else number.format(self.high)
        return f"{estimate} ({2 * self.level - 1:.0%} interval {low} to {high}, {pairs})"


def scale_of(values: Sequence[float]) -> Scale:
    """Return how values are compared: by ratios where all are above 0, else by differences."""
    return "ratio" if len(values) > 0 and min(values) > 0 else "difference"


def better_by(candidate: float, baseline: float, scale: Scale) -> float:
    """Return one element of d; both values larger-is-better on ``"difference"``, positive on ``"ratio"``.

    Infinite values stand for runs that failed. On ``"ratio"`` a value that is not above 0 loses by infinitely much.
    """
    if candidate == baseline:
        return 0.0
    if scale == "ratio" and min(candidate, baseline) > 0 and max(candidate, baseline) < math.inf:
        return math.log(candidate) - math.log(baseline)
    if scale == "ratio" or math.isinf(candidate - baseline):
        return math.copysign(math.inf, candidate - baseline)
    return candidate - baseline


def paired_gain(d: Sequence[float], plan: PairPlan, scale: Scale = "difference") -> PairedGain:
    """Return the gain from the pairs so far, in their order; the interval holds at every look. Needs one pair."""
    estimate, low, high = center(d), lower_bound(d, plan), -lower_bound([-x for x in d], plan)
    if scale == "ratio":
        estimate, low, high = (math.exp(x) if x < 700 else math.inf for x in (estimate, low, high))
    return PairedGain(estimate, low, high, len(d), scale, plan.level)


def judged(d: Sequence[float], plan: PairPlan, *, least: float = 0.0, until: int | None = None) -> Judgement:
    """Return whether the candidate is surely better by more than ``least`` (a log or a difference), or more pairs help.

    ``"not better"``: it surely is not, ``until`` pairs (those planned) are there, or the trend has little chance to win.
    """
    values = np.asarray(d, float) - least
    if rejecting_look(values, plan) is not None:
        return "better"
    most = plan.pairs if until is None else until
    over = len(values) >= most or rejecting_look(-values, plan) is not None
    return "not better" if over or chance_left(values, plan, most) < _HOPELESS else "open"


def chance_left(d: np.ndarray, plan: PairPlan, until: int) -> float:
    """Return how likely ``until`` pairs would win if the trend were one standard error better than it was so far."""
    n = len(d)
    if n < _LEAST_LOOKS:
        return 1.0
    differences = _drawn_in(d)
    sem = float(differences.std(ddof=1)) / math.sqrt(n) if np.isfinite(differences).all() else 0.0
    if sem == 0:
        return float(np.mean(np.sign(d)) > 0)
    z = float(differences.mean()) / sem
    expected = (z * math.sqrt(n) + (until - n) * (z + 1) / math.sqrt(n)) / math.sqrt(until)
    needed = -float(ndtri((1 - _LATER) * (1 - plan.level)))
    return float(ndtr((expected - needed) / math.sqrt((until - n) / until)))


def lower_bound(d: Sequence[float], plan: PairPlan) -> float:
    """Return the lower end of the interval: some look rejects the shifts below it. ``-inf``: none is rejected."""
    values = np.asarray(d, float)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return -math.inf
    width = float(np.ptp(finite))
    if width == 0 and len(finite) == len(values):
        return -math.inf if rejecting_look(np.ones(len(values)), plan) is None else float(values[0])
    width = width or abs(float(finite[0])) or 1.0
    grid = np.linspace(finite.min() - width, finite.max() + width, _GRID)
    open_ = next(
        (i for i, shift in enumerate(grid) if rejecting_look(values - shift, plan) is None), _GRID - 1
    )
    if open_ == 0:
        return -math.inf
    low, high = float(grid[open_ - 1]), float(grid[open_])
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if rejecting_look(values - middle, plan) is None else (middle, high)
    return low


def rejecting_look(d: Sequence[float] | np.ndarray, plan: PairPlan) -> int | None:
    """Return after which pair it was certain that the candidate is better (d above 0), or None."""
    values = np.asarray(d, float)
    going = np.arange(_PATHS + 1)  # the first path is what was measured
    rejected = 0
    for n in range(1, len(values) + 1):
        most = int(plan.spent(n) * (_PATHS + 1)) - rejected
        if most <= 0:
            continue
        sums = _statistics(values[:n], plan.assumption)[going]
        bar = np.partition(sums, len(sums) - most - 1)[len(sums) - most - 1]
        beyond = sums > bar + 1e-9 * float(np.abs(sums).max())  # equal sums stay together
        if beyond[0]:
            return n
        rejected += int(beyond.sum())
        going = going[~beyond]
    return None


def center(d: Sequence[float] | np.ndarray) -> float:
    """Return the mean of the pairs, those far out drawn in."""
    return float(_drawn_in(np.asarray(d, float)).mean())


def _drawn_in(d: np.ndarray) -> np.ndarray:
    ordered = np.sort(d)
    below, above = float(ordered[(len(d) - 1) // 2]), float(ordered[len(d) // 2])
    middle = 0.0 if below == -above else (below + above) / 2
    if not math.isfinite(middle):
        return np.full(len(d), middle)
    away = d - middle
    sizes = _sizes(np.abs(away))
    return middle + np.sign(away) * sizes


def _sizes(sizes: np.ndarray) -> np.ndarray:
    """Return sizes (n,) with those far out drawn in; 0 or 1 where most are infinite."""
    positive = sizes[sizes > 0]
    if not len(positive):
        return sizes
    usual = float(np.median(positive))
    return (sizes > 0).astype(float) if math.isinf(usual) else np.minimum(sizes, _WINSORIZED * usual)


def _statistics(d: np.ndarray, assumption: Assumption) -> np.ndarray:
    """Return the statistic (1 + paths,) of what was measured and, after it, of the random paths."""
    n = len(d)
    if assumption == "symmetric":
        sizes = _sizes(np.abs(d))
        return np.concatenate([[float(np.sign(d) @ sizes)], _signs(n) @ sizes])
    if n < 2:
        return np.zeros(_PATHS + 1)
    return np.concatenate([_student(d[None, :]), _student(_normals(n))])


def _student(rows: np.ndarray) -> np.ndarray:
    mean = rows.mean(axis=1)
    return mean / np.maximum(rows.std(axis=1, ddof=1), 1e-9 * np.abs(mean) + 1e-300)


def _signs(n: int) -> np.ndarray:
    """Return the random signs (paths, n); those of fewer pairs are their first columns."""
    return _all_signs(32 * math.ceil(n / 32))[:, :n]


def _normals(n: int) -> np.ndarray:
    return _draws(32 * math.ceil(n / 32))[:, :n]


@lru_cache(maxsize=8)
def _draws(n: int) -> np.ndarray:
    """Return normal draws (paths, n), the same in every process."""
    return np.random.default_rng(1935).standard_normal((n, _PATHS)).T.copy()


@lru_cache(maxsize=8)
def _all_signs(n: int) -> np.ndarray:
    return np.where(_draws(n) < 0, -1.0, 1.0)
