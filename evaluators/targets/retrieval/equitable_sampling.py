"""Which training data to buy for whom: five groups that are learnt at different speed, at different cost.

Each group has a regression of its own, fitted by ridge least squares to the samples bought for it; its error is measured
against the true coefficients. The split is even, in proportion to the population, or by learning curves that are
estimated while data are bought.
Source: Cai et al. 2022, Adaptive Sampling Strategies to Construct Equitable Training Datasets (arXiv 2202.01327).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .group_budget import GroupBudget

SIZES, NOISES = (4, 8, 16, 24, 32), (0.3, 0.5, 1.0, 1.5, 2.0)
"""Coefficients and noise of each group's regression."""
POPULATION, COSTS = (0.4, 0.3, 0.15, 0.1, 0.05), (1.0, 1.0, 1.0, 1.5, 2.0)
BUDGET = 2000.0


def target() -> GalleryTarget:
    """Return the target ``equitable-sampling``."""
    space = SearchSpace(
        [
            Categorical("split", ["even", "proportional", "adaptive"], default="proportional", description="of the budget"),
            Float("pilot", 0.05, 0.5, default=0.2, when={"split": "adaptive"}, description="share split evenly at first"),
            Int("rounds", 1, 8, default=4, when={"split": "adaptive"}, unit="rounds", description="of fitting and buying"),
        ]
    )  # fmt: skip
    problem = Problem(
        "equitable-sampling",
        space,
        [
            Objective(
                "error", "minimize", description="mean error over groups, each as important as any other"
            )
        ],
        description="Split a budget of training data over five groups.",
        context={"budget": BUDGET, "groups": len(COSTS)},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "retrieval",
        "Cai et al. 2022, Adaptive Sampling Strategies to Construct Equitable Training Datasets, arXiv 2202.01327",
        region={"split": ("adaptive",)},
        claim=SourceClaim(
            "Splitting by estimated learning curves ends at a lower mean error over groups than even and proportional splits.",
            check,
        ),
        seconds=0.1,
        low_fidelity=0.2,
    )


class Groups:
    """The groups' regressions, and the samples of each in the order in which they are bought."""

    def __init__(self, seed: int, budget: float) -> None:
        rng, most = np.random.default_rng(seed), int(budget) + 2
        self._truth = [rng.normal(size=d) for d in SIZES]
        self._inputs = [rng.normal(size=(most, d)) for d in SIZES]
        self._outputs = [
            A @ w + s * rng.normal(size=most)
            for A, w, s in zip(self._inputs, self._truth, NOISES, strict=True)
        ]

    def error(self, g: int, n: int) -> float:
        """Return the squared distance to the true coefficients of group g after its first n samples."""
        A, b = self._inputs[g][:n], self._outputs[g][:n]
        fitted = np.linalg.solve(A.T @ A + 0.1 * np.eye(SIZES[g]), A.T @ b)
        return float(np.sum((fitted - self._truth[g]) ** 2))


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the mean error over groups; the worst group's and the split are metrics."""
    total = BUDGET * run.fidelity
    groups = Groups(run.seed, total)
    n = counts(params, groups, total)
    errors = [groups.error(g, count) for g, count in enumerate(n)]
    bought = {f"n_{g}": float(count) for g, count in enumerate(n)}
    return Measurement(float(np.mean(errors)), metrics={"worst": max(errors), **bought})


def counts(params: Mapping[str, Any], groups: Groups, total: float) -> list[int]:
    """Return how many samples each group gets."""
    if params["split"] == "even":
        return [int(total / sum(COSTS))] * len(COSTS)
    if params["split"] == "proportional":
        unit = total / float(np.dot(POPULATION, COSTS))
        return [int(unit * share) for share in POPULATION]
    budget = GroupBudget(total, COSTS, [1.0] * len(COSTS))
    return budget.adaptive(groups.error, pilot=params["pilot"], rounds=params["rounds"])


def check() -> Evidence:
    """Compare the three splits on forty seeds."""
    ways = ({"split": "even"}, {"split": "proportional"}, {"split": "adaptive", "pilot": 0.2, "rounds": 4})
    errors = [np.mean([evaluate(way, Run(seed=s)).value for s in range(40)]) for way in ways]
    words = (
        f"mean error over groups {errors[2]:.3f} adaptive, {errors[0]:.3f} even, {errors[1]:.3f} proportional"
    )
    return Evidence(words, bool(errors[2] < min(errors[:2])))
