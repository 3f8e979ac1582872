"""What an evaluator may return, and the Measurement it means.

A number; a sequence with one number per objective; a Measurement; or a mapping: ``value`` or ``values`` or each
objective by its name, limits by their name (one on an objective is measured by its value), anything else numeric as a
metric. ``{"failed": "reason"}`` is a failure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import EvaluationFailed, FailureKind, InvalidMeasurement
from ..problems.measurement import Measurement
from ..problems.problem import Problem
from ..spaces.base import plain_number, shown

_KINDS: tuple[FailureKind, ...] = (
    "crash",
    "timeout",
    "out_of_memory",
    "constraint",
    "invalid",
    "infrastructure",
    "lost",
)


def measurement_of(result: object, problem: Problem) -> Measurement:
    """Return the measurement that ``result`` means, checked against the problem.

    Raises EvaluationFailed for a reported failure, InvalidMeasurement for anything that is no result.
    """
    measurement = problem.check(_measurement(result, problem))
    missing = problem.unmeasured(measurement)
    if missing:  # an evaluator forgot them; nobody could say which of its trials are feasible
        raise InvalidMeasurement(
            f"An evaluator must measure each constraint, {missing[0]!r} is missing; "
            f"return Measurement(value, constraints={{{missing[0]!r}: …}})."
        )
    return measurement


def _measurement(result: object, problem: Problem) -> Measurement:
    if isinstance(result, Measurement):
        return result
    if isinstance(result, Mapping):
        return _from_mapping(result, problem)
    if result is None:
        raise InvalidMeasurement("An evaluator must return its result, got None; is a `return` missing?")
    if isinstance(result, Sequence) and not isinstance(result, str | bytes):
        return Measurement(tuple(result))
    return Measurement(result)  # pyright: ignore[reportArgumentType]  # refused there when no number


def _from_mapping(result: Mapping[Any, Any], problem: Problem) -> Measurement:
    if "failed" in result:
        kind = result.get("kind", "crash")
        raise EvaluationFailed(
            str(result["failed"]) or "no reason given", kind=kind if kind in _KINDS else "crash"
        )
    rest = dict(result)
    values = _values(rest, problem)
    constraints = _numbers_in(rest, "constraints")
    objectives = {o.name for o in problem.objectives}
    limits = [c.name for c in problem.constraints if c.name not in objectives]
    constraints |= {name: rest.pop(name) for name in limits if name in rest}
    metrics = _numbers_in(rest, "metrics")
    sem, seconds, cost = rest.pop("sem", None), rest.pop("seconds", None), rest.pop("cost", None)
    for name, value in rest.items():
        plain = plain_number(value)
        if isinstance(plain, int | float) and not isinstance(plain, bool):
            metrics[str(name)] = plain
    return Measurement(values, sem, constraints=constraints, metrics=metrics, seconds=seconds, cost=cost)


def _numbers_in(rest: dict[Any, Any], key: str) -> dict[str, Any]:
    """Take the table of that name out of ``rest``; an empty one where there is none."""
    table = rest.pop(key, None)
    if table is not None and not isinstance(table, Mapping):
        raise InvalidMeasurement(f"`{key}` must map names to numbers, got {shown(table)}.")
    return dict(table or {})


def _values(rest: dict[Any, Any], problem: Problem) -> Any:
    """Take the objective values out of ``rest``."""
    for key in ("values", "value"):
        if key in rest:
            return rest.pop(key)
    names = [o.name for o in problem.objectives]
    missing = [n for n in names if n not in rest]
    if missing:
        raise InvalidMeasurement(
            f"A result needs `value`, `values` or each objective by name; {missing[0]!r} is missing, got {shown(rest, 300)}."
        )
    return tuple(rest.pop(n) for n in names)


def with_seconds(measurement: Measurement, seconds: float) -> Measurement:
    """Return the measurement with its duration, unless it states one."""
    if measurement.seconds is not None:
        return measurement
    return Measurement(
        measurement.values,
        measurement.sem,
        constraints=measurement.constraints,
        metrics=measurement.metrics,
        seconds=seconds,
        cost=measurement.cost,
    )
