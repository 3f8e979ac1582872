"""What a surrogate and the engine around it must guarantee. Suites: ``tests/contracts/surrogate.py``, ``engine.py``.

Notation: X (n, d) in the unit cube, one column per parameter (an unordered choice i of k stands at (i + 0.5) / k) ·
active (n, d) bool: inactive coordinates stand at 0.5 and carry no information · y (n,) larger is better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..evaluators.problems.history import History, Params, Value
from ..evaluators.spaces.space import SearchSpace


@dataclass(frozen=True)
class TrainingData:
    """Rows that a surrogate learns from. ``noise``: variance of each y (n,), NaN where unknown."""

    space: SearchSpace
    X: np.ndarray
    active: np.ndarray
    y: np.ndarray
    noise: np.ndarray


class Posterior(Protocol):
    """What a surrogate believes after one fit. Immutable; may be read from several threads."""

    def predict(self, X: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (n,) and standard deviation (n,) of the noise-free objective, in the unit of ``y``; sd >
        0, finite."""
        ...


class Surrogate(Protocol):
    """A regression model. ``fit`` never raises for data that are finite, however degenerate (one row, constant y)."""

    @property
    def name(self) -> str:
        """How it is called in ``surrogates/alternatives/by_name.py``."""
        ...

    def fit(self, data: TrainingData, rng: np.random.Generator) -> Posterior:
        """Return the posterior given the data: invariant to row order and to affine changes of y."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """Belief at one configuration: mean and sd per objective (own unit and direction), probability of being
    feasible."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    p_feasible: float = 1.0


@dataclass(frozen=True, slots=True)
class Assessment:
    """How good a configuration looks. ``log_acquisition``: log expected improvement (times feasibility) in
    units of the standardized objective; ``z_mean``, ``z_sd``: standardized belief, larger is better, prior sd
    1."""

    log_acquisition: float
    z_mean: float
    z_sd: float
    prediction: Prediction


Origin = Literal["default", "initial_design", "acquisition", "replicate", "random", "transfer"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A configuration the engine would run next, why, and its assessment (None while nothing can be modelled)."""

    params: Params
    origin: Origin
    reason: str
    assessment: Assessment | None = None


class Belief(Protocol):
    """The engine's state given one history."""

    @property
    def notes(self) -> Sequence[str]:
        """Fallbacks and repairs that happened while conditioning, in words; they are recorded on the trial."""
        ...

    def suggest(
        self, n: int, rng: np.random.Generator, *, fixed: Mapping[str, Value] | None = None
    ) -> tuple[Suggestion, ...]:
        """Return n distinct configurations, none tried or running unless a replicate is worth more.

        Raises SpaceExhausted when a finite space has nothing left.
        """
        ...

    def assess(self, params: Sequence[Params]) -> tuple[Assessment, ...]:
        """Return how good valid configurations look, in order. Empty when nothing can be modelled yet
        (``modelled`` False)."""
        ...

    @property
    def modelled(self) -> bool:
        """Whether there is a model yet: two or more finished trials that differ."""
        ...


class Engine(Protocol):
    """Conditions on histories of one problem. Keeps warm starts between calls; safe to call from several threads."""

    def condition(self, history: History, rng: np.random.Generator) -> Belief:
        """Return the belief given ``history``. Deterministic in (history, rng, earlier calls)."""
        ...
