"""A budget of training data over groups: estimated learning curves, and the split that makes what is lost least.

Notation: group g has n_g samples at a cost c_g each · its error is e_g(n) = s_g n^(-r_g), fitted in logarithms · what is
lost is the sum of w_g e_g(n_g)^p: p = 1 is the weighted mean error, a larger p cares more for the worst group. With
these curves it is convex in each n_g, so that buying where a unit of cost gains most ends at the constrained optimum.
Knows nothing of what is trained: whoever trains says which error which number of samples had.
Source: Cai et al. 2022, Adaptive Sampling Strategies to Construct Equitable Training Datasets (arXiv 2202.01327).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InvalidSpecification

SHALLOW, STEEP = 0.05, 2.0
"""Rates between which a fitted one is kept: errors that seem to rise with data are noise."""
CHUNKS = 200


@dataclass(frozen=True)
class LearningCurve:
    """e(n) = scale · n^(-rate)."""

    scale: float
    rate: float

    def error(self, n: float) -> float:
        """Return the error after n samples."""
        return self.scale * max(n, 1.0) ** -self.rate

    @classmethod
    def fitted(cls, n: Sequence[float], errors: Sequence[float]) -> "LearningCurve":
        """Return the least-squares line of log error on log n. Raises InvalidSpecification for fewer than two sizes."""
        if len(set(n)) < 2 or min(n) < 1 or min(errors) <= 0:
            raise InvalidSpecification(
                f"a learning curve needs two sizes >= 1 and errors above 0, got {list(n)!r} and {list(errors)!r}."
            )
        x, y = np.log(n), np.log(errors)
        slope = float(np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2))
        rate = float(np.clip(-slope, SHALLOW, STEEP))
        return cls(float(np.exp(y.mean() + rate * x.mean())), rate)


@dataclass(frozen=True)
class GroupBudget:
    """What is to be shared out: ``total`` in units of cost, a ``cost`` per sample and a ``weight`` of each group."""

    total: float
    costs: Sequence[float]
    weights: Sequence[float]
    power: float = 1.0

    def check(self) -> None:
        """Raise InvalidSpecification for a budget that does not buy the two samples of each group a curve needs."""
        if self.total < 2 * sum(self.costs):
            raise InvalidSpecification(
                f"a budget must buy two samples of each group, which cost {2 * sum(self.costs):g}, got {self.total:g}."
            )

    def split(
        self, curves: Sequence[LearningCurve], seen: Sequence[int], spend: float | None = None
    ) -> list[int]:
        """Return how many samples each group shall have, at least those it has, for ``spend`` more (default: the rest)."""
        n = [float(count) for count in seen]
        rest = self.total - float(np.dot(self.costs, seen)) if spend is None else spend
        chunk = rest / CHUNKS
        for _ in range(CHUNKS if rest > 0 else 0):
            gains = [self._gain(g, curves[g], n[g], chunk) for g in range(len(n))]
            best = int(np.argmax(gains))
            n[best] += chunk / self.costs[best]
        return [int(count + 1e-9) for count in n]

    def _gain(self, g: int, curve: LearningCurve, n: float, spent: float) -> float:
        after = curve.error(n + spent / self.costs[g])
        return self.weights[g] * (curve.error(n) ** self.power - after**self.power)

    def adaptive(
        self, train: Callable[[int, int], float], *, pilot: float = 0.2, rounds: int = 4
    ) -> list[int]:
        """Return samples per group, bought in rounds between which curves are fitted anew.

        ``train``: the error of group g after n samples; asked for halves of what is bought too, for no size twice.
        ``pilot``: the share of the budget that is split evenly at first. Raises InvalidSpecification.
        """
        self.check()
        even = pilot * self.total / sum(self.costs)
        n = [max(2, int(even)) for _ in self.costs]
        by_size: list[dict[int, float]] = [{} for _ in n]
        for left in range(rounds, 0, -1):
            for g, count in enumerate(n):
                by_size[g] |= {
                    size: train(g, size) for size in (max(1, count // 2), count) if size not in by_size[g]
                }
            curves = [LearningCurve.fitted([*errors], [*errors.values()]) for errors in by_size]
            spend = (self.total - float(np.dot(self.costs, n))) / left
            n = self.split(curves, n, spend)
        return n
