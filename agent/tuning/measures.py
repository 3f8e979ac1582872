"""What the numbers of a tuning mean: metrics of an attempt, the default as their scale, noise, and limits as numbers.

Read by the search and by the verification alike. Knows the plan, the target and the default's results; not what is tried.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from ...evaluators.engines.contract import Tunable
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Constraint
from ...evaluators.servers.attempt import Attempt
from ...evaluators.servers.bounds import bound_words, unsure
from ...evaluators.servers.loads import USUAL_CONCURRENCY
from ...evaluators.servers.metrics import check_measured, derived, resolve_limits
from ...evaluators.servers.rate import LoadSearch, highest_concurrency, highest_rate
from .limits import Noise, broken, of_default, standings
from .plan import CUT_OFF, TuningPlan
from .state import Rows, TuningState
from .verdict import spread

NOISE_FLOOR = 0.02
"""Coefficient of variation assumed at least: three repeats can agree by luck (GPUs show 0.1-2 %)."""
PER_SECOND = ("output_tok_s", "total_tok_s", "requests_s")
"""Objectives that are the work of a load, the same in every configuration, over its seconds."""
PATIENCE, CLIENT_S = 1.5, 5.0
"""How much longer than it would take to win a load may last, and what the load client needs beside its requests."""
LOADS = 6
"""Loads at most that search for the highest one of a server."""
TURNS = 2
"""Requests that a place of the highest concurrency must serve, or its load would be all beginning and end."""
VAGUE = 0.3
"""Relative standard error of a bound that stands for a result."""
AGREEMENT = Constraint("agreement", lower=0.9)
"""Share of the default's answers that lossy knobs have to keep."""


class Measures:
    """One tuning's reading of results. ``state`` is the session's own and grows while it runs."""

    def __init__(self, plan: TuningPlan, target: Tunable, state: TuningState) -> None:
        self.plan = plan
        self.target = target
        self.state = state

    def keep_default(self, attempt: Attempt) -> None:
        """Take on the default's results, and with them the limits as numbers; raise what says that they cannot be judged.

        Where the load is searched, limits are relative to the workload's own, and results are those of the highest.
        """
        state, plan = self.state, self.plan
        rows = [self.metrics(row) for row in attempt.rows()]
        limits = resolve_limits(plan.limits, medians(rows), plan.margin)
        for limit in limits:
            check_measured(limit.name, rows[0], what="limit on")
        for objective in () if plan.searches_load else plan.objectives:
            check_measured(objective.name, rows[0])
        state.limits = [asdict(c) for c in limits]
        state.start_s, state.default = attempt.start_s, rows
        state.beside = [self.metrics({**r.metrics, "devices": attempt.devices}) for r in attempt.beside]
        if plan.searches_load:
            state.own = rows
            state.default = [self.metrics(row) for row in self.at_highest_load(attempt).rows()]

    def default(self) -> dict[str, float]:
        """Return the median of each of the default's metrics."""
        return medians(self.state.default)

    @property
    def _own(self) -> Rows:
        """The default's results under the workload's own load."""
        return self.state.own or self.state.default

    @property
    def noise(self) -> float:
        """Coefficient of variation of the objective over the default's repeats, at least NOISE_FLOOR.

        Where the default ran beside, of the ratio of the two: what the machine does to both does not count.
        """
        name = "requests_s" if self.plan.searches_load else self.plan.objective.name
        values, others = [m[name] for m in self._own], [m[name] for m in self.state.beside]
        return max(spread(values, others), NOISE_FLOOR)

    @property
    def noise_of_limits(self) -> Noise:
        """Coefficient of variation of each limit's metric over the default's repeats, and its degrees of freedom."""
        rows = self._own
        return {
            c.name: (spread([r[c.name] for r in rows if c.name in r]), len(rows) - 1) for c in self.limits
        }

    @property
    def limits(self) -> tuple[Constraint, ...]:
        """The limits as numbers, tightened by the margin; they stay what they were when the default was measured."""
        constraints = tuple(Constraint(**c) for c in self.state.limits)
        return (*constraints, AGREEMENT) if self.target.settings.guard else constraints

    def limits_beside(self, default: Mapping[str, float]) -> tuple[Constraint, ...]:
        """Return the limits without the margin, relative ones relative to these metrics of the default."""
        constraints = resolve_limits(
            self.plan.limits, medians(self._own) if self.plan.searches_load else default
        )
        return (*constraints, AGREEMENT) if self.target.settings.guard else constraints

    @property
    def default_breaks(self) -> bool:
        """Whether the default breaks a limit by more than its noise (a limit relative to itself: at all)."""
        noise = of_default(self.noise_of_limits, self.plan.relative)
        return any(not s.holds and s.sure for s in standings(self.limits, [self.default()], noise))

    @property
    def load_s(self) -> float:
        """Seconds of one measurement on a running server: a load, the default's where it runs beside, those at rates."""
        loads = 2 if self.target.settings.rungs.beside else 1 + LOADS * self.plan.searches_load
        return loads * (self.default()["duration_s"] + 1.0)

    def metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return metrics together with those that follow from them."""
        return derived(metrics, price_per_hour=self.plan.price_per_hour)

    def measured(self, attempt: Attempt) -> Measurement:
        """Return what a study is told of an attempt that ran."""
        return self.measurement(self.metrics(attempt.mean()), len(attempt.results), attempt)

    def measurement(
        self, metrics: Mapping[str, float], n: int, attempt: Attempt | None = None
    ) -> Measurement:
        """Return what a study is told of the mean of ``n`` results."""
        names = [o.name for o in self.plan.objectives]
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

    def enough_s(self, best: float) -> float | None:
        """Return seconds after which a load that has not ended is clearly slower than ``best``; None where that cannot be
        said: other objectives, rates that are given, noise of a third and more."""
        load, sure = self.target.settings.workload, 1.0 - 3.0 * self.noise
        alone = self.plan.objective.name in PER_SECOND and not self.plan.extra_objectives
        if not alone or load.rate is not None or load.recorded or sure <= 0.0 or best <= 0.0:
            return None
        return PATIENCE * self._work() / (best * sure) + CLIENT_S

    def cut_off(self, attempt: Attempt) -> Measurement:
        """Return what a study is told of a load that was stopped: at most so fast, vaguely, and nothing of the limits."""
        assert attempt.cut_s is not None
        at_most = self._work() / (attempt.cut_s - CLIENT_S)
        return Measurement(
            [at_most], [VAGUE * at_most], metrics={CUT_OFF: attempt.cut_s}, seconds=attempt.seconds
        )

    def _work(self) -> float:
        """Return what one load does, in the unit of the objective times seconds."""
        default = self.default()
        return default[self.plan.objective.name] * default["duration_s"]

    def at_highest_load(self, attempt: Attempt) -> Attempt:
        """Return the attempt with the results of the highest load at which the running server meets the limits.

        Its own load only says where to begin; where no load holds its results stay, with a load of 0. A server that failed
        before any load held has failed; one that failed beyond the highest load keeps that.
        """
        began, name = time.monotonic(), self.plan.objective.name
        highest = self._highest_load(attempt.mean())
        attempt = replace(attempt, seconds=attempt.seconds + time.monotonic() - began)
        if highest.result is None and highest.failure is not None:
            return replace(attempt, results=(), beside=(), failure=highest.failure)
        if highest.result is None:
            return attempt.with_metric(name, 0.0)
        return replace(attempt, results=(highest.result,), beside=()).with_metric(name, highest.best)

    def _highest_load(self, own: Mapping[str, float]) -> LoadSearch:
        """Return the highest rate or concurrency; ``own``: metrics under the workload's own load."""
        target, limits = self.target, self._limits_of_loads
        if self.plan.objective.name == "max_rate_s":
            first = own["requests_s"] / 2
            return highest_rate(lambda rate: target.load(target.plan_at(rate)), limits, first, runs=LOADS)
        workload = target.settings.workload
        most = max(len(workload.rows()) // TURNS, 1)
        first = workload.concurrency or USUAL_CONCURRENCY
        return highest_concurrency(
            lambda n: target.load(target.plan_with(n)), limits, first, most=most, runs=LOADS
        )

    def few_requests(self) -> str:
        """Return a warning where a load has too few requests for a percentile that is judged, or ""."""
        default = self.default()
        judged = (*(o.name for o in self.plan.objectives), *(c.name for c in self.limits))
        names = [*dict.fromkeys(unsure(default, judged))]
        if not names:
            return ""
        bounds = "; ".join(bound_words(default, names))
        return f"few requests for {', '.join(names)}: {bounds}; give the workload more with `prompts=`"

    @property
    def _limits_of_loads(self) -> tuple[Constraint, ...]:
        return tuple(c for c in self.limits if c.name != AGREEMENT.name)

    def told(self, metrics: Mapping[str, float], attempt: Attempt | None = None) -> str:
        """Return a result in words: the objective, the limits, and what the attempt took."""
        if attempt is not None and attempt.cut_s is not None:
            return f"cut off after {attempt.cut_s:.0f} s: too slow to win"
        values = self.metrics(metrics)
        several = len(self.plan.objectives) > 1
        parts = [
            f"{o.name + ' ' if several else ''}{values.get(o.name, math.nan):.4g} {o.unit}"
            for o in self.plan.objectives
        ]
        shown = {c.name for c in self.limits} - {o.name for o in self.plan.objectives}
        parts += [f"{c.name} {values[c.name]:.4g}" for c in self.limits if c.name in shown & values.keys()]
        if self.limits:
            parts.append("breaks a limit" if broken(self.limits, values) else "meets the limits")
        if attempt is not None:
            busy = sum(r.busy_cores for r in attempt.results) / max(len(attempt.results), 1)
            parts.append(
                f"{attempt.seconds:.0f} s, {busy:.1f} cores busy"
                if not attempt.shared
                else "as measured before"
            )
        return " · ".join(parts)


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the (upper) median of each metric that all of at least one row have."""
    shared = [n for n in rows[0] if all(n in r for r in rows)]
    return {n: sorted(r[n] for r in rows)[len(rows) // 2] for n in shared}
