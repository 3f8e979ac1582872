"""Which trial is the one to beat, whether one that was measured once may still be better, and which changes it needs.

Values of a study and of one attempt in. With several objectives a trial may win where no other beats it in all of them.
Of configurations that are equal within the noise the one with the fewest changes from the default is the better one: each
flag is something to understand, to carry to the next version, and to be wrong elsewhere.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from ...evaluators.problems.history import Params
from ...evaluators.problems.problem import Constraint
from ..ledger.records import TrialRecord
from ..study.study import Study
from ..views.changes import changed
from .findings import values_of
from .measures import Measures

ERRORS = 3.0
"""Standard deviations that a result may be behind and still win."""
EQUAL = 0.05
"""Share of the objective that counts as equal at most, however noisy the machine is."""


def incumbent(study: Study) -> TrialRecord | None:
    """Return the best feasible trial by the first objective, None while there is none."""
    sign = float(study.problem.signs[0])
    feasible = [
        t
        for t in study.trials
        if t.measurement is not None and t.excluded is None and study.problem.feasible(t.measurement)
    ]
    return max(feasible, key=lambda t: sign * (t.values or (0.0,))[0], default=None)


def may_win(study: Study, measures: Measures, metrics: Mapping[str, float]) -> bool:
    """Return whether neither a limit nor the front of the feasible trials is out of reach of three standard errors."""
    slack = ERRORS * measures.noise
    if any(_out_of_reach(limit, metrics[limit.name], slack) for limit in measures.limits):
        return False
    return not any(_beaten(study, metrics, trial, slack) for trial in study.pareto_front)


def _out_of_reach(limit: Constraint, value: float, slack: float) -> bool:
    above = limit.upper is not None and value > limit.upper + slack * abs(limit.upper)
    return above or (limit.lower is not None and value < limit.lower - slack * abs(limit.lower))


def _beaten(study: Study, metrics: Mapping[str, float], by: TrialRecord, slack: float) -> bool:
    """Return whether a trial is clearly better in every objective."""
    pairs = zip(study.problem.objectives, by.values or (), strict=True)
    return all(
        metrics[o.name] <= best * (1 - slack)
        if o.direction == "maximize"
        else metrics[o.name] >= best * (1 + slack)
        for o, best in pairs
    )


def equal_share(measures: Measures) -> float:
    """Return the share of the objective by which two configurations may differ and count as equal: one standard error of
    the difference of two trials, at most ``EQUAL``."""
    return min(measures.noise * math.sqrt(2 / measures.plan.repeats), EQUAL)


def fewest_changes_first(
    ranked: Sequence[TrialRecord], worth: Sequence[float], default: Params, share: float
) -> list[TrialRecord]:
    """Return trials that are ranked best first with those that equal the best one ordered by their changes.

    ``worth``: of each trial, larger is better; ``share``: of the best one's worth that counts as equal. Where the default
    itself is the best it stays so, and where it only equals the best, that is for the verification to say.
    """
    if not ranked or not changed(ranked[0].params, default):
        return list(ranked)
    least = worth[0] - share * abs(worth[0])
    counts = [
        (i, len(changed(t.params, default)))
        for i, (t, w) in enumerate(zip(ranked, worth, strict=True))
        if w >= least
    ]
    first = [i for i, n in sorted(counts, key=lambda each: (each[1], each[0])) if n]
    return [ranked[i] for i in first] + [t for i, t in enumerate(ranked) if i not in first]


def next_ablation(study: Study, params: Params, needed: Collection[str]) -> tuple[str, Params] | None:
    """Return the change to take back next, and the configuration without it: the one believed to lose least; None where
    none is left, or just one change, which the comparison with the default tells of."""
    space, sign = study.problem.space, float(study.problem.signs[0])
    default = space.default()
    changes = changed(params, default)
    fewer = {n: {**params, n: default[n]} for n in changes if n not in needed}
    legal = {n: p for n, p in fewer.items() if space.satisfies(p)}
    if len(changes) < 2 or not legal:
        return None

    def worth(name: str) -> float:
        values = values_of(study, legal[name])
        believed = study.predict(legal[name])
        if values:
            return sign * sum(values) / len(values)
        return -math.inf if believed is None else sign * believed.mean[0]

    name = max(legal, key=worth)
    return name, legal[name]


def does_without(study: Study, fewer: Params, best: float, share: float) -> bool:
    """Return whether a configuration that was measured is feasible and equals ``best``, the objective of the one with
    more changes, up to ``share`` of it; False where it failed or was cut off."""
    sign = float(study.problem.signs[0])
    values = values_of(study, fewer, feasible=True)
    return bool(values) and sign * (best - sum(values) / len(values)) <= share * abs(best)
