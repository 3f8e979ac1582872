"""What the numbers of a tuning mean: metrics of an attempt, the default as their scale, noise, and limits as numbers.

Read by the search and by the verification alike. Knows the plan, the target and the default's results; not what is tried.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluators.measurement import Measurement
from ..evaluators.problem import Constraint
from ..evaluators.vllm_attempt import Attempt
from ..evaluators.vllm_metrics import derived, resolve_limits
from ..evaluators.vllm_rate import highest_rate
from ..evaluators.vllm_target import VllmTarget
from ..serving.vllm_load import LoadPlan
from .tuning_findings import CUT_OFF
from .tuning_plan import TuningPlan, TuningState
from .tuning_verdict import broken, spread

NOISE_FLOOR = 0.02
"""Coefficient of variation assumed at least: three repeats can agree by luck (GPUs show 0.1-2 %)."""
PER_SECOND = ("output_tok_s", "total_tok_s", "requests_s")
"""Objectives that are the work of a load, the same in every configuration, over its seconds."""
PATIENCE, CLIENT_S = 1.5, 5.0
"""How much longer than it would take to win a load may last, and what the load client needs beside its requests."""
AGREEMENT = Constraint("agreement", lower=0.9)
"""Share of the default's answers that lossy knobs have to keep."""


class Measures:
    """One tuning's reading of results. ``state`` is the session's own and grows while it runs."""

    def __init__(self, plan: TuningPlan, target: VllmTarget, state: TuningState) -> None:
        self.plan = plan
        self.target = target
        self.state = state

    def default(self) -> dict[str, float]:
        """Return the median of each of the default's metrics."""
        return medians(self.state.default)

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
        return self.limits_beside(self.default() if self.state.default else {}, self.plan.margin)

    def limits_beside(self, default: Mapping[str, float], margin: float = 0.0) -> tuple[Constraint, ...]:
        """Return the limits as numbers, relative ones relative to these metrics of the default."""
        made = resolve_limits(self.plan.limits, default, margin)
        return (*made, AGREEMENT) if self.target.settings.guard else made

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

    def enough_s(self, best: float) -> float | None:
        """Return seconds after which a load that has not ended is clearly slower than ``best``; None where that cannot be
        said: other objectives, rates that are given, noise of a third and more."""
        load, sure = self.target.settings.workload, 1.0 - 3.0 * self.noise
        alone = self.plan.objective.name in PER_SECOND and not self.plan.extra_objectives
        if not alone or load.rate is not None or load.recorded or sure <= 0.0 or best <= 0.0:
            return None
        return PATIENCE * self._work() / (best * sure) + CLIENT_S

    def cut_off(self, attempt: Attempt) -> Measurement:
        """Return what a study is told of a load that was stopped: at most so fast, and nothing of the limits."""
        assert attempt.cut_s is not None
        at_most = self._work() / attempt.cut_s
        return Measurement(
            [at_most], [self.noise * at_most], metrics={CUT_OFF: attempt.cut_s}, seconds=attempt.seconds
        )

    def _work(self) -> float:
        """Return what one load does, in the unit of the objective times seconds."""
        default = self.default()
        return default[self.plan.objective.name] * default["duration_s"]

    def highest_rate(self, attempt: Attempt) -> float:
        """Return the highest rate of requests per second at which the running server meets the limits."""
        requests = self.target.settings.folder / "requests.jsonl"
        rows = len(requests.read_text().splitlines())

        def measure(rate: float) -> Any:
            return self.target.load(LoadPlan(requests, rate=rate, timeout_s=2 * rows / rate + 10))

        return max(highest_rate(measure, self.limits, attempt.mean()["requests_s"] / 2).best, 1e-3)

    def told(self, metrics: Mapping[str, float], attempt: Attempt | None = None) -> str:
        """Return a result in words: the objective, the limits, and what the attempt took."""
        if attempt is not None and attempt.cut_s is not None:
            return f"cut off after {attempt.cut_s:.0f} s: too slow to win"
        known = self.metrics(metrics)
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


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the (upper) median of each metric over at least one row."""
    return {n: sorted(r[n] for r in rows)[len(rows) // 2] for n in rows[0]}
