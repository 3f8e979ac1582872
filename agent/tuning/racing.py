"""Racing: which trial is the one to beat, and whether a configuration that was measured once may still be better.

Values of a study and of one attempt in. With several objectives a trial may win where no other beats it in all of them.
"""

from collections.abc import Mapping

from ...evaluators.problems.problem import Constraint
from ..ledger.records import TrialRecord
from ..study.study import Study
from .measures import Measures

ERRORS = 3.0
"""Standard deviations that a result may be behind and still win."""


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
