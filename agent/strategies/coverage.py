"""How many proposals to ask for: a coverage curve fitted to what came of the study's earlier calls.

Coverage at k is the probability that at least one of k proposals passes the referee. Repeated sampling follows
c(k) = exp(a k^b), a, b < 0, over orders of magnitude; the curve tells where another proposal is no longer worth its tokens.
Source: Brown et al. 2024, "Large Language Monkeys" (arXiv 2407.21787): unbiased pass@k, exponentiated power law.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Round = tuple[int, int]
"""(proposals judged, proposals that passed) of one call."""

FEWEST, MOST = 2, 6
GAIN = 0.04
KNOWN_FROM = 3
"""Judged calls after which the curve is believed."""


@dataclass(frozen=True)
class CoverageCurve:
    """c(k) = exp(a k^b)."""

    a: float
    b: float

    def at(self, k: float) -> float:
        """Return the coverage of ``k`` proposals."""
        return math.exp(self.a * k**self.b)


def pass_at_k(n: int, passed: int, k: int) -> float:
    """Return the unbiased estimate of the coverage of ``k`` of the ``n`` proposals of one call, k <= n."""
    if n - passed < k:
        return 1.0
    return 1.0 - math.prod((n - passed - i) / (n - i) for i in range(k))


def fitted_curve(rounds: Sequence[Round]) -> CoverageCurve | None:
    """Return the curve fitted to calls by least squares on log(-log c); None where nothing, or all, passed."""
    rounds = [(n, c) for n, c in rounds if n > 0]
    largest = max((n for n, _ in rounds), default=0)
    ks, logs = [], []
    for k in range(1, largest + 1):
        estimates = [pass_at_k(n, c, k) for n, c in rounds if n >= k]
        c = float(np.mean(estimates))
        if 0.0 < c < 1.0:
            ks.append(math.log(k))
            logs.append(math.log(-math.log(c)))
    if len(ks) < 2:
        return None
    b, intercept = np.polyfit(ks, logs, 1)
    return CoverageCurve(-math.exp(float(intercept)), min(float(b), -0.05))


def worthwhile_count(rounds: Sequence[Round], *, usual: int) -> int:
    """Return how many proposals to ask for: the count after which one more adds less than ``GAIN`` of coverage.

    ``usual`` until ``KNOWN_FROM`` calls were judged; the fewest where nothing ever passes, and where everything does.
    """
    if len(rounds) < KNOWN_FROM:
        return usual
    curve = fitted_curve(rounds)
    if curve is None:
        return FEWEST
    count = FEWEST
    while count < MOST and curve.at(count + 1) - curve.at(count) >= GAIN:
        count += 1
    return count
