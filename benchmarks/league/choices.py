"""Generated problems of unordered choices: what the engine's categorical side is tuned on, and held-out ones of the kind.

Five kinds, any number of instances each, the same for the same number: ``cell`` (operations on the six edges of a graph of
four nodes, at a floor where nothing connects them), ``table`` (effects of choices and of pairs), ``product`` (their
exponential: a heavy tail), ``clauses`` (weighted clauses of three of sixteen switches) and ``mixed`` (choices that move the
optimum of two numbers). Scored 0 at the best configuration, 1 at the mean of random ones. Knows nothing of optimizers.
"""

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

import numpy as np
from problems.base import Case, Outcome

import trialogue as tl

from .suite import Params, Task

KINDS = ("cell", "table", "product", "clauses", "mixed")
MARKS = (10, 25, 50)
EDGES = tuple(combinations(range(4), 2))
Loss = Callable[[np.ndarray], np.ndarray]
"""Losses (n,) of rows of numbers of choices (n, d)."""


def tasks(instances: range) -> Iterator[Task]:
    """Yield the instances with these numbers of every kind."""
    for kind in KINDS:
        for number in instances:
            rng = np.random.default_rng([number, KINDS.index(kind)])
            yield mixed(f"{kind}-{number}", rng) if kind == "mixed" else listed(kind, number, rng)


def listed(kind: str, number: int, rng: np.random.Generator) -> Task:
    """Return a problem of choices alone."""
    makers = {"cell": cell, "table": table, "product": heavy, "clauses": clauses}
    sizes, loss = makers[kind](rng)
    scale = np.log if kind == "product" else np.asarray
    values = scale(loss(np.array(list(product(*map(range, sizes))))))
    space = tl.SearchSpace(
        [tl.Categorical(f"c{i}", [f"v{j}" for j in range(k)]) for i, k in enumerate(sizes)]
    )

    def value(params: Params) -> float:
        return float(loss(np.array([[int(params[n][1:]) for n in space.names]]))[0])

    return task(kind, f"{kind}-{number}", space, value, (float(values.min()), float(values.mean())), scale)


def task(
    kind: str, name: str, space: tl.SearchSpace, value: Callable[[Params], float], ends: tuple[float, float],
    scale: Callable[[float], Any] = float,
) -> Task:  # fmt: skip
    """Return a problem as a task; ``ends``: what scores 0 and 1, on ``scale``."""
    best, mean = ends

    def evaluate(params: Params) -> Outcome:
        return Outcome(value(params))

    def regret(params: Params) -> float:
        return (float(scale(value(params))) - best) / (mean - best)

    return Task(
        kind, Case(tl.Problem(name, space, [tl.Objective("loss", "minimize")]), kind, evaluate), regret, MARKS
    )


def effects(sizes: list[int], rng: np.random.Generator, pairs: float = 0.5) -> Loss:
    """Return the sum of random effects of every choice and, ``pairs`` times as large, of every pair of choices."""
    single = [rng.standard_normal(k) for k in sizes]
    both = {
        (i, j): pairs * rng.standard_normal((sizes[i], sizes[j]))
        for i, j in combinations(range(len(sizes)), 2)
    }

    def loss(C: np.ndarray) -> np.ndarray:
        total = np.sum([e[C[:, i]] for i, e in enumerate(single)], axis=0)
        return total + np.sum([e[C[:, i], C[:, j]] for (i, j), e in both.items()], axis=0)

    return loss


def table(rng: np.random.Generator) -> tuple[list[int], Loss]:
    sizes = [4] * 8
    return sizes, effects(sizes, rng)


def heavy(rng: np.random.Generator) -> tuple[list[int], Loss]:
    sizes = [3, 6, 4, 5, 3, 4, 5]
    loss = effects(sizes, rng, 0.3)
    return sizes, lambda C: np.exp(0.8 * loss(C))


def clauses(rng: np.random.Generator) -> tuple[list[int], Loss]:
    members = np.array([rng.choice(16, 3, replace=False) for _ in range(60)])
    wanted, weights = rng.integers(2, size=(60, 3)), rng.exponential(size=60)
    return [2] * 16, lambda C: ((C[:, members] != wanted).all(2) * weights).sum(1)


def cell(rng: np.random.Generator) -> tuple[list[int], Loss]:
    """Return operations on edges: 0 cuts an edge, the others pass a share on and add their own worth."""
    passed = np.r_[0.0, 1.0, rng.uniform(0.5, 1.0, 3)]
    worth = np.r_[0.0, 0.0, rng.uniform(0.2, 1.0, 3)] * np.ones((6, 1)) + np.r_[0, 0, 1, 1, 1] * rng.normal(
        0, 0.15, (6, 5)
    )

    def loss(C: np.ndarray) -> np.ndarray:
        flow = np.zeros((len(C), 4))
        flow[:, 0], gain = 1.0, np.zeros(len(C))
        for e, (i, j) in enumerate(EDGES):  # sorted by their first node: what reaches it is known by then
            moved = flow[:, i] * passed[C[:, e]]
            flow[:, j] += 0.5 * moved
            gain += np.tanh(moved) * worth[e, C[:, e]]
        reached = flow[:, 3] > 0
        return np.where(reached, 30.0 * np.exp(-gain) * (1.0 + 0.2 * np.exp(-2.0 * flow[:, 3])), 90.0)

    return [5] * 6, loss


def mixed(name: str, rng: np.random.Generator) -> Task:
    """Return four choices of four that move, each a little, the optimum of two numbers."""
    sizes = [4] * 4
    loss, shifts = effects(sizes, rng), rng.normal(0, 0.12, (4, 4, 2))
    every = np.array(list(product(*map(range, sizes))))
    numbers = [tl.Float("x", 0.0, 1.0), tl.Float("y", 0.0, 1.0)]
    space = tl.SearchSpace([tl.Categorical(f"c{i}", [f"v{j}" for j in range(4)]) for i in range(4)] + numbers)

    def centres(C: np.ndarray) -> np.ndarray:
        return np.clip(0.5 + sum(shifts[i, C[:, i]] for i in range(4)), 0.05, 0.95)

    def value(params: Params) -> float:
        C = np.array([[int(params[f"c{i}"][1:]) for i in range(4)]])
        away = np.array([params["x"], params["y"]]) - centres(C)[0]
        return float(loss(C)[0] + 10.0 * away @ away)

    U = rng.random((len(every), 2))
    mean = float(np.mean(loss(every) + 10.0 * ((U - centres(every)) ** 2).sum(1)))
    return task("mixed", name, space, value, (float(loss(every).min()), mean))
