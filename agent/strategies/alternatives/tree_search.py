"""Search of tree-structured spaces: Monte Carlo tree search by UCT, alone or on a surrogate of the steps.

The space is decided step by step (``evaluators/trees/decisions.py``). Each ask builds the tree anew from the history,
one new node per trial, so that resumed and uninterrupted studies agree; running trials count as visits without reward,
which sends parallel asks elsewhere. Rewards are ranks in [0, 1], because UCT's constant wants a known range.
Knows nothing of the ledger. Any search space is a tree here, conditional or not; listed ones are not.
Source: Negrinho & Gordon 2017, "DeepArchitect", sections 5.2 (MCTS), 5.3 (bisection), 5.4 (SMBO by hashed features,
ridge regression and MCTS); UCT: Kocsis & Szepesvári 2006.
"""

import itertools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....evaluators.problems.history import History, Params
from ....evaluators.problems.problem import Problem
from ....evaluators.random_streams import stream
from ....evaluators.trees.decisions import Decisions, Step
from ....prompts.selection import goodness
from ...contracts import Ask, Decision, Plan
from ..simple import draw_new

UCT_CONSTANT = 1.0
"""Weight of the exploration term, c of mean + c sqrt(2 log N / n); rewards lie in [0, 1]."""

ATTEMPTS = 50
"""Walks that may end at tried or forbidden configurations before a uniform draw stands in."""

FEATURES = 1024
RIDGE = 1e-5
SIMULATIONS = 256
"""Walks on the surrogate per decision; its best untried configuration is run."""

EXPLORE = 0.1
"""Share of decisions of the surrogate's search that are uniform draws."""

Path = tuple[Step, ...]


@dataclass
class VisitCounts:
    """Visits and summed rewards of the nodes reached so far, by the steps that lead to them."""

    visits: dict[Path, int] = field(default_factory=lambda: {(): 0})
    rewards: dict[Path, float] = field(default_factory=lambda: {(): 0.0})

    def add(self, path: Path, reward: float) -> None:
        """Count a trial in every node on its path, and grow the tree by the first node that is missing."""
        for depth in range(len(path) + 1):
            node = path[:depth]
            is_new = node not in self.visits
            self.visits[node] = self.visits.get(node, 0) + 1
            self.rewards[node] = self.rewards.get(node, 0.0) + reward
            if is_new:
                return

    def branch(self, steps: Sequence[Step], i: int, branches: int, rng: np.random.Generator) -> int:
        """Return the branch of the largest upper confidence bound; uniform among unvisited ones, and below the tree."""
        node = tuple(steps)
        children = [(*node, (i, b)) for b in range(branches)]
        unvisited = [b for b, child in enumerate(children) if child not in self.visits]
        if node not in self.visits or unvisited:
            return int(rng.choice(unvisited)) if node in self.visits else int(rng.integers(branches))
        bounds = [self._bound(child, self.visits[node]) for child in children]
        return int(np.argmax(bounds))

    def _bound(self, child: Path, parent_visits: int) -> float:
        n = self.visits[child]
        return self.rewards[child] / n + UCT_CONSTANT * np.sqrt(2 * np.log(max(parent_visits, 1)) / n)


class TreeSearchStrategy:
    """Monte Carlo tree search; ``surrogate``: on a ridge regression of the steps, instead of on the trials alone."""

    def __init__(self, problem: Problem, seed: int, *, surrogate: bool = False) -> None:
        self._problem, self._seed, self._surrogate = problem, seed, surrogate
        self._decisions = Decisions(problem.space)
        self.name = "mcts:surrogate" if surrogate else "mcts"

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` untried configurations; the first of a study is the declared default, if there is one."""
        planned: list[Params] = []
        decisions: list[Decision] = []
        for i in range(ask.n):
            rng = stream(self._seed, ask.index + i, self.name)
            decision = self._default(ask, planned) or self._next(ask, planned, rng)
            planned.append(decision.params)
            decisions.append(decision)
        return Plan(tuple(decisions))

    def _default(self, ask: Ask, planned: Sequence[Params]) -> Decision | None:
        space = self._problem.space
        if len(ask.history) or planned or ask.fixed or not space.has_defaults:
            return None
        return Decision(space.default(), "default", "the declared default, first", "own")

    def _next(self, ask: Ask, planned: Sequence[Params], rng: np.random.Generator) -> Decision:
        keys = ask.history.taken | {self._problem.space.key(params) for params in planned}
        samples = list(self._samples(ask.history, planned))
        if not self._surrogate:
            params = self._untried(_grown(samples), ask, keys, rng)
            reason = f"tree search: upper confidence bounds after {len(samples)} trials"
        elif rng.random() < EXPLORE or not samples:
            params, reason = None, "tree search: explored at random"
        else:
            params = self._best_of_surrogate(samples, ask, keys, rng)
            reason = f"tree search on a ridge regression of {len(samples)} trials' steps"
        if params is None:
            params = draw_new(self._problem, keys, rng, ask.fixed)
            reason = (
                "tree search: a uniform draw, as no new walk was found" if not self._surrogate else reason
            )
        return Decision(params, self.name, reason, "own")

    def _samples(self, history: History, planned: Sequence[Params]) -> Iterable[tuple[Path, float]]:
        """Yield path and reward of every trial; 0 for what failed, was infeasible or is not known yet."""
        g = goodness(history)
        ranks = (g.argsort(kind="stable").argsort(kind="stable") + 1) / len(g) if len(g) else g
        for trial, reward in zip(history.finished, ranks.tolist(), strict=True):
            is_feasible = self._problem.feasible(trial.measurement)
            yield self._decisions.steps(trial.params), reward if is_feasible else 0.0
        for trial in (*history.failed, *history.pruned, *history.running):
            yield self._decisions.steps(trial.params), 0.0
        for params in planned:
            yield self._decisions.steps(params), 0.0

    def _untried(
        self, tree: VisitCounts, ask: Ask, taken: set[str], rng: np.random.Generator
    ) -> Params | None:
        for _ in range(ATTEMPTS):
            x, path = self._walk(tree, rng)
            params = self._fixed(x, ask)
            if self._is_new(params, taken):
                return params
            tree.add(path, 0.0)  # a visit: the next walk goes elsewhere
        return None

    def _best_of_surrogate(
        self, samples: Sequence[tuple[Path, float]], ask: Ask, taken: set[str], rng: np.random.Generator
    ) -> Params | None:
        weights = _ridge(samples)
        tree = VisitCounts()
        scores: list[tuple[float, np.ndarray]] = []
        for _ in range(SIMULATIONS):
            x, path = self._walk(tree, rng)
            scores.append((float(weights[list(_features(path))].sum()), x))
            tree.add(path, float(np.clip(scores[-1][0], 0.0, 1.0)))
        ranked = (self._fixed(x, ask) for _, x in sorted(scores, key=lambda pair: -pair[0]))
        return next((params for params in ranked if self._is_new(params, taken)), None)

    def _walk(self, tree: VisitCounts, rng: np.random.Generator) -> tuple[np.ndarray, Path]:
        return self._decisions.walk(lambda steps, i, n: tree.branch(steps, i, n, rng), rng)

    def _fixed(self, x: np.ndarray, ask: Ask) -> Params:
        params = self._problem.space.from_unit(x)
        return self._problem.space.clip({**params, **ask.fixed}) if ask.fixed else params

    def _is_new(self, params: Params, taken: set[str]) -> bool:
        space = self._problem.space
        return space.satisfies(params) and space.key(params) not in taken


def _grown(samples: Iterable[tuple[Path, float]]) -> VisitCounts:
    tree = VisitCounts()
    for path, reward in samples:
        tree.add(path, reward)
    return tree


def _features(path: Path) -> set[int]:
    """Return the buckets of a path: every step with what was decided of its parameter before, and every pair of neighbours."""
    texts = [f"{i}:{[b for j, b in path[: k + 1] if j == i]}" for k, (i, _) in enumerate(path)]
    pairs = [f"{a}|{b}" for a, b in itertools.pairwise(texts)]
    return {zlib.crc32(text.encode()) % FEATURES for text in ("", *texts, *pairs)}


def _ridge(samples: Sequence[tuple[Path, float]]) -> np.ndarray:
    """Return weights (FEATURES,) of a ridge regression of rewards on features, in its dual form."""
    A = np.zeros((len(samples), FEATURES))
    for row, (path, _) in enumerate(samples):
        A[row, list(_features(path))] = 1.0
    rewards = np.array([reward for _, reward in samples])
    return A.T @ np.linalg.solve(A @ A.T + RIDGE * np.eye(len(samples)), rewards)
