"""Public test functions, with optima moved off the centre. Sources: Surjanovic & Bingham, Virtual Library of Simulation."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import trialogue as tl

from .base import Case, Outcome

Function = Callable[[np.ndarray], float]

HARTMANN_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
HARTMANN_P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                              [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])  # fmt: skip
HARTMANN3_A = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
HARTMANN3_P = 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
ALPHA = np.array([1.0, 1.2, 3.0, 3.2])


def branin(x: np.ndarray) -> float:
    a, b = x
    return float(
        (b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6) ** 2
        + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a)
        + 10
    )


def hartmann6(x: np.ndarray) -> float:
    return -float(ALPHA @ np.exp(-np.sum(HARTMANN_A * (x - HARTMANN_P) ** 2, axis=1)))


def hartmann3(x: np.ndarray) -> float:
    return -float(ALPHA @ np.exp(-np.sum(HARTMANN3_A * (x - HARTMANN3_P) ** 2, axis=1)))


def ackley(x: np.ndarray) -> float:
    return float(
        -20 * np.exp(-0.2 * np.sqrt(np.mean(x * x))) - np.exp(np.mean(np.cos(2 * np.pi * x))) + 20 + np.e
    )


def rosenbrock(x: np.ndarray) -> float:
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def levy(x: np.ndarray) -> float:
    w = 1 + (x - 1) / 4
    middle = np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2))
    return float(np.sin(np.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def rastrigin(x: np.ndarray) -> float:
    return float(10 * len(x) + np.sum(x * x - 10 * np.cos(2 * np.pi * x)))


def styblinski(x: np.ndarray) -> float:
    return float(0.5 * np.sum(x**4 - 16 * x**2 + 5 * x))


def michalewicz(x: np.ndarray) -> float:
    return -float(np.sum(np.sin(x) * np.sin(np.arange(1, len(x) + 1) * x * x / np.pi) ** 20))


def six_hump(x: np.ndarray) -> float:
    a, b = x
    return float((4 - 2.1 * a * a + a**4 / 3) * a * a + a * b + (-4 + 4 * b * b) * b * b)


def griewank(x: np.ndarray) -> float:
    return float(np.sum(x * x) / 4000 - np.prod(np.cos(x / np.sqrt(np.arange(1, len(x) + 1)))) + 1)


def _case(
    name: str,
    f: Function,
    low: float | list[float],
    high: float | list[float],
    d: int,
    *,
    unseen: bool = False,
) -> Case:
    lows, highs = np.broadcast_to(low, d), np.broadcast_to(high, d)
    space = tl.SearchSpace([tl.Float(f"x{i}", float(lows[i]), float(highs[i])) for i in range(d)])

    def evaluate(params: Mapping[str, Any]) -> Outcome:
        return Outcome(f(np.array([params[f"x{i}"] for i in range(d)])))

    return Case(tl.Problem(name, space), "synthetic", evaluate, unseen)


def _mixed_ackley() -> Case:
    space = tl.SearchSpace(
        [
            *(tl.Float(f"x{i}", -3.0, 6.0) for i in range(3)),
            tl.Int("k", -4, 9),
            tl.Categorical("c", ["a", "b", "c"]),
        ]
    )
    offset = {"a": 0.0, "b": 1.2, "c": -0.6}

    def evaluate(params: Mapping[str, Any]) -> Outcome:
        x = np.array([params["x0"], params["x1"], params["x2"], params["k"] - 2, offset[params["c"]]])
        return Outcome(ackley(x - 0.35))

    return Case(tl.Problem("ackley5-mixed", space), "synthetic", evaluate)


def synthetic_cases() -> list[Case]:
    return [
        _case("branin", branin, [-5, 0], [10, 15], 2),
        _case("hartmann6", hartmann6, 0, 1, 6),
        _case("hartmann3", hartmann3, 0, 1, 3, unseen=True),
        _case("ackley4-shifted", lambda x: ackley(x - np.array([1.3, -2.1, 3.0, 0.4])), -6, 7, 4),
        _case("rosenbrock4", rosenbrock, -2, 2.5, 4),
        _case("levy5", lambda x: levy(x - 2.3), -8, 9, 5),
        _case("rastrigin3", lambda x: rastrigin(x - 0.9), -4, 3, 3),
        _case("styblinski5", styblinski, -5, 5, 5, unseen=True),
        _case("michalewicz4", michalewicz, 0, np.pi, 4),
        _case("six-hump", six_hump, [-2, -1], [2, 1], 2, unseen=True),
        _case("griewank6", lambda x: griewank(x - 60.0), -200, 300, 6, unseen=True),
        _mixed_ackley(),
    ]
