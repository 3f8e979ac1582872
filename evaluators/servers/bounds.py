"""How sure the percentiles of one load are: bounds by its own requests, as metrics, and in words.

A percentile of few requests is a guess: of 71 requests the p99 is about the slowest one, and below 299 nothing bounds it
from above with 95 % (``evaluators/statistics/percentiles.py``). The bounds of ``ttft_p99_ms`` are ``ttft_p99_low_ms`` and
``ttft_p99_high_ms``, each with 95 %, missing where n is too small; ``requests`` says n. Requests of one run wait for each
other, so the bounds are narrower than the truth; how runs and starts differ is not in them.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...serving.servers.load import LoadResult
from ..statistics.percentiles import percentile

BOUNDED = (95, 99)
"""Percentiles whose bounds are told; those below need few requests."""
_NAME = re.compile(r"^(ttft|tpot|e2e)_p(\d+)_ms$")


def with_bounds(result: LoadResult) -> LoadResult:
    """Return the result with bounds of its high percentiles among its metrics."""
    bounds: dict[str, float] = {}
    for kind, times in result.requests.items():
        if not times:
            continue
        bounds["requests"] = max(bounds.get("requests", 0.0), float(len(times)))
        for p in BOUNDED:
            interval = percentile(times, p / 100)
            ends = (("low", interval.low), ("high", interval.high))
            bounds |= {f"{kind}_p{p}_{end}_ms": value for end, value in ends if math.isfinite(value)}
    return replace(result, metrics={**result.metrics, **bounds}) if bounds else result


def bound_words(metrics: Mapping[str, float], names: Iterable[str]) -> list[str]:
    """Return, in words, how sure those of ``names`` are that are percentiles: bounds, n, and how many would do."""
    n = int(metrics.get("requests", 0))
    return [_words(name, metrics, n) for name in names if n and _NAME.match(name) and name in metrics]


def unsure(metrics: Mapping[str, float], names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are percentiles beyond all but one of the requests, or about that."""
    n = metrics.get("requests", 0.0)
    matches = ((name, _NAME.match(name)) for name in names)
    return [name for name, one in matches if one is not None and 0 < n * (100 - int(one[2])) < 100]


def requests_for(share: float, level: float = 0.95) -> int:
    """Return of how many requests the percentile ``share`` in (0, 1) has an upper bound that holds with ``level``."""
    return math.ceil(math.log(1 - level) / math.log(share))


def _words(name: str, metrics: Mapping[str, float], n: int) -> str:
    match = _NAME.match(name)
    assert match is not None
    kind, p = match[1], int(match[2])
    low, high = (metrics.get(f"{kind}_p{p}_{end}_ms") for end in ("low", "high"))
    if low is None and high is None:
        return f"{name} {metrics[name]:.4g} of {n} requests"
    ends = f"{'–∞' if low is None else f'{low:.4g}'} to {'∞' if high is None else f'{high:.4g}'}"
    more = "" if high is not None else f"; {requests_for(p / 100)} requests have an upper bound"
    about = ", about the slowest of them" if unsure(metrics, [name]) else ""
    return f"{name} {metrics[name]:.4g} ({ends} of {n} requests{about}{more})"
