"""Is the best configuration of a search really better than the default? Interleaved pairs of both, started anew.

How many pairs is decided before the first one; limits relative to the default are taken relative to the default as it ran
in the pairs. What follows from the pairs is decided in ``tuning_verdict``. Knows nothing of how the candidates were found.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..evaluators.history import Params
from ..evaluators.space import SearchSpace
from .records import TrialRecord
from .tuning_measures import Measures, medians
from .tuning_plan import changes
from .tuning_verdict import Sides, Verdict, broken, decide, pairs_needed, rung_agreement, without_drift

Say = Callable[[str], None]


@dataclass(frozen=True)
class Verified:
    """What is told of one candidate. ``sides``: metrics of default and candidate, a row per pair."""

    verdict: Verdict
    best: TrialRecord | None = None
    sides: Sides = field(default_factory=lambda: ([], []))


class Verification:
    """Verifies trials of one tuning on its target. ``left_s``: seconds of the budget that are left."""

    def __init__(
        self, measures: Measures, space: SearchSpace, *, say: Say, left_s: Callable[[], float]
    ) -> None:
        self._measures = measures
        self._plan, self._target = measures.plan, measures.target
        self._space, self._say, self._left_s = space, say, left_s

    def first_better(self, ranked: Sequence[TrialRecord]) -> Verified:
        """Verify feasible trials, best first, until one is recommended; of several that fail, the first is told."""
        if not ranked:
            return Verified(Verdict("no feasible configuration", "no trial met every limit"))
        if self._is_default(ranked[0]):
            return Verified(Verdict("no change", "no trial was better than the default"), ranked[0])
        told: Verified | None = None
        for record in itertools.takewhile(lambda r: not self._is_default(r), ranked[: self._plan.candidates]):
            found = self.verified(record)
            if told is None or found.verdict.recommendation == "change":
                told = found
            if found.verdict.recommendation == "change" or not found.sides[0]:
                break
        assert told is not None  # the first record is not the default
        return told

    def verified(self, record: TrialRecord) -> Verified:
        """Verify one candidate; return what follows, and the metrics of both sides."""
        sides = self.pairs(record.params, self._pairs_wanted(record))
        if not sides[0]:
            return Verified(
                Verdict("no change", "the budget ended before a pair could be verified"), record, sides
            )
        limits = self._measures.limits_beside(medians(sides[0]))
        sides = without_drift([c[0] for c in self._plan.limits if isinstance(c, tuple)], sides)
        verdict = decide(self._plan.objective, limits, *sides, smallest_gain=self._plan.smallest_gain)
        self._say(
            f"verified: {changes(self._space, record.params)} · {verdict.recommendation}: {verdict.reason}"
        )
        return Verified(verdict, record, sides)

    def agreement(self, found: Verified) -> dict[str, tuple[float, float]]:
        """Return each metric's ratio of candidate to default, as searched and as verified; empty without pairs."""
        if found.best is None or found.best.measurement is None or not found.sides[0]:
            return {}
        limits = (c.name for c in self._measures.limits if c.name != "agreement")
        names = [self._plan.objective.name, *limits]
        return rung_agreement(names, found.best.measurement.metrics, self._measures.default(), found.sides)

    def pairs(self, params: Mapping[str, Any], pairs: int) -> Sides:  # Any: a choice of the space
        """Return the metrics of interleaved runs of the default and of ``params``, each on its own start."""
        sides: Sides = ([], [])
        told = self._measures.told
        for pair in range(pairs):
            beside = self._target.settings.rungs.beside
            found = self._pair_beside(params) if beside else self._pair_in_turn(params, pair)
            if len(found) == 2:
                for side in (0, 1):
                    sides[side].append(found[side])
                self._say(f"verify {pair + 1}/{pairs}: default {told(found[0])} | {told(found[1])}")
            if self._left_s() < 0 and sides[0]:
                break
        return sides

    def _pairs_wanted(self, record: TrialRecord) -> int:
        """Return how many pairs to measure: more where the noise is near the gain, unless limits decide."""
        plan, default = self._plan, self._measures.default()
        assert record.measurement is not None
        if plan.pairs < 2 or broken(self._measures.limits, default):
            return plan.pairs
        ratio = record.measurement.metrics[plan.objective.name] / default[plan.objective.name]
        gain = ratio if plan.objective.direction == "maximize" else 1 / ratio
        most = max(plan.pairs, plan.most_pairs)
        return pairs_needed(gain, self._measures.noise, plan.repeats, plan.pairs, most)

    def _pair_in_turn(self, params: Params, pair: int) -> dict[int, dict[str, float]]:
        """Start and measure default (0) and candidate (1) one after the other, each first in every other pair."""
        both, found = [self._space.default(), dict(params)], {}
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            self._target.stop_server()
            attempt = self._target.measure(
                both[side], rung=self._plan.verify_rung, repeats=self._plan.repeats, reuse=False
            )
            if attempt.failure is None and self._plan.objective.name == "max_rate_s":
                attempt = attempt.with_metric("max_rate_s", self._measures.highest_rate(attempt))
            if attempt.failure is None:
                found[side] = self._measures.metrics(attempt.mean())
        return found

    def _pair_beside(self, params: Params) -> dict[int, dict[str, float]]:
        """Start both anew, side by side, and load them in turns."""
        self._target.stop_server()
        attempt = self._target.measure(
            params, rung=self._plan.verify_rung, repeats=self._plan.repeats, reuse=False
        )
        if attempt.failure is not None:
            return {}
        metrics, default = self._measures.metrics, attempt.beside_mean()
        return {0: metrics(default), 1: metrics(replace(attempt, scale=default).mean())}

    def _is_default(self, record: TrialRecord) -> bool:
        return self._space.key(record.params) == self._space.key(self._space.default())
