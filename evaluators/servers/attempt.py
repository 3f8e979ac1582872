"""One attempt at a configuration of a server: how it was run, what it measured, or why it failed. Values only.

With a default server beside it, every load of the configuration has a load of the default right before or after it.
The machine's own slowness is then in both, and metrics are restated as (configuration / default) x the default's scale.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ...serving.servers.failures import INFRASTRUCTURE, FailureClass, ServerFailure
from ...serving.servers.load import LoadResult
from ..errors import EvaluationFailed, FailureKind

Rung = Literal["live", "fork", "ordinary"]
_KINDS: Mapping[FailureClass, FailureKind] = {
    "illegal_argument": "invalid",
    "unsupported_combination": "invalid",
    "out_of_memory_at_load": "out_of_memory",
    "out_of_memory_at_kv_allocation": "out_of_memory",
    "out_of_memory_under_load": "out_of_memory",
    "hang": "timeout",
    **dict.fromkeys(INFRASTRUCTURE, "infrastructure"),
}

ABSOLUTE = frozenset({"compliance"})
"""Metrics that are not restated by the default beside: a share of requests has no unit that a slow machine stretches."""


@dataclass(frozen=True, slots=True)
class Rungs:
    """Which rungs are used while searching. ``eager``: search without compilation (verification compiles again);
    ``beside``: keep a server of the default running and load it alternately (needs the memory of two)."""

    preflight: bool = True
    live: bool = False
    fork: bool = True
    eager: bool = False
    beside: bool = False


@dataclass(frozen=True)
class Attempt:
    """One configuration measured: a result per repeat, or a failure. ``shared``: measured as this earlier attempt.

    ``cut_s``: seconds after which a load was stopped because it could not win any more; there are no results then.
    ``beside``: the default's result next to each of ``results``; ``scale``: the default's metrics that ratios to them are
    multiplied with (empty: nothing is restated). ``argv``, ``variables`` and ``log``: of the server that ran or failed, as it
    was really started and beside what the environment said.
    """

    command: str
    rung: Rung
    digest: str = ""
    results: tuple[LoadResult, ...] = ()
    failure: ServerFailure | None = None
    start_s: float = 0.0
    seconds: float = 0.0
    agreement: float | None = None
    shared: str = ""
    cut_s: float | None = None
    devices: int = 1
    beside: tuple[LoadResult, ...] = ()
    scale: Mapping[str, float] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    log: str = ""

    def mean(self) -> dict[str, float]:
        """Return each metric's mean over the repeats, restated where the default ran beside."""
        names = _shared_names(self.results)
        means = {n: sum(r.metrics[n] for r in self.results) / len(self.results) for n in names}
        means |= {n: self.scale[n] * ratio for n, ratio in self.ratios().items() if n in self.scale}
        means |= {"devices": float(self.devices)} if means else {}
        return means if self.agreement is None else {**means, "agreement": self.agreement}

    def rows(self) -> list[dict[str, float]]:
        """Return the metrics of each repeat as measured, with what holds for all of them."""
        common = {"devices": float(self.devices)}
        common |= {} if self.agreement is None else {"agreement": self.agreement}
        return [{**r.metrics, **common} for r in self.results]

    def ratios(self) -> dict[str, float]:
        """Return each metric over the default's beside it, geometric mean of the repeats; empty without."""
        if not self.beside:
            return {}
        pairs = [(r.metrics, b.metrics) for r, b in zip(self.results, self.beside, strict=True)]
        names = [
            n
            for n in pairs[0][0]
            if n not in ABSOLUTE and all(min(r.get(n, 0), b.get(n, 0)) > 0 for r, b in pairs)
        ]
        return {n: math.exp(sum(math.log(r[n] / b[n]) for r, b in pairs) / len(pairs)) for n in names}

    def with_metric(self, name: str, value: float) -> "Attempt":
        """Return the attempt with one more metric on every result."""
        grown = tuple(replace(r, metrics={**r.metrics, name: value}) for r in self.results)
        return replace(self, results=grown)

    def beside_mean(self) -> dict[str, float]:
        """Return each metric's mean over the default's results beside."""
        names = _shared_names(self.beside)
        return {n: sum(r.metrics[n] for r in self.beside) / len(self.beside) for n in names}

    def error(self) -> EvaluationFailed | None:
        """Return the failure as a trial's failure, None when there is none."""
        if self.failure is None:
            return None
        return EvaluationFailed(str(self.failure), kind=_KINDS.get(self.failure.kind, "crash"))

    def require(self, what: str = "The default") -> None:
        """Raise the failure, if there is one, of a configuration without which nothing can go on; ``what``: its name."""
        error = self.error()
        if error is None or self.failure is None:
            return
        cure = f"; {_SLOW}" if self.failure.kind == "hang" else ""
        where = f"; its own words are in {self.log!r}" if self.log else ""
        raise EvaluationFailed(f"{what} could not be measured: {error}{where}{cure}.", kind=error.kind)


_SLOW = (
    "give it less to do (`--workload` with fewer or shorter requests), longer to start (`--start-timeout`), or, where others "
    "use the cores, fewer threads: they wait for each other (llama.cpp: `--fix threads=1`)"
)


def _shared_names(results: Sequence[LoadResult]) -> list[str]:
    """Return the metrics that every result has: bounds of percentiles need enough requests."""
    return [n for n in (results[0].metrics if results else ()) if all(n in r.metrics for r in results)]
