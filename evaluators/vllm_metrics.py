"""What a serving study maximizes and must not exceed: objectives and limits by the names of their metrics.

Metrics are those of ``serving/vllm_load.py`` and ratios of them per GPU or per money. A limit may carry a margin, so
that a configuration which only just holds once does not count as holding.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .errors import InvalidSpecification
from .problem import Constraint, Objective

OBJECTIVES: dict[str, Objective] = {
    o.name: o
    for o in (
        Objective("output_tok_s", "maximize", "tokens/s", "generated tokens per second"),
        Objective("total_tok_s", "maximize", "tokens/s", "prompt and generated tokens per second"),
        Objective("requests_s", "maximize", "requests/s", "answered requests per second"),
        Objective(
            "goodput_req_s", "maximize", "requests/s", "requests per second that meet every latency limit"
        ),
        Objective("output_tok_s_per_gpu", "maximize", "tokens/s", "generated tokens per second and device"),
        Objective("output_tok_per_joule", "maximize", "tokens/J", "generated tokens per joule of the device"),
        Objective(
            "output_tok_per_cpu_s",
            "maximize",
            "tokens/s",
            "generated tokens per second of a core that the server uses",
        ),
        Objective("output_tok_per_money", "maximize", "tokens", "generated tokens per unit of money"),
        Objective("max_rate_s", "maximize", "requests/s", "highest request rate that meets every limit"),
        *(
            Objective(f"{kind}_{statistic}_ms", "minimize", "ms")
            for kind in ("ttft", "tpot", "itl", "e2e")
            for statistic in ("mean", "p50", "p95", "p99")
        ),
    )
}
_LATENCY = re.compile(r"^(ttft|tpot|itl|e2e)_(mean|p50|p90|p95|p99)_ms$")
_RELATIVE = re.compile(r"^\s*(\w+)\s*<=\s*([\d.]+)\s*x\s*$")


def objective_named(name: str) -> Objective:
    """Return the objective of that name; raises InvalidSpecification with those there are."""
    if name not in OBJECTIVES:
        raise InvalidSpecification(f"`--objective` must be one of {', '.join(OBJECTIVES)}, got {name!r}.")
    return OBJECTIVES[name]


def parse_limit(text: str) -> Constraint | tuple[str, float]:
    """Return ``ttft_p99_ms<=200`` as a limit, or ``tpot_p99_ms<=0.75x`` as (metric, factor of the default's value)."""
    relative = _RELATIVE.match(text)
    found = (relative[1], float(relative[2])) if relative else Constraint.parse(text)
    name = found[0] if isinstance(found, tuple) else found.name
    if not _LATENCY.match(name) and name not in OBJECTIVES:
        raise InvalidSpecification(
            f"`--slo` must limit a metric such as ttft_p99_ms, tpot_p95_ms or e2e_p50_ms, got {name!r}."
        )
    return found


def resolve_limits(
    limits: Sequence[Constraint | tuple[str, float]], default: Mapping[str, float], margin: float = 0.0
) -> tuple[Constraint, ...]:
    """Return the limits as numbers: relative ones times the default's metrics, upper ones tightened by ``margin``."""
    made = [
        Constraint(c[0], upper=c[1] * default[c[0]], unit="ms") if isinstance(c, tuple) else c for c in limits
    ]
    return tuple(replace(c, upper=c.upper * (1 - margin)) if c.upper is not None else c for c in made)


def derived(metrics: Mapping[str, float], *, price_per_hour: float | None = None) -> dict[str, float]:
    """Return the metrics with those per device and per money added; ``devices`` among them says how many are used."""
    devices = metrics.get("devices", 1.0)
    extra = {"output_tok_s_per_gpu": metrics["output_tok_s"] / devices}
    if price_per_hour:
        extra["output_tok_per_money"] = metrics["output_tok_s"] * 3600 / (price_per_hour * devices)
    return {**metrics, **extra}


def check_measured(name: str, metrics: Mapping[str, float]) -> None:
    """Raise InvalidSpecification where this machine's measurements do not tell the objective ``name``."""
    if name in metrics:
        return
    why = {
        "output_tok_per_joule": "neither NVML nor /sys/class/powercap tells its energy",
        "output_tok_per_money": "it needs `--price-per-hour`",
        "goodput_req_s": "goodput counts by limits in ms: give `--slo 'ttft_p99_ms<=200'`",
    }.get(name, "the load client does not report it")
    raise InvalidSpecification(f"The objective {name!r} cannot be measured here: {why}.")


def devices_of(flags: Mapping[str, object]) -> int:
    """Return how many devices a configuration occupies: tensor x pipeline x data parallel size."""
    sizes = (flags.get(f"{kind}_parallel_size") for kind in ("tensor", "pipeline", "data"))
    return math.prod(size for size in sizes if isinstance(size, int))


def goodput_limits(limits: Sequence[Constraint]) -> dict[str, float]:
    """Return the limits in the form of ``--goodput``: per request, so percentiles of one kind share their limit."""
    found: dict[str, float] = {}
    for limit in limits:
        kind = limit.name.partition("_")[0]
        if limit.upper is not None and kind in ("ttft", "tpot", "e2e"):
            key = "e2el" if kind == "e2e" else kind
            found[key] = min(limit.upper, found.get(key, float("inf")))
    return found
