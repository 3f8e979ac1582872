"""Energy of an evaluation, for problems that name ``energy_j`` among their objectives or limits.

Read from the counters of this machine before and after (``serving/servers/helpers/energy.py``): all that runs on it
counts, so run nothing else, and one evaluation at a time. An evaluator that states ``energy_j`` itself is believed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ...serving.servers.helpers.energy import between, joules
from ..errors import EvaluationFailed, InvalidMeasurement
from ..problems.measurement import Measurement
from ..problems.problem import Problem
from .results import measurement_of

ENERGY = "energy_j"
"""Joules of one evaluation."""
Counters = Callable[[], list[tuple[float, float | None]]]


class EnergyMeter:
    """Counts joules from its making on. ``counters``: returns (joules, range or None) of each device."""

    def __init__(self, counters: Counters = joules) -> None:
        self._counters, self._before = counters, counters()

    def measurement(self, result: object, problem: Problem) -> Measurement:
        """Return what ``result`` means; where it states no energy, with that so far, which is its cost then too.

        Raises EvaluationFailed where neither the evaluator nor the machine tells, and as ``measurement_of``.
        """
        try:
            return measurement_of(result, problem)
        except InvalidMeasurement:
            if isinstance(result, Mapping) and ENERGY in result:
                raise
        if isinstance(result, Mapping):
            used = self._used()
            return measurement_of({"cost": used} | dict(result) | {ENERGY: used}, problem)
        return _with_energy(measurement_of(result, _without_energy(problem)), self._used(), problem)

    def _used(self) -> float:
        used = between(self._before, self._counters())
        if used is None:
            raise EvaluationFailed(
                f"`{ENERGY}` must be measured, but this machine shows no energy counter (NVML, or "
                "/sys/class/powercap, which mostly only root may read); return it from the evaluator, or leave it out.",
                kind="infrastructure",
            )
        return used


def wants_energy(problem: Problem) -> bool:
    """Return whether a problem names ``energy_j``."""
    return ENERGY in {aim.name for aim in (*problem.objectives, *problem.constraints)}


def _without_energy(problem: Problem) -> Problem:
    return Problem(
        problem.name,
        problem.space,
        [o for o in problem.objectives if o.name != ENERGY] or None,
        [c for c in problem.constraints if c.name != ENERGY],
    )


def _with_energy(measured: Measurement, used: float, problem: Problem) -> Measurement:
    values: list[Any] = list(measured.values)
    sem = None if measured.sem is None else list(measured.sem)
    for at, objective in enumerate(problem.objectives):
        if objective.name == ENERGY:
            values.insert(at, used)
            if sem is not None:
                sem.insert(at, 0.0)
    cost = used if measured.cost is None else measured.cost
    limits, metrics = measured.constraints, {**measured.metrics, ENERGY: used}
    return problem.check(
        Measurement(values, sem, constraints=limits, metrics=metrics, seconds=measured.seconds, cost=cost)
    )
