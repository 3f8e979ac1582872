"""What an evaluator is told beside the parameters: a seed, data by name, a fidelity, a folder, and how to report progress.

Knows nothing of studies and pruners: whoever runs a trial passes the function that receives reports.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import InvalidMeasurement
from ..problems.stopping import TRACE, VALUE, StopRule, trace_of
from ..spaces.base import plain_number, shown, whole_number

Report = Callable[[int, float], bool]
"""Receives (step, value), returns whether to stop."""


MAX_STEP = 2**31 - 1
"""What every database keeps as an integer."""


def never_stop(step: int, value: float) -> bool:
    """Receive a report and let the evaluation go on."""
    return False


@dataclass(frozen=True)
class Run:
    """One evaluation. ``seed``: for everything random in it; ``data``: the name of what it is to use, "" where the study
    says nothing; ``fidelity``: in (0, 1], 1 is the full task.

    ``workdir``: a folder of this evaluation's own that exists; its owner is whoever made it. ``parameters``: all names
    of the search space, active or not (filled in by ``measure``). Not for several threads.
    """

    seed: int = 0
    data: str = ""
    fidelity: float = 1.0
    workdir: Path = Path()
    checkpoint: Path | None = None
    """The folder of the trial that this one goes on from (strategy ``"pbt"``); None: start anew."""
    self_tuning: bool = False
    """Whether the evaluator shall move its hyperparameters itself and say where they stand, as metrics ``tuned:NAME``
    (strategies ``"stn"`` and ``"differentiable"``)."""
    group: str = ""
    """The group whose error is asked for after training on ``samples`` of it, where a study splits data over groups."""
    samples: int = 0
    parameters: tuple[str, ...] = field(default=(), repr=False)
    on_report: Report = field(default=never_stop, repr=False)
    stops: tuple[StopRule, ...] = field(default=(), repr=False)
    """Rules that end the evaluation by what it reports."""
    reports: list[tuple[int, float]] = field(default_factory=list, repr=False, compare=False)
    """What was reported so far, in order."""
    _told: list[str] = field(default_factory=list, repr=False, compare=False)
    _compared: dict[str, dict[int, float]] = field(default_factory=dict, repr=False, compare=False)

    def report(self, step: int, value: float, **metrics: float) -> bool:
        """Report an intermediate value (in the unit of the first objective) and return whether to stop early.

        ``metrics``: other numbers, for the study's rules to stop by (``protocol.stop``); only those that a rule
        compares with other trials are kept. After True, return at once; what is returned then does not count. Raises
        InvalidMeasurement for a step that is no whole number and a value that is no number; NaN and infinities are reported as
        they are.
        """
        at, number = whole_number(step), _real(value)
        if at is None or not 0 <= at <= MAX_STEP:
            raise InvalidMeasurement(
                f"`step` must be a whole number from 0 to {MAX_STEP}, got {shown(step)}; count from 0."
            )
        if number is None:
            raise InvalidMeasurement(f"`value` must be a number, got {shown(value)}; report one at a time.")
        others = {name: _real(metric) for name, metric in metrics.items()}
        wrong = next((name for name, metric in others.items() if metric is None), None)
        if wrong is not None:
            raise InvalidMeasurement(f"metric {wrong!r} must be a number, got {shown(metrics[wrong])}.")
        self.reports.append((at, number))
        numbers = {VALUE: number} | {name: metric for name, metric in others.items() if metric is not None}
        for rule in self.stops:
            if rule.medians is not None and (compared := numbers.get(rule.limit.name)) is not None:
                self._compared.setdefault(rule.limit.name, {})[at] = compared
        broken = next(filter(None, (rule.broken(at, numbers) for rule in self.stops)), "")
        stop = bool(self.on_report(at, number)) or bool(broken)
        if stop:
            self._told.append(broken)
        return stop

    def unheard(self) -> "Run":
        """Return the same run with reports of its own that nobody hears."""
        return replace(self, on_report=never_stop, stops=(), reports=[], _told=[], _compared={})

    @property
    def traces(self) -> dict[str, str]:
        """What later trials are compared with, as metrics: reported numbers by step."""
        return {name + TRACE: trace_of(reported) for name, reported in self._compared.items()}

    @property
    def stop_requested(self) -> bool:
        """Whether a report was answered with True."""
        return bool(self._told)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of an evaluation that was told to stop: its last report (value NaN where that was none), and which rule was
    broken, "" where it was a pruner that said so."""

    step: int
    value: float
    why: str = ""

    @classmethod
    def after(cls, run: Run) -> "Stopped":
        """Return the end of ``run``: the last report that was a finite number, else the last one."""
        finite = [r for r in run.reports if math.isfinite(r[1])]
        return cls(*(finite or run.reports)[-1], next(filter(None, run._told), ""))


def _real(value: object) -> float | None:
    plain = plain_number(value)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return None
    try:
        return float(plain)
    except OverflowError:
        return None
