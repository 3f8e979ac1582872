"""Problems with a planted optimum, for benchmarks of planners: cheap functions on real-looking spaces.

Each is minimized over a space of floats, logarithmic floats, integers, choices and conditional parameters. The
optimum lies off the centre and off the default. A problem knows its optimum, its worst corner and its typical value,
so that scripted experts, liars and adversaries can be told, and regret normalised: 0 at the optimum, 1 at the median of
random points.
"""

import itertools
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import trialogue as tl

Shape = Callable[[np.ndarray], float]
"""Distance vector from the optimum, in scaled coordinates of about [-1, 1], to a value that is 0 at the optimum."""


def bowl(v: np.ndarray) -> float:
    return float((v**2 * np.linspace(1, 3, len(v))).sum())


def valley(v: np.ndarray) -> float:
    w = v * 1.5
    return (
        float(2 * ((w[1:] - w[:-1] ** 2) ** 2).sum() + (0.3 * w**2).sum()) if len(v) > 1 else float(v[0] ** 2)
    )


def ripples(v: np.ndarray) -> float:
    return float((v**2 + 0.08 * (1 - np.cos(6 * math.pi * v))).sum())


def cone(v: np.ndarray) -> float:
    return float(np.sqrt((v**2).mean()) ** 0.8)


def cliff(v: np.ndarray) -> float:
    return float((v**2).sum() + 1.0 * (v[0] > 0.25) + 0.5 * (v[-1] < -0.4))


def sparse(v: np.ndarray) -> float:
    return float(2 * abs(v[0]) ** 1.5 + v[1] ** 2 + 0.02 * (v[2:] ** 2).sum())


def plateau(v: np.ndarray) -> float:
    return float(1 - math.exp(-2.5 * (v**2).sum()) + 0.1 * np.abs(v).mean())


def rotated(v: np.ndarray) -> float:
    d = len(v)
    A = np.linalg.qr(np.random.default_rng(d).normal(size=(d, d)))[0]
    w = A @ v
    return float((w**2 * np.geomspace(0.3, 5, d)).sum())


@dataclass(frozen=True)
class Planted:
    """A problem with its optimum. ``penalties``: what each wrong choice costs; ``maximize``: sign and scale are
    turned."""

    name: str
    space: tl.SearchSpace
    shape: Shape
    optimum: Mapping[str, Any]
    penalties: Mapping[str, float]
    maximize: bool = False
    scale: float = 1.0

    @cached_property
    def problem(self) -> tl.Problem:
        direction = "maximize" if self.maximize else "minimize"
        objective = tl.Objective("score" if self.maximize else "loss", direction)
        return tl.Problem(
            self.name, self.space, objectives=[objective], description="A synthetic tuning task."
        )

    @cached_property
    def _numbers(self) -> list[int]:
        return [i for i, p in enumerate(self.space.parameters) if not isinstance(p, tl.Categorical)]

    @cached_property
    def _at(self) -> np.ndarray:
        return self.space.to_unit(self.optimum)

    def loss(self, params: Mapping[str, Any]) -> float:
        """Return the value without sign and scale: 0 at the optimum."""
        X, active = self.space.encode([params])
        shared = active[0] & np.array([p.name in self.optimum for p in self.space.parameters])
        v = np.where(shared, X[0] - self._at, 0.0)[self._numbers] * 1.6
        wrong = sum(
            cost for name, cost in self.penalties.items() if params.get(name) != self.optimum.get(name)
        )
        return self.shape(v) + wrong

    def value(self, params: Mapping[str, Any]) -> float:
        """Return what an experiment measures."""
        return (-1 if self.maximize else 1) * self.scale * self.loss(params)

    @cached_property
    def typical(self) -> float:
        """Median loss of random configurations."""
        return float(np.median([self.loss(p) for p in self.space.sample(np.random.default_rng(0), 500)]))

    @cached_property
    def worst(self) -> dict[str, Any]:
        """The corner with the largest loss."""
        rng = np.random.default_rng(1)
        d = len(self.space)
        corners = (
            np.array(list(itertools.product((0.0, 1.0), repeat=d)))
            if d <= 9
            else rng.integers(0, 2, (512, d)).astype(float)
        )
        return max(self.space.decode(corners), key=self.loss)

    def near(self, sd: float, right: float = 0.85) -> Callable[[random.Random], dict[str, Any]]:
        """Return a function that draws around the optimum: numbers with ``sd`` of their scaled range, each choice
        right with probability ``right``."""
        return self.around(self.optimum, sd, right)

    def around(
        self, centre: Mapping[str, Any], sd: float, right: float
    ) -> Callable[[random.Random], dict[str, Any]]:
        """Return a function that draws flat configurations around ``centre``."""
        at = self.space.to_unit(centre)

        def draw(rng: random.Random) -> dict[str, Any]:
            x = at.copy()
            for i, p in enumerate(self.space.parameters):
                if isinstance(p, tl.Categorical):
                    x[i] = x[i] if rng.random() < right else rng.random()
                else:
                    x[i] = min(1.0, max(0.0, x[i] + rng.gauss(0, sd)))
            params = self.space.from_unit(x)
            return {name: params.get(name) for name in self.space.names}

        return draw

    @cached_property
    def decoy(self) -> dict[str, Any]:
        """A configuration that is bad and far from the optimum, but no corner: what a liar believes in."""
        drawn = self.space.sample(np.random.default_rng(2), 400)
        far = sorted(drawn, key=self.loss)[280:380]
        return max(far, key=lambda p: float(np.abs(self.space.to_unit(p) - self._at).sum()))


def _floats(d: int, *, logs: int = 0, ints: int = 0) -> list[Any]:
    parameters: list[Any] = [tl.Float(f"rate_{i}", 1e-5, 1e-1, log=True) for i in range(logs)]
    parameters += [tl.Int(f"size_{i}", 1, 256, log=True) for i in range(ints)]
    return parameters + [tl.Float(f"x{i}", -2.0, 3.0) for i in range(d - logs - ints)]


def _choices() -> list[Any]:
    return [tl.Categorical("method", ["plain", "fast", "exact"]), tl.Categorical("warm", [False, True])]


def _conditional() -> list[Any]:
    return [
        tl.Categorical("kernel", ["linear", "rbf", "poly"]),
        tl.Float("C", 1e-3, 1e3, log=True),
        tl.Float("gamma", 1e-5, 1e1, log=True, when={"kernel": ["rbf", "poly"]}),
        tl.Int("degree", 2, 6, when={"kernel": ["poly"]}),
        tl.Float("tol", 1e-6, 1e-1, log=True),
    ]


_PENALTIES = {"method": 0.4, "warm": 0.2, "kernel": 0.5}
_SHAPES: dict[str, Shape] = {
    f.__name__: f for f in (bowl, valley, ripples, cone, cliff, sparse, plateau, rotated)
}


def _planted(
    name: str, parameters: list[Any], shape: str, seed: int, *, maximize: bool = False, scale: float = 1.0
) -> Planted:
    """Return the problem with an optimum drawn from the inner part of the space, off its centre."""
    space = tl.SearchSpace(parameters)
    rng = np.random.default_rng([seed, 99])
    x = rng.uniform(0.12, 0.38, len(space))
    x = np.where(rng.random(len(space)) < 0.5, x, 1 - x)
    optimum = space.from_unit(x)
    if "kernel" in optimum:
        optimum = space.clip({**optimum, "kernel": "rbf"})
    penalties = {k: v for k, v in _PENALTIES.items() if k in space}
    return Planted(name, space, _SHAPES[shape], optimum, penalties, maximize, scale)


def problems() -> list[Planted]:
    """Return the 24 problems: eight shapes, each on a small, a mixed and a larger or conditional space."""
    made = []
    for i, shape in enumerate(_SHAPES):
        flip = i % 2 == 1
        made.append(
            _planted(f"{shape}-small", _floats(3, logs=1), shape, i, maximize=flip, scale=10.0 ** (i - 4))
        )
        made.append(
            _planted(
                f"{shape}-mixed", [*_floats(4, logs=1, ints=1), *_choices()], shape, 20 + i, maximize=not flip
            )
        )
        last = _conditional() if i % 2 else _floats(6, logs=2, ints=1)
        made.append(
            _planted(
                f"{shape}-{'conditional' if i % 2 else 'six'}", last, shape, 40 + i, maximize=flip, scale=1e3
            )
        )
    return made
