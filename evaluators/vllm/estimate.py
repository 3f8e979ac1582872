"""vLLM's configurations, estimated: flags in, metrics out, nothing is started.

Layout, batch limits, number of requests at once and lengths decide; other flags do not change an estimate. Step times come
from measured operators where there are tables for the model and the system, else from a roofline of its ``config.json``.
Estimates are means; a percentile is taken to lie above the mean by a factor that the first trials tell.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from ...serving.vllm.catalogue import KNOBS, Value
from ..engines.estimates import Batching, Estimate, Layout, SteadyLoad, Steps, steady
from ..engines.roofline import ACCELERATORS, ModelSize, RooflineSteps
from ..engines.sizing import Capacity
from ..errors import NotEstimated
from ..problems.history import Params
from ..problems.problem import Constraint, Objective
from ..servers.metrics import check_measured, derived, devices_of
from ..traffic.workload import Workload
from .aiconfigurator import OperatorSteps, has_tables, published_config
from .memory import model_config

USUAL: Mapping[str, int] = {"max_num_seqs": 256, "max_num_batched_tokens": 8192}
"""What vLLM takes on a GPU that serves, where neither flags nor the resolved configuration tell."""


def steady_load(workload: Workload) -> SteadyLoad:
    """Return what a workload asks of a server in the mean; raises NotEstimated where arrivals have times of their own."""
    if workload.rate is not None or workload.recorded:
        raise NotEstimated(
            "An estimate needs a load of requests that follow each other (concurrency=32), got one with arrival times."
        )
    rows = workload.rows()
    n = max(len(rows), 1)
    prompt = sum(r.get("prefix_len", 0) + r["input_len"] for r in rows) / n
    answer = sum(r["output_len"] for r in rows) / n
    at_once = min(workload.concurrency or n, n)
    return SteadyLoad(max(round(prompt), 1), max(round(answer), 1), at_once, n)


@dataclass(frozen=True)
class VllmEstimator:
    """Estimates configurations of one model on one system under one load. ``held``: flags of all configurations, and what
    vLLM resolves without flags."""

    model: str
    system: str
    load: SteadyLoad
    held: Mapping[str, Any] = field(default_factory=dict)  # Any: a flag's value
    price_per_hour: float | None = None
    _steps: dict[Layout, Steps | None] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse systems and models of which nothing is known."""
        if self.system not in ACCELERATORS:
            raise NotEstimated(f"`--system` must be one of {', '.join(ACCELERATORS)}, got {self.system!r}.")
        if not self.measured and self.size is None:
            raise NotEstimated(
                f"Estimating {self.model!r} needs its config.json: give its folder, or download it, or install "
                "`trialogue[estimate]`, which knows published models by name."
            )

    @cached_property
    def size(self) -> ModelSize | None:
        """What the model's ``config.json`` tells, here or among those that the package has; None where there is none."""
        config = model_config(self.model) or (published_config(self.model) if self.measured else None)
        return None if config is None else ModelSize.of(config)

    @cached_property
    def measured(self) -> bool:
        """Whether there are measured operators for this model and system."""
        return has_tables(self.model, self.system)

    @property
    def source(self) -> str:
        """Where step times come from, in words."""
        return "measured operators (aiconfigurator-core)" if self.measured else "a roofline of config.json"

    def __call__(self, params: Params, load: SteadyLoad | None = None) -> Mapping[str, float] | None:
        """Return every metric that can be estimated, by the names of ``servers/metrics.py``; None where none can.

        ``load``: another one than its own, with requests of the same lengths.
        """
        metrics = self.estimate(params, load)
        return (
            None
            if metrics is None
            else self._named(metrics, self._layout(params).devices * self._copies(params))
        )

    def estimate(self, params: Params, load: SteadyLoad | None = None) -> Estimate | None:
        """Return the estimate of a configuration, None where it does not fit or nothing is known of its layout."""
        layout, values = self._layout(params), {**USUAL, **self.held, **params}
        if layout not in self._steps:
            self._steps[layout] = self._made(layout)
        steps = self._steps[layout]
        if steps is None:
            return None
        batching = Batching(int(values["max_num_seqs"]), int(values["max_num_batched_tokens"]))
        return steady(steps, load or self.load, batching, layout.data * self._copies(params))

    def _made(self, layout: Layout) -> Steps | None:
        try:
            if self.measured:
                return OperatorSteps(self.model, self.system, layout, kv_tokens=self._room(layout))
            return self._roofline(layout)
        except NotEstimated:
            return None

    def _roofline(self, layout: Layout) -> RooflineSteps:
        assert self.size is not None
        return RooflineSteps(self.size, ACCELERATORS[self.system], layout)

    def _room(self, layout: Layout) -> float:
        """Return the tokens that a rank's KV cache holds, infinite where the model's size is not known."""
        return float("inf") if self.size is None else self._roofline(layout).kv_tokens

    def _layout(self, params: Params) -> Layout:
        values = {**self.held, **params}
        tensor, pipeline, data = (
            int(values.get(f"{k}_parallel_size") or 1) for k in ("tensor", "pipeline", "data")
        )
        experts = self.size is not None and self.size.experts > 0
        ranks = data if experts else 1  # copies of a dense model share nothing
        expert = tensor * ranks if values.get("enable_expert_parallel") else 1
        return Layout(tensor, pipeline, ranks, expert, str(values.get("quantization") or ""))

    def _copies(self, params: Params) -> int:
        return int({**self.held, **params}.get("data_parallel_size") or 1) // self._layout(params).data

    def _named(self, estimate: Estimate, devices: int) -> dict[str, float]:
        e2e = estimate.ttft_ms + estimate.tpot_ms * (self.load.output_tokens - 1)
        rate = estimate.output_tok_s / self.load.output_tokens
        kinds = {"ttft": estimate.ttft_ms, "tpot": estimate.tpot_ms, "itl": estimate.tpot_ms, "e2e": e2e}
        times = {f"{k}_{s}_ms": v for k, v in kinds.items() for s in ("mean", "p50", "p90", "p95", "p99")}
        total = rate * (self.load.input_tokens + self.load.output_tokens)
        rates = {
            "output_tok_s": estimate.output_tok_s,
            "requests_s": rate,
            "total_tok_s": total,
            "devices": float(devices),
        }
        return derived({**times, **rates}, price_per_hour=self.price_per_hour)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A configuration with its estimated metrics. ``changes``: what differs from what vLLM takes without flags."""

    changes: Mapping[str, Value]
    metrics: Mapping[str, float]


DECIDING = ("tensor_parallel_size", "data_parallel_size", "max_num_seqs", "max_num_batched_tokens")
"""Knobs that change an estimate; others on request."""
ON_REQUEST = ("pipeline_parallel_size", "enable_expert_parallel", "quantization")
EQUAL = 0.01
"""Share by which objectives may differ and still be equal: the configuration with the fewest changes stands first."""


def ranked(
    estimator: VllmEstimator, objective: Objective, limits: Sequence[Constraint], own: Mapping[str, Sequence[Value]],
    devices: int, *, unused: Callable[[str], None] = lambda line: None,
) -> list[Ranked]:  # fmt: skip
    """Return the configurations of ``devices`` at most that are estimated to meet the limits, best first; of those that
    are estimated to be the same, the one with the fewest changes.

    ``own``: choices of one's own by knob, empty ones: the catalogue's. ``unused`` is told of knobs that decide nothing here.
    """
    ranking: list[Ranked] = []
    for params, changes in _configurations(estimator, own, devices, unused):
        metrics = estimator(params)
        if metrics is not None and _within(metrics, limits):
            ranking.append(Ranked(changes, metrics))
    check_measured(objective.name, ranking[0].metrics if ranking else {objective.name: 0.0})
    sign = 1.0 if objective.direction == "minimize" else -1.0
    ranking.sort(key=lambda r: (sign * round(math.log(r.metrics[objective.name]) / EQUAL), len(r.changes)))
    return list({tuple(r.metrics.values()): r for r in reversed(ranking)}.values())[::-1]


AT_ONCE = tuple(2**i for i in range(11))
"""Requests at once of which a server's capacity is looked for."""
ABOUT = 0.9
"""Share of a layout's largest capacity that is as good: estimates are not surer."""


def capacities(
    estimator: VllmEstimator, limits: Sequence[Constraint], own: Mapping[str, Sequence[Value]], devices: int
) -> list[Capacity]:
    """Return what a server of each layout of ``devices`` at most is estimated to carry in the long run while every limit
    holds: of its configurations the one with the fewest changes that carries about as much as the best."""
    layouts: dict[tuple[object, ...], list[tuple[int, Capacity]]] = {}
    for params, changes in _configurations(estimator, own, devices):
        best = Capacity(words_of(changes), 0.0, devices_of(params))
        for n in AT_ONCE:
            metrics = estimator(params, replace(estimator.load, concurrency=n, requests=0))
            if metrics is None or not _within(metrics, limits):
                break  # more at once wait longer
            if metrics["requests_s"] > best.requests_s * (1 + EQUAL):
                best = replace(best, requests_s=metrics["requests_s"], at_once=n)
        layout = tuple(v for k, v in params.items() if k not in USUAL)
        layouts.setdefault(layout, []).append((len(changes), best))
    return [c for of_layout in layouts.values() if (c := _about_best(of_layout)).requests_s > 0]


def _about_best(found: Sequence[tuple[int, Capacity]]) -> Capacity:
    enough = ABOUT * max(c.requests_s for _, c in found)
    few_first = sorted(found, key=lambda each: (each[0], -each[1].requests_s))
    return next(c for _, c in few_first if c.requests_s >= enough)


def words_of(changes: Mapping[str, Value]) -> str:
    """Return changes as flags on a command line."""
    return " ".join(f"--{k.replace('_', '-')} {v}" for k, v in changes.items()) or "(no flags)"


def _within(metrics: Mapping[str, float], limits: Sequence[Constraint]) -> bool:
    return all(c.holds(metrics.get(c.name, math.nan)) for c in limits)


def _configurations(
    estimator: VllmEstimator, own: Mapping[str, Sequence[Value]], devices: int,
    unused: Callable[[str], None] = lambda line: None,
) -> Iterator[tuple[dict[str, Any], dict[str, Value]]]:  # fmt: skip  # Any: a flag's value
    """Yield configurations of ``devices`` at most that can be told apart by estimates, and what each changes."""
    catalogued = {k.name: [c for c in k.choices if c is not None] for k in KNOBS}
    choices = {
        n: list(own.get(n) or catalogued[n]) for n in (*DECIDING, *(n for n in ON_REQUEST if n in own))
    }
    for name in own.keys() - choices.keys():
        unused(f"left out: {name} does not change an estimate")
    usual = {**USUAL, **{n: 1 for n in choices if n.endswith("_size")}, **estimator.held}
    for values in product(*([usual[n]] if n in estimator.held else c for n, c in choices.items())):
        params = dict(zip(choices, values, strict=True))
        few, tokens = (float(str(params[n])) for n in ("max_num_seqs", "max_num_batched_tokens"))
        if devices_of(params) <= devices and few <= tokens:
            yield params, {k: v for k, v in params.items() if usual.get(k) != v}
