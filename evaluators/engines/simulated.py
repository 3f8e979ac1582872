"""A server that is a formula: what a tuning does, without a process, in no time. For benchmarks, tests and trying out.

Metrics are a function of the configuration and the load; noise is lognormal, the same for all metrics of a run. Seconds
are told, not spent. Knows no engine.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ...serving.servers.failures import ServerFailure
from ...serving.servers.load import LoadPlan, LoadResult
from ...serving.servers.server import ServerSpec
from ..servers.attempt import Attempt, Rung
from ..servers.settings import TargetSettings
from ..spaces.space import SearchSpace
from .contract import Params

Formula = Callable[[Params, LoadPlan], Mapping[str, float] | ServerFailure]
"""Metrics of a configuration under a load (``duration_s`` among them), or how it fails."""


class SimulatedServer:
    """Servers whose metrics are a formula. Deterministic in the seed and the order of the calls."""

    def __init__(
        self, settings: TargetSettings, space: SearchSpace, formula: Formula, *, noise: float = 0.01,
        seed: int = 0, start_s: float = 4.0,
    ) -> None:  # fmt: skip
        """``noise``: standard deviation of the logarithm of a run; ``start_s``: seconds that a start is said to take."""
        self.scale: Mapping[str, float] = {}
        self.settings = settings
        self._space, self._formula = space, formula
        self._noise, self._start_s = noise, start_s
        self._rng = np.random.default_rng(seed)
        self._running: dict[str, object] | None = None
        settings.folder.mkdir(parents=True, exist_ok=True)

    def spec(self, params: Params) -> ServerSpec:
        """Return what would be served: what is fixed, and the parameters that differ from the default."""
        default = self._space.default()
        changed = {k: v for k, v in params.items() if v != default.get(k)}
        return ServerSpec(self.settings.model, {**self.settings.fixed, **changed}, self.settings.variables)

    def measure(
        self, params: Params, *, rung: Rung = "fork", repeats: int = 1, reuse: bool = True,
        enough_s: float | None = None, label: str = "",
    ) -> Attempt:  # fmt: skip
        """Return an attempt; nothing is reused or stopped, because nothing takes time."""
        command = self.spec(params).command()
        started = not self.reuses(params)
        self._running = dict(params)
        results = [self.load(self._plan()) for _ in range(repeats)]
        start_s = self._start_s if started else 0.0
        failure = next((r.failure for r in results if r.failure is not None), None)
        if failure is not None:
            self._running = None
            return Attempt(command, rung, failure=failure, seconds=start_s)
        seconds = start_s + sum(r.metrics.get("duration_s", 0.0) for r in results)
        return Attempt(command, rung, results=tuple(results), start_s=start_s, seconds=seconds)

    def more(self, attempt: Attempt, repeats: int = 1, *, label: str = "") -> Attempt:
        """Return the attempt with further repeats; unchanged where no server runs."""
        if self._running is None or attempt.failure is not None:
            return attempt
        added = tuple(self.load(self._plan()) for _ in range(repeats))
        seconds = attempt.seconds + sum(r.metrics.get("duration_s", 0.0) for r in added)
        return replace(attempt, results=(*attempt.results, *added), seconds=seconds)

    def load(self, plan: LoadPlan) -> LoadResult:
        """Return the formula's metrics of the configuration that runs, with their noise."""
        assert self._running is not None
        outcome = self._formula(self._running, plan)
        if isinstance(outcome, ServerFailure):
            return LoadResult(problem=outcome.cause, failure=outcome)
        factor = float(np.exp(self._noise * self._rng.standard_normal()))
        return LoadResult({n: _noisy(n, v, factor) for n, v in outcome.items()}, busy_cores=1.0)

    def plan_at(self, rate: float) -> LoadPlan:
        """Return a load of the workload at a rate."""
        return replace(self._plan(), rate=rate, concurrency=None)

    def plan_with(self, concurrency: int) -> LoadPlan:
        """Return a load of the workload with so many requests at once."""
        return replace(self._plan(), rate=None, concurrency=concurrency)

    def reuses(self, params: Params) -> bool:
        """Return whether this configuration runs."""
        return self._running == dict(params)

    def stop_server(self) -> None:
        """Forget what runs."""
        self._running = None

    def _plan(self) -> LoadPlan:
        w = self.settings.workload
        requests = self.settings.folder / "requests.jsonl"
        return LoadPlan(requests, w.concurrency, w.rate, w.burstiness, w.recorded, w.seed)


def _noisy(name: str, value: float, factor: float) -> float:
    """Return a metric of a machine that was ``factor`` times as fast: times shrink, rates grow, counts stay."""
    if name.endswith("_ms") or name == "duration_s":
        return value / factor
    return value * factor if name.endswith("_s") else value
