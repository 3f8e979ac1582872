"""Small control tasks, many episodes at once: a pole to balance, a pendulum to swing up, a ball to catch.

Notation: states s (n, k) of n episodes · actions a (n,), whole numbers · a step returns the next states, the rewards (n,)
and which episodes ended (n,), for a reason of the task and not of the clock. Constants of pole and pendulum are those of
Gymnasium's CartPole-v1 and Pendulum-v1, the pendulum's torque being one of five; catch is that of bsuite, a board of 10 × 5.
Knows nothing of agents.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Transition = tuple[Array, Array, NDArray[np.bool_]]


@dataclass(frozen=True)
class ControlTask:
    """A task. ``observe`` maps states to what an agent sees (n, ``sees``); an episode lasts ``horizon`` steps at most;
    ``worst`` and ``best`` are returns between which a score is scaled."""

    start: Callable[[int, np.random.Generator], Array]
    step: Callable[[Array, NDArray[np.intp]], Transition]
    observe: Callable[[Array], Array]
    sees: int
    actions: int
    horizon: int
    worst: float
    best: float

    def score(self, returned: float) -> float:
        """Return where a return stands: 0 at the worst, 1 at the best."""
        return (returned - self.worst) / (self.best - self.worst)


def _pole_start(n: int, rng: np.random.Generator) -> Array:
    return rng.uniform(-0.05, 0.05, (n, 4))


def _pole_step(s: Array, a: NDArray[np.intp]) -> Transition:
    """Move the cart to the left (0) or right (1) for 0.02 s: position, speed, angle and its speed."""
    gravity, cart, pole, half, force, tau = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    x, v, angle, turn = s.T
    push = np.where(a == 1, force, -force)
    sine, cosine = np.sin(angle), np.cos(angle)
    inner = (push + pole * half * turn**2 * sine) / (cart + pole)
    turning = (gravity * sine - cosine * inner) / (half * (4 / 3 - pole * cosine**2 / (cart + pole)))
    speeding = inner - pole * half * turning * cosine / (cart + pole)
    after = np.stack([x + tau * v, v + tau * speeding, angle + tau * turn, turn + tau * turning], 1)
    fallen = (np.abs(after[:, 0]) > 2.4) | (np.abs(after[:, 2]) > np.pi / 15)
    return after, np.ones(len(s)), fallen


def _pendulum_start(n: int, rng: np.random.Generator) -> Array:
    return rng.uniform([-np.pi, -1.0], [np.pi, 1.0], (n, 2))


def _pendulum_step(s: Array, a: NDArray[np.intp]) -> Transition:
    """Turn by one of five torques for 0.05 s: angle (0: upright) and its speed."""
    torque = a - 2.0
    angle, turn = (s[:, 0] + np.pi) % (2 * np.pi) - np.pi, s[:, 1]
    reward = -(angle**2 + 0.1 * turn**2 + 0.001 * torque**2)
    faster = np.clip(turn + 0.05 * (15.0 * np.sin(angle) + 3.0 * torque), -8.0, 8.0)
    return np.stack([angle + 0.05 * faster, faster], 1), reward, np.zeros(len(s), bool)


def _pendulum_seen(s: Array) -> Array:
    return np.stack([np.cos(s[:, 0]), np.sin(s[:, 0]), s[:, 1] / 8], 1)


def _catch_start(n: int, rng: np.random.Generator) -> Array:
    return np.stack([np.zeros(n), rng.integers(5, size=n), np.full(n, 2.0)], 1).astype(np.float64)


def _catch_step(s: Array, a: NDArray[np.intp]) -> Transition:
    """Move the paddle by -1, 0 or 1 while the ball falls by one: height, column of the ball, column of the paddle."""
    after = np.stack([s[:, 0] + 1, s[:, 1], np.clip(s[:, 2] + a - 1, 0, 4)], 1)
    ended = after[:, 0] >= 9
    return after, np.where(ended, np.where(after[:, 1] == after[:, 2], 1.0, -1.0), 0.0), ended


def _catch_seen(s: Array) -> Array:
    ball, paddle = (np.eye(5)[s[:, i].astype(int)] for i in (1, 2))
    return np.concatenate([s[:, :1] / 9, ball, paddle], 1).astype(np.float64)


TASKS = {
    "pole": ControlTask(_pole_start, _pole_step, lambda s: s, 4, 2, 500, 0.0, 500.0),
    "pendulum": ControlTask(_pendulum_start, _pendulum_step, _pendulum_seen, 3, 5, 200, -1500.0, -150.0),
    "catch": ControlTask(_catch_start, _catch_step, _catch_seen, 11, 3, 9, -1.0, 1.0),
}
"""By name. The pendulum's worst and best are about what random and well-trained agents reach."""


class Episodes:
    """n episodes of a task side by side; one that is over begins anew. Not for several threads."""

    def __init__(self, task: ControlTask, n: int, rng: np.random.Generator) -> None:
        self.task, self._rng = task, rng
        self.states = task.start(n, rng)
        self._age = np.zeros(n, int)
        self._sum = np.zeros(n)
        self.returns: list[float] = []
        """Of the episodes that are over, in order."""

    @property
    def seen(self) -> Array:
        """What the agent sees now, (n, sees)."""
        return self.task.observe(self.states)

    def step(self, actions: NDArray[np.intp]) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.bool_]]:
        """Return what is seen after the step, the rewards, which ended in themselves, and which are over."""
        after, rewards, ended = self.task.step(self.states, actions)
        self._age += 1
        self._sum += rewards
        over = ended | (self._age >= self.task.horizon)
        observations = self.task.observe(after)
        self.states = after
        if over.any():
            self.returns += self._sum[over].tolist()
            self.states[over] = self.task.start(int(over.sum()), self._rng)
            self._age[over], self._sum[over] = 0, 0.0
        return observations, rewards, ended, over
