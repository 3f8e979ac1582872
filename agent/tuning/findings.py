"""What a finished tuning teaches beyond its winner: effect of each knob, trade-offs, what did not work.

Values of a study in, values out. The effect of a knob is read along its own choices with all others at one
configuration: measured where that was tried, else the referee's belief with its interval.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluators.problems.history import Params, Value
from ...evaluators.problems.problem import Constraint
from ...evaluators.spaces.parameters import Categorical
from ..ledger.records import TrialRecord
from ..study.study import Study
from .plan import CUT_OFF

EARLIER = 3  # configurations of an earlier tuning that are tried first
WIDE = 1.645  # standard deviations: a 90 % interval
_BETTER_IS_LESS = ("ttft", "tpot", "itl", "e2e")


@dataclass(frozen=True, slots=True)
class Effect:
    """One choice of a knob. ``ratio``: objective over that of the reference configuration; ``low``, ``high``: 90 %;
    ``measured``: trials of exactly this configuration (0: only believed); ``note``: limits or failure, in words."""

    value: Value
    ratio: float
    low: float
    high: float
    measured: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A knob and what each of its choices does."""

    knob: str
    effects: tuple[Effect, ...]

    @property
    def span(self) -> float:
        """Largest over smallest ratio among the choices that did not fail, minus 1."""
        ratios = [e.ratio for e in self.effects if e.ratio > 0]
        return max(ratios) / min(ratios) - 1 if len(ratios) > 1 else 0.0


def study_name(engine: str) -> str:
    """Return the name of a tuning's study in its folder."""
    return engine.lower()


def feasible_by_belief(study: Study) -> tuple[list[TrialRecord], list[float]]:
    """Return the feasible trials, best first by what the surrogate makes of all results (a single one may be luck), and
    what each is worth, larger is better."""

    def worth(trial: TrialRecord) -> float:
        believed = study.predict(trial.params)
        return float(study.problem.signs[0]) * (
            believed.mean[0] if believed is not None else (trial.values or (0,))[0]
        )

    done = [t for t in ended(study) if t.measurement and study.problem.feasible(t.measurement)]
    ranked = sorted(((worth(t), t) for t in done), key=lambda each: each[0], reverse=True)
    return [t for _, t in ranked], [w for w, _ in ranked]


def nearly_feasible(study: Study, slack: float) -> list[TrialRecord]:
    """Return the trials that break limits by no more than this share of them, the nearest first, without the default."""

    def miss(trial: TrialRecord) -> float:
        assert trial.measurement is not None
        values = trial.measurement.constraints
        return max((_excess(c, values[c.name]) for c in study.problem.constraints), default=0.0)

    trials = [t for t in ended(study) if t.source != "default"]
    return sorted((t for t in trials if miss(t) <= slack), key=miss)


def ended(study: Study) -> list[TrialRecord]:
    """Return the trials that were measured to the end of their loads."""
    return [t for t in study.trials if t.measurement is not None and CUT_OFF not in t.measurement.metrics]


def _excess(limit: Constraint, value: float) -> float:
    """Return by which share of the limit a value breaks it, at most 0 where it does not."""
    over = -math.inf if limit.upper is None else (value - limit.upper) / max(abs(limit.upper), 1e-12)
    under = -math.inf if limit.lower is None else (limit.lower - value) / max(abs(limit.lower), 1e-12)
    return max(over, under)


def sensitivities(study: Study, at: Params) -> list[Sensitivity]:
    """Return every knob's effect around ``at``, the strongest first; empty while nothing can be modelled."""
    believed = study.predict(at)
    measured = values_of(study, at)
    if believed is None:
        return []
    centre = sum(measured) / len(measured) if measured else believed.mean[0]
    if not centre > 0:
        return []
    results = []
    for parameter in study.problem.space:
        if isinstance(parameter, Categorical):
            rows = [{**at, parameter.name: choice} for choice in parameter.choices]
            legal = [row for row in rows if study.problem.space.satisfies(row)]
            effects = tuple(_effect(study, row, parameter.name, centre) for row in legal)
            results.append(Sensitivity(parameter.name, effects))
    return sorted(results, key=lambda s: -s.span)


def ablation(study: Study, at: Params) -> list[tuple[str, Effect]]:
    """Return each change of ``at`` from the default with the effect of taking it back alone, the dearest first; empty
    while nothing can be modelled."""
    default, believed = study.problem.space.default(), study.predict(at)
    measured = values_of(study, at)
    if believed is None:
        return []
    centre = sum(measured) / len(measured) if measured else believed.mean[0]
    without = {n: {**at, n: default[n]} for n, v in at.items() if default.get(n) != v}
    legal = {n: p for n, p in without.items() if study.problem.space.satisfies(p)}
    if not centre > 0:
        return []
    effects = [(name, _effect(study, p, name, centre)) for name, p in legal.items()]
    sign = float(study.problem.signs[0])
    return sorted(effects, key=lambda each: sign * each[1].ratio)


def _effect(study: Study, params: Params, knob: str, centre: float) -> Effect:
    same = _same(study, params)
    failed = next((t.failure for t in same if t.failure is not None), None)
    if failed is not None:
        return Effect(params[knob], 0.0, 0.0, 0.0, len(same), f"failed: {failed.reason[:80]}")
    believed = study.predict(params)
    assert believed is not None
    values = values_of(study, params)
    mean = sum(values) / len(values) if values else believed.mean[0]
    half = WIDE * believed.sd[0]
    feasible = [t.measurement is not None and study.problem.feasible(t.measurement) for t in same if values]
    note = "" if not feasible or any(feasible) else "breaks a limit"
    if any(t.measurement is not None and CUT_OFF in t.measurement.metrics for t in same):
        note = "cut off: too slow"
    if not values and believed.p_feasible < 0.5:
        note = "probably breaks a limit or fails"
    return Effect(
        params[knob], mean / centre, (mean - half) / centre, (mean + half) / centre, len(values), note
    )


def _same(study: Study, params: Params) -> list[TrialRecord]:
    key = study.problem.space.key(params)
    return [t for t in study.trials if study.problem.space.key(t.params) == key]


def values_of(study: Study, params: Params, *, feasible: bool = False) -> list[float]:
    """Return what was measured of a configuration, with ``feasible`` where it met the limits; the bound of a load that was
    cut off is none."""
    key = study.problem.space.key(params)
    same = [t for t in ended(study) if t.value is not None and study.problem.space.key(t.params) == key]
    return [
        t.value
        for t in same
        if t.value is not None and (not feasible or (t.measurement and study.problem.feasible(t.measurement)))
    ]


def front(
    trials: Sequence[TrialRecord], objective: str, other: str, *, maximize: bool = True
) -> list[TrialRecord]:
    """Return the trials that no other beats in both the objective and the metric ``other``, best objective first."""
    sign = 1 if maximize else -1
    less = other.startswith(_BETTER_IS_LESS)
    rows = [
        (sign * t.measurement.metrics[objective], (-1 if less else 1) * t.measurement.metrics[other], t)
        for t in trials
        if t.measurement is not None and {objective, other} <= set(t.measurement.metrics)
    ]
    frontier: list[TrialRecord] = []
    reached = -math.inf
    for _, second, trial in sorted(rows, key=lambda r: (-r[0], -r[1])):
        if second > reached:
            frontier.append(trial)
            reached = second
    return frontier


def did_not_work(study: Study) -> list[str]:
    """Return, in words: what failed, with the choices that always did, and how often each limit was broken."""
    trials = study.trials
    lines = []
    for reason, group in _by_reason(trials).items():
        shared = _shared([t.params for t in group], [t.params for t in trials if t.state != "failed"])
        where = f" (every time with {shared})" if shared else ""
        lines.append(f"{len(group)} failed{where}: {reason}")
    broke: Counter[str] = Counter()
    done = ended(study)
    for t in done:
        assert t.measurement is not None
        values = t.measurement.constraints
        broke.update(c.name for c in study.problem.constraints if not c.holds(values[c.name]))
    lines += [
        f"{n} of {len(done)} measured trials broke the limit on {name}" for name, n in broke.most_common()
    ]
    cut = sum(t.measurement is not None for t in trials) - len(done)
    return lines + ([f"{cut} were cut off, too slow to win"] if cut else [])


def _by_reason(trials: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    groups: dict[str, list[TrialRecord]] = {}
    for t in trials:
        if t.failure is not None:
            groups.setdefault(t.failure.reason[:160], []).append(t)
    return groups


def _shared(failed: Sequence[Params], others: Sequence[Params]) -> str:
    """Return the choices that all failed configurations have and no other has."""
    first: Mapping[str, Value] = failed[0]
    common = [
        (n, v)
        for n, v in first.items()
        if all(p.get(n) == v for p in failed) and not any(p.get(n) == v for p in others)
    ]
    return ", ".join(f"{n}={v}" for n, v in common)


def earlier_best(
    folder: Path, context: Mapping[str, Any], engine: str = "vLLM"
) -> tuple[list[Mapping[str, Any]], str]:  # Any: JSON values
    """Return the best configurations of an earlier tuning, and in words what has changed since."""
    study = Study.load(study_name(engine), storage=f"sqlite:///{folder.absolute()}/study.db", reap=False)
    old = study.problem.context
    changed = [f"{k}: {old.get(k)!r} -> {v!r}" for k, v in context.items() if old.get(k) != v]
    sign = float(study.problem.signs[0])
    done = [t for t in ended(study) if t.measurement is not None and study.problem.feasible(t.measurement)]
    ranked = sorted(done, key=lambda t: -sign * (t.values or (0.0,))[0])
    return [t.params for t in ranked[:EARLIER]], "; ".join(changed)
