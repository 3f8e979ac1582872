"""Is what came after worse than what was before? One answer per metric, one for all, and on what each stands.

Several runs of each side: the interval of the factor between them, which knows how runs differ. One run of each side with
its requests: an interval that knows the requests only; the tolerance has to stand for how runs differ. One number of each
side: nothing can be said. A metric fails when it is surely worse by more than the tolerance, where "surely" leaves all
metrics together one wrong FAIL in twenty (Bonferroni); it passes when it is surely not that much worse.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from scipy import stats

from ...evaluators.statistics.percentiles import percentile
from ...evaluators.statistics.two_samples import Factor, change_of_runs, factor_of_percentiles, factor_of_runs
from ...serving.errors import InvalidInput
from .results import MeasuredRun

Answer = Literal["PASS", "FAIL", "INCONCLUSIVE"]
ERROR = 0.05
_SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_LATENCIES = tuple(f"{kind}_{s}_ms" for kind in ("ttft", "tpot", "e2e") for s in ("p50", "p90", "p99"))
USUAL = ("requests_s", "output_tok_s", "goodput_req_s", *_LATENCIES)
"""Metrics that are judged where nothing is asked for and there is evidence."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One metric. ``worse_by``: the factor between the sides, turned so that above 1 is worse; ``stands_on``: the
    evidence in words. ``"NOT JUDGED"``: there is none, and nobody asked for this metric."""

    metric: str
    answer: Answer | Literal["NOT JUDGED"]
    before: float
    after: float
    worse_by: Factor | None
    stands_on: str
    warning: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.worse_by is not None and math.isfinite(self.worse_by.high) and self.worse_by.low > 0


@dataclass(frozen=True)
class Gate:
    """The answer, the metrics it stands on, and remarks on what was left out."""

    answer: Answer
    reason: str
    metrics: tuple[Judged, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON-ready data; what is infinite is null."""
        return _finite(asdict(self))


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is judged. ``wanted``: metrics that must be judged, and whether larger is better; empty: the usual ones.
    ``tolerance``: by how much a metric may be worse, 0.05 is 5 %."""

    wanted: Mapping[str, bool]
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 10:
            raise InvalidInput(f"`tolerance` must be in [0, 10), 0.05 is 5 %, got {self.tolerance!r}.")


@dataclass(frozen=True)
class _Sides:
    """Runs of both sides under one load, and how that is called where there are several."""

    before: Sequence[MeasuredRun]
    after: Sequence[MeasuredRun]
    label: str


def judge(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun], rules: GateRules) -> Gate:
    """Return the answer on runs of both sides; runs under different loads are not compared."""
    loads = [sorted({run.load for run in side}) for side in (before, after)]
    shared = [load for load in loads[0] if load in loads[1]]
    alone = tuple(f"only on one side: {x or 'no stated load'}" for x in sorted({*loads[0]} ^ {*loads[1]}))
    if not shared:
        return Gate("INCONCLUSIVE", "the two sides ran under different loads", remarks=alone)
    judged: list[Judged] = []
    for load in shared:
        old, new = ([run for run in side if run.load == load] for side in (before, after))
        judged += _under(_Sides(old, new, f" at {load}" if len(shared) > 1 else ""), rules)
    number = sum(one.known for one in judged)
    judged = [one if one.answer != "INCONCLUSIVE" else _answered(one, rules, number) for one in judged]
    return Gate(*_overall(judged), tuple(judged), alone)


def larger_is_better(name: str) -> bool:
    """Return the direction of a metric by its name; raises InvalidInput for one whose name does not tell."""
    words = set(name.lower().split("_"))
    if words & {"ms", "latency", "ttft", "tpot", "itl", "e2e", "seconds", "errors", "cost", "loss"}:
        return False
    if words & {"throughput", "s", "goodput", "accuracy", "score"}:
        return True
    raise InvalidInput(
        f"the name {name!r} does not say which way is better; give `--maximize` or `--minimize {name}`."
    )


def _under(sides: _Sides, rules: GateRules) -> list[Judged]:
    wanted = rules.wanted or {name: larger_is_better(name) for name in USUAL}
    judgements: list[Judged] = []
    for name, larger in wanted.items():
        one = _evidence(sides, name, larger)
        if one is None and rules.wanted:
            one = Judged(name, "INCONCLUSIVE", math.nan, math.nan, None, "not measured on both sides")
        if one is not None:
            unasked = not rules.wanted and not one.known
            judgements.append(
                replace(one, metric=name + sides.label, answer="NOT JUDGED" if unasked else one.answer)
            )
    failures = _failures(sides)
    return judgements if failures is None else [*judgements, failures]


def _evidence(sides: _Sides, name: str, larger: bool) -> Judged | None:
    """Return what is known of one metric, its answer still open; None where a side does not have it."""
    old, new = (
        [v for v in (_value(run, name) for run in side) if v is not None]
        for side in (sides.before, sides.after)
    )
    if not old or not new:
        return None
    open_ = Judged(
        name, "INCONCLUSIVE", _mean(old), _mean(new), None, "one number of a side: how runs differ is unknown"
    )
    if min(len(old), len(new)) > 1:
        return _of_runs(open_, old, new, larger)
    if min(*old, *new) <= 0:
        return open_
    kind, _, share = name.removesuffix("_ms").partition("_")
    requests = [run.requests.get(kind, ()) for run in (sides.before[0], sides.after[0])]
    if share not in _SHARES or not all(requests):
        return open_
    factor = factor_of_percentiles(requests[0], requests[1], _SHARES[share], 1 - ERROR)
    warning = next((w for w in (percentile(r, _SHARES[share]).warning for r in requests) if w), "")
    words = f"{len(requests[0])} and {len(requests[1])} requests of one run each"
    return replace(open_, worse_by=_worse(factor, larger), stands_on=words, warning=warning)


def _of_runs(open_: Judged, old: Sequence[float], new: Sequence[float], larger: bool) -> Judged:
    """Return what several runs of both sides say; values that are not above 0 have no logarithm, but a mean that changes."""
    words = f"{len(old)} and {len(new)} runs"
    if len({*old, *new}) == 1:
        return replace(open_, worse_by=Factor(1.0, 1.0, 1.0, 1 - ERROR), stands_on=words)
    if min(*old, *new) > 0:
        return replace(open_, worse_by=_worse(factor_of_runs(old, new, 1 - ERROR), larger), stands_on=words)
    if open_.before == 0:
        return replace(open_, stands_on=f"{words}: the mean before is 0, and nothing is a factor of it")
    sign = -1.0 if larger else 1.0
    change = change_of_runs([sign * v for v in old], [sign * v for v in new], 1 - ERROR)
    return replace(open_, worse_by=change, stands_on=f"{words}, by the mean's change: a value is not above 0")


def _value(run: MeasuredRun, name: str) -> float | None:
    kind, _, share = name.removesuffix("_ms").partition("_")
    if name not in run.numbers and share in _SHARES and run.requests.get(kind):
        return percentile(run.requests[kind], _SHARES[share]).value
    return run.numbers.get(name)


def _failures(sides: _Sides) -> Judged | None:
    """Return whether requests surely fail more often (Fisher's exact test), where both sides count them."""
    table = [
        [
            sum(run.failed or 0 for run in side),
            sum(run.completed or 0 for run in side if run.failed is not None),
        ]
        for side in (sides.before, sides.after)
    ]
    if not all(map(sum, table)):
        return None
    old, new = (failed / (failed + completed) for failed, completed in table)
    surely = float(stats.fisher_exact(table[::-1], alternative="greater")[1]) < ERROR / 10  # pyright: ignore[reportArgumentType]: SciPy's result is a named pair
    words = " and ".join(f"{failed} of {failed + completed}" for failed, completed in table)
    return Judged(
        "failed" + sides.label, "FAIL" if surely else "PASS", old, new, None, f"{words} requests failed"
    )


def _answered(one: Judged, rules: GateRules, number: int) -> Judged:
    """Return the answer on one of ``number`` metrics."""
    if one.worse_by is None:
        return one
    most = 1 + rules.tolerance
    if one.worse_by.high <= most:
        return replace(one, answer="PASS")
    return replace(one, answer="FAIL") if _surely_above(one.worse_by, most, number) else one


def _surely_above(factor: Factor, most: float, number: int) -> bool:
    """Return whether the factor is above ``most`` even where one of ``number`` such claims may be wrong, on the scale of
    its own lower bound: the distance grows with the normal quantile."""
    if factor.low <= most:
        return False
    nominal, corrected = (float(stats.norm.isf(ERROR / k)) for k in (1, max(number, 1)))
    spread = (math.log(factor.value) - math.log(factor.low)) / nominal
    return math.log(factor.value) - corrected * spread > math.log(most)


def _overall(judged: Sequence[Judged]) -> tuple[Answer, str]:
    by_answer = {
        a: [one.metric for one in judged if one.answer == a] for a in ("FAIL", "INCONCLUSIVE", "PASS")
    }
    if by_answer["FAIL"]:
        return "FAIL", f"surely worse: {', '.join(by_answer['FAIL'])}"
    if by_answer["INCONCLUSIVE"]:
        return "INCONCLUSIVE", f"cannot be told: {', '.join(by_answer['INCONCLUSIVE'])}"
    metrics = [metric for metric in by_answer["PASS"] if not metric.startswith("failed")]
    if not metrics:
        return (
            "INCONCLUSIVE",
            "no metric has an interval: give several runs of each side, or files with every request",
        )
    return "PASS", f"surely not worse by more than the tolerance: {', '.join(metrics)}"


def _worse(factor: Factor, larger: bool) -> Factor:
    if not larger:
        return factor
    value, low, high = (1 / x if x > 0 else math.inf for x in (factor.value, factor.high, factor.low))
    return Factor(value, low, high, factor.level)


def _mean(values: Sequence[float]) -> float:
    """Return the geometric mean, or the usual one where a value is not above 0."""
    return statistics.geometric_mean(values) if min(values) > 0 else statistics.fmean(values)


def _finite(plain: Any) -> Any:  # Any: JSON values with infinities
    if isinstance(plain, dict):
        return {k: _finite(v) for k, v in plain.items()}
    if isinstance(plain, list | tuple):
        return [_finite(v) for v in plain]
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
