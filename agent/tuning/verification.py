"""Is the best configuration of a search really better than the default? Interleaved pairs of both, started anew.

How many pairs is decided before the first one; limits relative to the default are taken relative to the default as it ran
in the pairs. Pairs are kept with the state as they are measured: an interrupted verification goes on with the next one, and
a complete one is not measured again. What follows from the pairs is decided in ``tuning_verdict``. Knows nothing of how the
candidates were found.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ...evaluators.problems.history import Params
from ...evaluators.servers.attempt import Attempt
from ...evaluators.spaces.space import SearchSpace
from ...serving.servers.failures import ServerFailure
from ..ledger.records import TrialRecord
from .measures import Measures, medians
from .plan import changes
from .state import Pairs
from .verdict import Sides, TuningVerdict, decide, pairs_needed, rung_agreement, without_drift

Say = Callable[[str], None]


@dataclass(frozen=True)
class Verified:
    """What is told of one candidate. ``sides``: metrics of default and candidate, a row per pair."""

    verdict: TuningVerdict
    best: TrialRecord | None = None
    sides: Sides = field(default_factory=lambda: ([], []))


@dataclass(frozen=True)
class _Lost:
    """A pair of which one side failed."""

    failure: ServerFailure
    of_candidate: bool


class Verification:
    """Verifies trials of one tuning on its target. ``left_s``: seconds of the budget that are left."""

    def __init__(
        self,
        measures: Measures,
        space: SearchSpace,
        *,
        say: Say,
        left_s: Callable[[], float],
        save: Callable[[], None] = lambda: None,
    ) -> None:
        """``save``: stores the state; called after every pair."""
        self._measures = measures
        self._plan, self._target = measures.plan, measures.target
        self._space, self._say, self._left_s, self._save = space, say, left_s, save
        self._measured = 0
        self._trouble = ""

    def first_better(self, ranked: Sequence[TrialRecord]) -> Verified:
        """Verify feasible trials, best first, until one is recommended; of several that fail, the first is told.

        Beyond the first ``candidates``, and behind the default, only those whose verification was begun before count.
        """
        if not ranked:
            return Verified(TuningVerdict("no feasible configuration", "no trial met every limit"))
        better = itertools.takewhile(lambda r: not self._is_default(r), ranked)
        candidates = list(itertools.islice(better, self._plan.candidates))
        candidates += [r for r in ranked if r not in candidates and self._kept(r.params).default]
        if not candidates:
            return Verified(TuningVerdict("no change", "no trial was better than the default"), ranked[0])
        first: Verified | None = None
        for record in candidates:
            verified = self.verified(record, needed=first is None)
            if first is None or verified.verdict.recommendation == "change":
                first = verified
            if verified.verdict.recommendation == "change":
                break
        assert first is not None  # some are candidates
        return first

    def verified(self, record: TrialRecord, *, needed: bool = True) -> Verified:
        """Verify one candidate; return what follows, and the metrics of both sides. ``needed``: even a budget that is
        spent pays for a first pair."""
        wanted = self._pairs_wanted(record)
        runs = self.pairs(record.params, wanted, needed=needed)
        if runs.failed or not runs.default:
            why = self._trouble or "the budget ended before a pair could be verified"
            reason = f"verified, the candidate failed: {runs.failed}" if runs.failed else why
            return Verified(TuningVerdict("no change", reason), record)
        sides = (runs.default, runs.candidate)
        limits = self._measures.limits_beside(medians(runs.default))
        relative = () if self._plan.searches_load else self._plan.relative
        sides = without_drift(relative, sides)
        verdict = decide(
            self._plan.objective, limits, *sides, smallest_gain=self._plan.smallest_gain,
            noise=self._measures.noise_of_limits, relative=relative,
        )  # fmt: skip
        if len(runs.default) < wanted and verdict.recommendation != "change":
            ended = f"{verdict.reason}; {len(runs.default)} of {wanted} pairs were measured, the same command goes on"
            verdict = replace(verdict, reason=ended)
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

    def pairs(self, params: Params, wanted: int, *, needed: bool = True) -> Pairs:
        """Return the kept pairs of runs of the default and of ``params``, each on its own start, up to ``wanted``.

        A spent budget ends them; one more pair is measured where one is ``needed`` or was begun with, and none was yet.
        """
        runs = self._kept(params)
        for _ in range(len(runs.default), wanted):
            is_needed = needed or bool(runs.default)
            if runs.failed or (self._left_s() < 0 and (self._measured or not is_needed)):
                break
            self._measures.state.verified[self._key(params)] = runs
            self._pair(params, runs, wanted)
            self._measured += 1
            self._save()
        return runs

    def _kept(self, params: Params) -> Pairs:
        """Return the pairs of a candidate that were measured in the way that the plan asks for."""
        return self._measures.state.verified.get(self._key(params), Pairs())

    def _key(self, params: Params) -> str:
        return f"{self._plan.verify_rung} x{self._plan.repeats} {self._space.key(params)}"

    def _pair(self, params: Params, kept: Pairs, wanted: int) -> None:
        """Measure one more pair and keep it; a candidate that fails by its own fault is not measured again."""
        pair, words_of = len(kept.default), self._measures.told
        beside = self._target.settings.rungs.beside
        results = self._pair_beside(params, pair) if beside else self._pair_in_turn(params, pair)
        if isinstance(results, _Lost):
            self._trouble = f"a pair could not be measured: {results.failure}"
            self._say(f"verify {pair + 1}/{wanted}: {self._trouble}")
            if results.of_candidate and not results.failure.infrastructure:
                kept.failed = str(results.failure)
            return
        kept.default.append(results[0])
        kept.candidate.append(results[1])
        self._say(f"verify {pair + 1}/{wanted}: default {words_of(results[0])} | {words_of(results[1])}")

    def _pairs_wanted(self, record: TrialRecord) -> int:
        """Return how many pairs to measure: more where the noise is near the gain, unless limits decide."""
        plan, default = self._plan, self._measures.default()
        assert record.measurement is not None
        if plan.pairs < 2 or self._measures.default_breaks:
            return plan.pairs
        name, metrics = plan.objective.name, record.measurement.metrics
        over, under = (metrics, default) if plan.objective.direction == "maximize" else (default, metrics)
        gain = over[name] / under[name] if under[name] > 0 else float("inf")
        most = max(plan.pairs, plan.most_pairs)
        return pairs_needed(gain, self._measures.noise, plan.repeats, plan.pairs, most)

    def _pair_in_turn(self, params: Params, pair: int) -> tuple[dict[str, float], dict[str, float]] | _Lost:
        """Start and measure default and candidate one after the other, each first in every other pair; or what failed."""
        both, results = (self._space.default(), dict(params)), [{}, {}]
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            attempt = self._measure(both[side], f"pair {pair + 1} {'candidate' if side else 'default'}")
            if attempt.failure is None and self._plan.searches_load:
                attempt = self._measures.at_highest_load(attempt)
            if attempt.failure is not None:
                return _Lost(attempt.failure, side == 1)
            results[side] = self._measures.metrics(attempt.mean())
        return results[0], results[1]

    def _pair_beside(self, params: Params, pair: int) -> tuple[dict[str, float], dict[str, float]] | _Lost:
        """Start both anew, side by side, and load them in turns; or what failed."""
        attempt = self._measure(params, f"pair {pair + 1}, default beside")
        if attempt.failure is not None:
            return _Lost(attempt.failure, True)
        metrics, default = self._measures.metrics, attempt.beside_mean()
        return metrics(default), metrics(replace(attempt, scale=default).mean())

    def _measure(self, params: Params, label: str) -> Attempt:
        self._target.stop_server()
        return self._target.measure(
            params, rung=self._plan.verify_rung, repeats=self._plan.repeats, reuse=False, label=label
        )

    def _is_default(self, record: TrialRecord) -> bool:
        return self._space.key(record.params) == self._space.key(self._space.default())
