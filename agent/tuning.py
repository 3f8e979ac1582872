"""Tune a vLLM server: the default first and again in between, a study in the middle, verification at the end.

A budget in seconds covers everything. The study decides what to try; a target (``evaluators/vllm_target``) measures it;
a contender is measured again, a hopeless one is not (racing). The best feasible trials are then verified against the
default, interleaved, each on a server started for it. "No change" is a result. Everything is kept in one folder and
goes on from there after an interruption. Knows no terminal and no report.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..evaluators.errors import SpaceExhausted
from ..evaluators.history import Params
from ..evaluators.measurement import Measurement
from ..evaluators.problem import Constraint, Problem
from ..evaluators.space import SearchSpace
from ..evaluators.vllm_attempt import Attempt
from ..evaluators.vllm_metrics import check_measured, derived, resolve_limits
from ..evaluators.vllm_rate import highest_rate
from ..evaluators.vllm_target import VllmTarget
from ..serving.vllm_catalogue import LIVE
from ..serving.vllm_load import LoadPlan
from .errors import BudgetExhausted, NoFeasibleTrial
from .records import TrialRecord
from .study import Study
from .tuning_findings import feasible_by_belief
from .tuning_plan import TuningOutcome, TuningPlan, TuningState, changes
from .tuning_strategy import CostAwareStrategy
from .tuning_verdict import (
    Sides,
    Verdict,
    broken,
    decide,
    pairs_needed,
    rung_agreement,
    spread,
    without_drift,
)

DEFAULT_REPEATS = 3
NOISE_FLOOR = 0.02
"""Coefficient of variation assumed at least: three repeats can agree by luck (GPUs show 0.1-2 %)."""

Say = Callable[[str], None]


class Tuning:
    """One tuning session on one target. Call ``run``; the caller closes the target."""

    def __init__(
        self,
        plan: TuningPlan,
        target: VllmTarget,
        space: SearchSpace,
        *,
        say: Say,
        context: Mapping[str, Any] | None = None,
        earlier: Sequence[Params] = (),
    ) -> None:
        """Read the stored state. ``earlier``: configurations that were good before something changed; tried first."""
        self.plan = plan
        self.target = target
        self.space = space
        self.say = say
        self.context = dict(context or {})
        self.earlier = tuple(earlier)
        self._path = target.settings.folder / "tuning.json"
        self.state = TuningState.read(self._path)
        self._began = time.monotonic() - self.state.used_s
        self._took_s: list[float] = []

    def run(self) -> TuningOutcome:
        """Measure the default, search, verify, and return the outcome. Ctrl-C passes; state is kept."""
        self.measure_default()
        self.target.scale = self._default()
        study = self._study()
        try:
            self.search(study)
            return self.conclude(study)
        finally:
            self._save()

    # The default -------------------------------------------------------------------------------------------------

    def measure_default(self) -> None:
        """Measure the default until there are ``DEFAULT_REPEATS`` results; raise what keeps it from running."""
        if len(self.state.default) >= DEFAULT_REPEATS:
            return
        self.say("default: measuring `" + self.target.spec({}).command() + "`")
        attempt = self.target.measure(self.space.default(), repeats=DEFAULT_REPEATS)
        error = attempt.error()
        if error is not None:
            raise error
        self.state.start_s = attempt.start_s
        self.state.default = [self._metrics(row) for row in attempt.rows()]
        self.state.beside = [self._metrics({**r.metrics, "devices": attempt.devices}) for r in attempt.beside]
        if self.plan.objective.name == "max_rate_s":
            rate = self._rate(attempt, self.limits)
            self.state.default = [{**m, "max_rate_s": rate} for m in self.state.default]
        check_measured(self.plan.objective.name, self.state.default[0])
        self._save()
        self.say(
            f"default: {self._told(self._default())} · noise {self.noise:.1%} · ready in {attempt.start_s:.1f} s"
        )

    def _default(self) -> dict[str, float]:
        """Return the median of each of the default's metrics."""
        rows = self.state.default
        return {n: sorted(r[n] for r in rows)[len(rows) // 2] for n in rows[0]}

    @property
    def noise(self) -> float:
        """Coefficient of variation of the objective over the default's repeats, at least NOISE_FLOOR.

        Where the default ran beside, of the ratio of the two: what the machine does to both does not count.
        """
        name = "requests_s" if self.plan.objective.name == "max_rate_s" else self.plan.objective.name
        values, others = [m[name] for m in self.state.default], [m[name] for m in self.state.beside]
        return max(spread(values, others), NOISE_FLOOR)

    @property
    def limits(self) -> tuple[Constraint, ...]:
        """The limits as numbers, tightened by the margin."""
        made = resolve_limits(
            self.plan.limits, self._default() if self.state.default else {}, self.plan.margin
        )
        return (*made, Constraint("agreement", lower=0.9)) if self.target.settings.guard else made

    # The search --------------------------------------------------------------------------------------------------

    def _study(self) -> Study:
        objectives = [self.plan.objective, *self.plan.extra_objectives]
        problem = Problem(
            "vllm",
            self.space,
            objectives,
            self.limits,
            description=f"Serving parameters of vLLM for {Path(self.plan.model).name}: {self.plan.objective.description}.",
            context=self.context,
        )
        url = f"sqlite:///{self.target.settings.folder.absolute()}/study.db"
        strategy = self.plan.strategy
        if self.plan.planner is None and strategy is None:
            strategy = CostAwareStrategy(problem, self.plan.seed, self._cost)
        study = Study(problem, storage=url, seed=self.plan.seed, planner=self.plan.planner, strategy=strategy)
        if not any(t.source == "default" for t in study.trials):
            result = self._measurement(self._default(), len(self.state.default))
            study.add(self.space.default(), result, source="default")
            for params in self.earlier:
                study.enqueue(
                    self.space.clip(params), reason="was good in the earlier tuning", source="earlier"
                )
        return study

    def _cost(self, params: Params, last: Params | None) -> float:
        """Seconds that a trial takes: a start is saved where the running server can be used."""
        loads = 2 if self.target.settings.rungs.beside else 1
        load_s = loads * (self._default()["duration_s"] + 1.0)
        free = LIVE if self.target.settings.rungs.live else frozenset[str]()
        same = last is not None and all(last.get(k) == v for k, v in params.items() if k not in free)
        return load_s if same else load_s + self.state.start_s

    def search(self, study: Study) -> None:
        """Ask, measure and tell until the budget without the verification's share, the trials or the space end."""
        done = sum(t.source != "default" for t in study.trials)
        while (self.plan.trials is None or done < self.plan.trials) and self.left_s > self.reserve_s:
            if done and done % self.plan.default_every == 0 and not self.target.settings.rungs.beside:
                self._default_again(study)
            try:
                trial = study.ask()
            except (SpaceExhausted, BudgetExhausted) as end:
                self.say(f"search: {end}")
                return
            attempt = self._race(study, dict(trial.params))
            error = attempt.error()
            if error is not None:
                study.tell(trial, failed=error)
                self.say(f"trial {trial.number}: {changes(self.space, trial.params)} · failed: {error}")
            else:
                study.tell(trial, self._measured(attempt))
                self.say(
                    f"trial {trial.number}: {changes(self.space, trial.params)} · {self._told(attempt.mean(), attempt)}"
                )
            study.note(
                f"{attempt.command} · {attempt.rung} · {len(attempt.results)} runs", trial_number=trial.number
            )
            self._took_s.append(attempt.seconds)
            done += 1
            self._save()

    def _race(self, study: Study, params: Mapping[str, Any]) -> Attempt:
        """Measure once; measure again while it may still be the best."""
        attempt = self.target.measure(params)
        while (
            attempt.failure is None
            and not attempt.shared
            and len(attempt.results) < self.plan.repeats
            and self._may_win(study, attempt)
        ):
            attempt = self.target.more(attempt)
        if self.plan.objective.name == "max_rate_s" and attempt.failure is None and not attempt.shared:
            rate = self._rate(attempt, self.limits)
            return attempt.with_metric("max_rate_s", rate)
        return attempt

    def _may_win(self, study: Study, attempt: Attempt) -> bool:
        """Return whether neither the incumbent nor a limit is out of reach of three standard errors."""
        metrics, slack = self._metrics(attempt.mean()), 3 * self.noise
        for limit in self.limits:
            if limit.upper is not None and metrics[limit.name] > limit.upper * (1 + slack):
                return False
        if self.plan.objective.name == "max_rate_s":
            return False
        try:
            best = study.best_trial
        except NoFeasibleTrial:
            return True
        assert best.measurement is not None
        value, incumbent = metrics[self.plan.objective.name], best.measurement.values[0]
        if self.plan.objective.direction == "maximize":
            return value > incumbent * (1 - slack)
        return value < incumbent * (1 + slack)

    def _default_again(self, study: Study) -> None:
        attempt = self.target.measure(self.space.default(), reuse=False)
        if attempt.failure is None and self.plan.objective.name != "max_rate_s":
            self.state.default.append(self._metrics(attempt.mean()))
            study.add(self.space.default(), self._measured(attempt), source="default")
            self.say(f"default again: {self._told(attempt.mean(), attempt)} · noise {self.noise:.1%}")

    def _rate(self, attempt: Attempt, limits: tuple[Constraint, ...]) -> float:
        requests = self.target.settings.folder / "requests.jsonl"
        rows = len(requests.read_text().splitlines())

        def measure(rate: float) -> Any:
            return self.target.load(LoadPlan(requests, rate=rate, timeout_s=2 * rows / rate + 10))

        return max(highest_rate(measure, limits, attempt.mean()["requests_s"] / 2).best, 1e-3)

    # The end -----------------------------------------------------------------------------------------------------

    def conclude(self, study: Study) -> TuningOutcome:
        """Verify the best feasible trials against the default and return the outcome."""
        ranked = feasible_by_belief(study)
        verdict, best, runs = Verdict("no feasible configuration", "no trial met every limit"), None, ([], [])
        if ranked and self._is_default(ranked[0]):
            verdict, best = Verdict("no change", "no trial was better than the default"), ranked[0]
        for record in itertools.takewhile(lambda r: not self._is_default(r), ranked[: self.plan.candidates]):
            found, sides = self._verdict(record)
            if best is None or found.recommendation == "change":  # of several that fail, the first is told
                verdict, best, runs = found, record, sides
            if found.recommendation == "change" or not sides[0]:
                break
        command = self.target.spec({} if best is None else best.params).command()
        return TuningOutcome(
            verdict, study, self.limits, best, command, self.target.spec({}).command(), tuple(runs[0]), tuple(runs[1]),
            self.noise, time.monotonic() - self._began, self._agreement(best, runs),
        )  # fmt: skip

    def _verdict(self, record: TrialRecord) -> tuple[Verdict, Sides]:
        """Verify one candidate; return what follows, and the metrics of both sides."""
        sides = self.verify(record.params, self._pairs(record))
        if not sides[0]:
            return Verdict("no change", "the budget ended before a pair could be verified"), sides
        limits = self._verified_limits(sides[0])
        sides = without_drift([c[0] for c in self.plan.limits if isinstance(c, tuple)], sides)
        verdict = decide(self.plan.objective, limits, *sides, smallest_gain=self.plan.smallest_gain)
        self.say(
            f"verified: {changes(self.space, record.params)} · {verdict.recommendation}: {verdict.reason}"
        )
        return verdict, sides

    def _agreement(self, best: TrialRecord | None, runs: Sides) -> dict[str, tuple[float, float]]:
        """Return each metric's ratio of candidate to default, as searched and as verified."""
        if best is None or best.measurement is None or not runs[0]:
            return {}
        names = [self.plan.objective.name, *(c.name for c in self.limits if c.name != "agreement")]
        return rung_agreement(names, best.measurement.metrics, self._default(), runs)

    def _pairs(self, record: TrialRecord) -> int:
        """Return how many pairs to measure: more where the noise is near the gain, unless limits decide."""
        name = self.plan.objective.name
        assert record.measurement is not None
        if self.plan.pairs < 2 or broken(self.limits, self._default()):
            return self.plan.pairs
        ratio = record.measurement.metrics[name] / self._default()[name]
        gain = ratio if self.plan.objective.direction == "maximize" else 1 / ratio
        most = max(self.plan.pairs, self.plan.most_pairs)
        return pairs_needed(gain, self.noise, self.plan.repeats, self.plan.pairs, most)

    def verify(self, params: Mapping[str, Any], pairs: int) -> Sides:
        """Return the metrics of interleaved runs of the default and of ``params``, each on its own start."""
        sides: Sides = ([], [])
        for pair in range(pairs):
            beside = self.target.settings.rungs.beside
            found = self._pair_beside(params) if beside else self._pair_in_turn(params, pair)
            if len(found) == 2:
                for side in (0, 1):
                    sides[side].append(found[side])
                self.say(
                    f"verify {pair + 1}/{pairs}: default {self._told(found[0])} | {self._told(found[1])}"
                )
            if self.left_s < 0 and sides[0]:
                break
        return sides

    def _pair_in_turn(self, params: Params, pair: int) -> dict[int, dict[str, float]]:
        """Start and measure default (0) and candidate (1) one after the other, each first in every other pair."""
        both, found = [self.space.default(), dict(params)], {}
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            self.target.stop_server()
            attempt = self.target.measure(
                both[side], rung=self.plan.verify_rung, repeats=self.plan.repeats, reuse=False
            )
            if attempt.failure is None and self.plan.objective.name == "max_rate_s":
                attempt = attempt.with_metric("max_rate_s", self._rate(attempt, self.limits))
            if attempt.failure is None:
                found[side] = self._metrics(attempt.mean())
        return found

    def _pair_beside(self, params: Params) -> dict[int, dict[str, float]]:
        """Start both anew, side by side, and load them in turns."""
        self.target.stop_server()
        attempt = self.target.measure(
            params, rung=self.plan.verify_rung, repeats=self.plan.repeats, reuse=False
        )
        if attempt.failure is not None:
            return {}
        default = attempt.beside_mean()
        return {0: self._metrics(default), 1: self._metrics(replace(attempt, scale=default).mean())}

    def _verified_limits(self, default: list[dict[str, float]]) -> tuple[Constraint, ...]:
        """Limits relative to the default are taken relative to the default as verified."""
        rows = {n: sorted(r[n] for r in default)[len(default) // 2] for n in default[0]}
        made = resolve_limits(self.plan.limits, rows)
        return (*made, Constraint("agreement", lower=0.9)) if self.target.settings.guard else made

    def _is_default(self, record: TrialRecord) -> bool:
        return self.space.key(record.params) == self.space.key(self.space.default())

    # Values ------------------------------------------------------------------------------------------------------

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self.plan.budget_s - (time.monotonic() - self._began)

    @property
    def reserve_s(self) -> float:
        """Seconds that the verification will need: two servers per pair, each with its loads."""
        usual = sorted(self._took_s)[len(self._took_s) // 2] if self._took_s else self.state.start_s + 10
        ordinary = 30.0 if self.plan.verify_rung == "ordinary" else 0.0
        if self.target.settings.rungs.beside:  # a trial has loaded the default too
            return self.plan.pairs * (usual + self.state.start_s + 2 * ordinary)
        return 2 * self.plan.pairs * (usual + ordinary)

    def _metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return derived(metrics, price_per_hour=self.plan.price_per_hour)

    def _measured(self, attempt: Attempt) -> Measurement:
        return self._measurement(self._metrics(attempt.mean()), len(attempt.results), attempt)

    def _measurement(
        self, metrics: Mapping[str, float], n: int, attempt: Attempt | None = None
    ) -> Measurement:
        names = [self.plan.objective.name, *(o.name for o in self.plan.extra_objectives)]
        busy = (
            {} if attempt is None else {"busy_cores": sum(r.busy_cores for r in attempt.results) / max(n, 1)}
        )
        return Measurement(
            [metrics[name] for name in names],
            [self.noise * abs(metrics[name]) / math.sqrt(n) for name in names],
            constraints={c.name: metrics[c.name] for c in self.limits},
            metrics={**metrics, **busy},
            seconds=None if attempt is None else attempt.seconds,
        )

    def _told(self, metrics: Mapping[str, float], attempt: Attempt | None = None) -> str:
        known = self._metrics(metrics)
        parts = [f"{known.get(self.plan.objective.name, math.nan):.4g} {self.plan.objective.unit}"]
        parts += [f"{c.name} {known[c.name]:.3g}" for c in self.limits if c.name in known]
        if self.limits:
            parts.append("breaks a limit" if broken(self.limits, known) else "meets the limits")
        if attempt is not None:
            busy = sum(r.busy_cores for r in attempt.results) / max(len(attempt.results), 1)
            parts.append(
                f"{attempt.seconds:.0f} s, {busy:.1f} cores busy"
                if not attempt.shared
                else "as measured before"
            )
        return " · ".join(parts)

    def _save(self) -> None:
        self.state.used_s = time.monotonic() - self._began
        self.state.write(self._path)
