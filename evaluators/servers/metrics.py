"""What a serving study maximizes and must not exceed: objectives and limits by the names of their metrics.

Metrics are those of ``serving/servers/load.py`` and ratios of them per GPU or per money. A limit may carry a margin, so
that a configuration which only just holds once does not count as holding.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ..errors import InvalidProblem, InvalidSpecification
from ..problems.problem import Constraint, Objective

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
            "tokens/core-s",
            "generated tokens per second of a core that the server uses",
        ),
        Objective("output_tok_per_money", "maximize", "tokens", "generated tokens per unit of money"),
        Objective("max_rate_s", "maximize", "requests/s", "highest request rate that meets every limit"),
        Objective("max_concurrency", "maximize", "requests", "most requests at once that meet every limit"),
        Objective("compliance", "maximize", "", "share of requests that meet every limit of a request"),
        *(
            Objective(f"{kind}_{statistic}_ms", "minimize", "ms")
            for kind in ("ttft", "tpot", "itl", "e2e")
            for statistic in ("mean", "p50", "p95", "p99")
        ),
    )
}
SEARCHED = frozenset({"max_rate_s", "max_concurrency"})
"""Objectives that are the highest load that meets the limits; their results are those of that load."""
PER_REQUEST = frozenset({"ttft_ms", "tpot_ms", "e2e_ms"})
"""Limits of every single request: what goodput and compliance count by, and no metric of their own."""
COMPLIANT = 0.99
"""Share of requests that must meet the limits of a request where nothing else is said."""
_LATENCY = re.compile(r"^(ttft|tpot|itl|e2e)_(mean|p50|p90|p95|p99)_ms$")
_COUNTED = ("goodput_req_s", "compliance")
_RELATIVE = re.compile(r"^\s*(\w+)\s*(<=|>=)\s*(\d+(?:\.\d*)?|\.\d+)\s*x\s*$")


class Relative(NamedTuple):
    """A limit as factors of the default's value: at most ``upper``, at least ``lower`` times of it."""

    name: str
    upper: float | None = None
    lower: float | None = None


Limit = Constraint | Relative
_Kind = TypeVar("_Kind", Constraint, Relative)


def objective_named(name: str) -> Objective:
    """Return the objective of that name; raises InvalidSpecification with those there are."""
    if name not in OBJECTIVES:
        raise InvalidSpecification(f"`--objective` must be one of {', '.join(OBJECTIVES)}, got {name!r}.")
    return OBJECTIVES[name]


def parse_limit(text: str) -> Limit:
    """Return ``ttft_p99_ms<=200`` as a limit, ``tpot_p99_ms<=0.75x`` or ``output_tok_s>=0.9x`` as one relative to the
    default's value."""
    relative = _RELATIVE.match(text)
    if relative:
        factor = float(relative[3])
        limit = Relative(relative[1], factor) if relative[2] == "<=" else Relative(relative[1], None, factor)
    else:
        limit = Constraint.parse(text)
    if limit.name in PER_REQUEST:
        return _of_request(limit, text)
    if limit.name == "compliance" and isinstance(limit, Constraint) and not 0 <= (limit.lower or 0.0) <= 1:
        raise InvalidSpecification(
            f"`compliance` is a share of requests from 0 to 1, got {text!r}; write compliance>=0.99."
        )
    if not _LATENCY.match(limit.name) and (limit.name not in OBJECTIVES or limit.name in SEARCHED):
        raise InvalidSpecification(
            "`--slo` must limit a metric such as ttft_p99_ms, tpot_p95_ms or output_tok_s, or every request such as "
            f"ttft_ms, got {limit.name!r}."
        )
    return limit


def _of_request(limit: Limit, text: str) -> Constraint:
    if not isinstance(limit, Constraint) or limit.upper is None:
        raise InvalidSpecification(
            f"A limit of every request must be a number that it may not exceed, such as ttft_ms<=200, got {text!r}."
        )
    return limit


def merged_limits(limits: Iterable[Limit | tuple[str, float]]) -> tuple[Limit, ...]:
    """Return one limit of each kind per metric, the tighter of several; raises InvalidProblem where none can be met.

    Limits of every request come with one on ``compliance``, that of the caller or ``COMPLIANT``.
    """
    numbers: dict[str, Constraint] = {}
    relative: dict[str, Relative] = {}
    for limit in limits:
        if isinstance(limit, Constraint):
            numbers[limit.name] = _tighter(limit, numbers.get(limit.name, limit))
        else:
            one = limit if isinstance(limit, Relative) else Relative(limit[0], limit[1])
            relative[one.name] = _tighter(one, relative.get(one.name, one))
    if numbers.keys() & PER_REQUEST and "compliance" not in {*numbers, *relative}:
        numbers["compliance"] = Constraint("compliance", lower=COMPLIANT)
    return (*numbers.values(), *relative.values())


def resolve_limits(
    limits: Iterable[Limit | tuple[str, float]], default: Mapping[str, float], margin: float = 0.0
) -> tuple[Constraint, ...]:
    """Return one limit per metric as numbers: relative ones times the default's metrics, all tightened by ``margin``.

    Raises InvalidSpecification where the default has no such value, or it is 0, and InvalidProblem where limits exclude
    each other.
    """
    by_name: dict[str, Constraint] = {}
    for limit in merged_limits(limits):
        if limit.name in PER_REQUEST:
            continue
        resolved = _times(limit, default) if isinstance(limit, Relative) else limit
        resolved = _tightened(resolved, margin)
        by_name[resolved.name] = _tighter(resolved, by_name.get(resolved.name, resolved))
    return tuple(by_name.values())


def _times(limit: Relative, default: Mapping[str, float]) -> Constraint:
    check_measured(limit.name, default, what="limit on")
    value = default[limit.name]
    if not value > 0:
        raise InvalidSpecification(
            f"A limit on {limit.name!r} relative to the default needs a default above 0, got {value!r}; give a number."
        )
    upper = None if limit.upper is None else limit.upper * value
    return Constraint(limit.name, upper, None if limit.lower is None else limit.lower * value)


def _tightened(limit: Constraint, margin: float) -> Constraint:
    upper = None if limit.upper is None else limit.upper - margin * abs(limit.upper)
    lower = None if limit.lower is None else limit.lower + margin * abs(limit.lower)
    if limit.name == "compliance" and lower is not None:  # the margin is of the requests that may fail
        lower = 1.0 - (1.0 - margin) * (1.0 - min(limit.lower or 0.0, 1.0))
    return _checked(Constraint, limit.name, upper, lower)


def _tighter(one: _Kind, other: _Kind) -> _Kind:
    upper = min((x.upper for x in (one, other) if x.upper is not None), default=None)
    lower = max((x.lower for x in (one, other) if x.lower is not None), default=None)
    return _checked(type(one), one.name, upper, lower)


def _checked(kind: type[_Kind], name: str, upper: float | None, lower: float | None) -> _Kind:
    if upper is not None and lower is not None and lower > upper:
        raise InvalidProblem(
            f"Limits on {name!r} must leave room, got at least {lower:g} and at most {upper:g}."
        )
    return kind(name, upper, lower)


def limit_words(limits: Iterable[Constraint]) -> str:
    """Return limits in words, ``ttft_p99_ms ≤ 200, output_tok_s ≥ 90``, or "none"."""
    sides = ((c.name, sign, end) for c in limits for sign, end in (("≤", c.upper), ("≥", c.lower)))
    words = [f"{name} {sign} {end:.4g}" for name, sign, end in sides if end is not None]
    return ", ".join(words) or "none"


def derived(metrics: Mapping[str, float], *, price_per_hour: float | None = None) -> dict[str, float]:
    """Return the metrics with those per device and per money added; ``devices`` among them says how many are used."""
    devices = metrics.get("devices", 1.0)
    extra = {"output_tok_s_per_gpu": metrics["output_tok_s"] / devices}
    if price_per_hour:
        extra["output_tok_per_money"] = metrics["output_tok_s"] * 3600 / (price_per_hour * devices)
    return {**metrics, **extra}


def check_measured(name: str, metrics: Mapping[str, float], *, what: str = "objective") -> None:
    """Raise InvalidSpecification where this machine's measurements do not tell ``name``, the metric of a ``what``."""
    if name in metrics:
        return
    why = {
        "output_tok_per_joule": "neither NVML nor /sys/class/powercap tells its energy",
        "output_tok_per_money": "it needs `--price-per-hour`",
        **dict.fromkeys(_COUNTED, "it counts by limits in ms: give `--slo 'ttft_ms<=200'`"),
    }.get(name, "the load client does not report it")
    raise InvalidSpecification(f"The {what} {name!r} cannot be measured here: {why}.")


def devices_of(flags: Mapping[str, object]) -> int:
    """Return how many devices a configuration occupies: tensor x pipeline x data parallel size."""
    sizes = (flags.get(f"{kind}_parallel_size") for kind in ("tensor", "pipeline", "data"))
    return math.prod(size for size in sizes if isinstance(size, int))


def goodput_limits(limits: Sequence[Constraint]) -> dict[str, float]:
    """Return the limits in the form of ``--goodput``: those of every request, or where there are none those of latency
    statistics, of which the ones of one kind share the tightest."""
    of_requests = [c for c in limits if c.name in PER_REQUEST]
    by_kind: dict[str, float] = {}
    for limit in of_requests or limits:
        kind = limit.name.partition("_")[0]
        if limit.upper is not None and kind in ("ttft", "tpot", "e2e"):
            key = "e2el" if kind == "e2e" else kind
            by_kind[key] = min(limit.upper, by_kind.get(key, float("inf")))
    return by_kind
