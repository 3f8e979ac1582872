"""What a measurement is made on: seeds and data by name; and one configuration measured on several of them.

A result on several instances is their mean. Its standard error is that of the mean over seeds, within each data set: how
data sets differ is the same for every configuration and no noise. Knows nothing of studies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import EvaluationFailed
from ..problems.measurement import Measurement
from ..problems.problem import Problem
from .call import Evaluate, measure
from .run import Run, Stopped


@dataclass(frozen=True, slots=True)
class Instance:
    """One seed (None: the trial's own) and one data set by name ("": whatever the evaluator takes)."""

    seed: int | None = None
    data: str = ""

    def __str__(self) -> str:
        """Return it in words.

        >>> str(Instance(3)), str(Instance(3, "2024")), str(Instance(None, "2024"))
        ('seed 3', '2024, seed 3', '2024')
        """
        seed = () if self.seed is None else (f"seed {self.seed}",)
        return ", ".join((*((self.data,) if self.data else ()), *seed))

    def of(self, run: Run) -> Run:
        """Return the run on this instance."""
        return replace(run, seed=run.seed if self.seed is None else self.seed, data=self.data)

    def apart(self, run: Run) -> Run:
        """Return the run on this instance, one of several: in a folder of its own, and its reports are not heard."""
        name = str(self).replace(", ", "-").replace(" ", "-").replace("/", "-")
        folder = run.workdir / name
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = None if run.checkpoint is None else run.checkpoint / name
        return replace(self.of(run).unheard(), workdir=folder, checkpoint=checkpoint)


def measure_on(
    instances: Sequence[Instance], evaluate: Evaluate, params: Mapping[str, Any], problem: Problem, run: Run
) -> Measurement | Stopped:
    """Return the mean measurement of ``params`` over the instances, or what ``measure`` returns on the only one.

    The running mean is reported after each but the last, so that a pruner may stop between them; what the evaluator
    itself reports on several is not heard. Raises EvaluationFailed, which names the instance.
    """
    if len(instances) <= 1:
        return measure(evaluate, params, problem, instances[0].of(run) if instances else run)
    measured: list[Measurement] = []
    for number, instance in enumerate(instances, 1):
        try:
            result = measure(evaluate, params, problem, instance.apart(run))
        except EvaluationFailed as failure:
            raise EvaluationFailed(f"on {instance}: {failure.reason}", kind=failure.kind) from failure
        assert isinstance(result, Measurement)
        measured.append(result)
        mean = float(np.mean([m.value for m in measured]))
        if number < len(instances) and run.report(number, mean):
            return Stopped.after(run)
    return _mean(instances, measured, problem)


def metric_of(objective: str, instance: Instance) -> str:
    """Return the name of the metric that keeps an objective's value on one of several instances."""
    return f"{objective} on {instance}"


def _mean(instances: Sequence[Instance], measured: Sequence[Measurement], problem: Problem) -> Measurement:
    values = np.array([m.values for m in measured])
    shared = set.intersection(*(set(m.metrics) for m in measured))
    metrics = {name: _number([m.metrics[name] for m in measured]) for name in sorted(shared)}
    for row, instance in zip(values.tolist(), instances, strict=True):
        metrics |= {metric_of(o.name, instance): v for o, v in zip(problem.objectives, row, strict=True)}
    limits = {c.name: float(np.mean([m.constraints[c.name] for m in measured])) for c in problem.constraints}
    costs = [m.cost for m in measured if m.cost is not None]
    return Measurement(
        values.mean(axis=0).tolist(),
        _standard_error(values, instances),
        constraints=limits,
        metrics={name: value for name, value in metrics.items() if value is not None},
        seconds=sum(m.seconds or 0.0 for m in measured),
        cost=sum(costs) if len(costs) == len(measured) else None,
    )


def _number(values: Sequence[object]) -> float | None:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return float(np.mean(numbers)) if len(numbers) == len(values) else None


def _standard_error(values: np.ndarray, instances: Sequence[Instance]) -> list[float] | None:
    """Return the standard error of the mean over seeds, values (n, m); None where each data set has one seed."""
    data = np.array([i.data for i in instances])
    groups = [values[data == name] for name in dict.fromkeys(data.tolist())]
    if min(len(group) for group in groups) < 2:
        return None
    variances = [group.var(axis=0, ddof=1) / len(group) for group in groups]
    return np.sqrt(np.sum(variances, axis=0) / len(groups) ** 2).tolist()
