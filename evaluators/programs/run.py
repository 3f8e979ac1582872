"""What an evaluator is told beside the parameters: a seed, a fidelity, a folder, and how to report progress.

Knows nothing of studies and pruners: whoever runs a trial passes the function that receives reports.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InvalidMeasurement

Report = Callable[[int, float], bool]
"""Receives (step, value), returns whether to stop."""


def never_stop(step: int, value: float) -> bool:
    """Receive a report and let the evaluation go on."""
    return False


@dataclass(frozen=True)
class Run:
    """One evaluation. ``seed``: for everything random in it; ``fidelity``: in (0, 1], 1 is the full task.

    ``workdir``: a folder of this evaluation's own that exists; its owner is whoever made it. ``parameters``: all names
    of the search space, active or not (filled in by ``measure``). Not for several threads.
    """

    seed: int = 0
    fidelity: float = 1.0
    workdir: Path = Path()
    parameters: tuple[str, ...] = field(default=(), repr=False)
    on_report: Report = field(default=never_stop, repr=False)
    reports: list[tuple[int, float]] = field(default_factory=list, repr=False, compare=False)
    """What was reported so far, in order."""
    _told: list[bool] = field(default_factory=list, repr=False, compare=False)

    def report(self, step: int, value: float) -> bool:
        """Report an intermediate value (in the unit of the first objective) and return whether to stop early.

        After True, return at once; what is returned then does not count. Raises InvalidMeasurement for a step that
        is no whole number and a value that is no number; NaN is reported as it is.
        """
        if isinstance(step, bool) or step != int(step) or step < 0:
            raise InvalidMeasurement(f"`step` must be a whole number >= 0, got {step!r}.")
        if isinstance(value, bool | str) or not hasattr(value, "__float__"):
            raise InvalidMeasurement(f"`value` must be a number, got {value!r}.")
        self.reports.append((int(step), float(value)))
        stop = bool(self.on_report(int(step), float(value)))
        if stop:
            self._told.append(True)
        return stop

    @property
    def stop_requested(self) -> bool:
        """Whether a report was answered with True."""
        return bool(self._told)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of an evaluation that was told to stop: its last report (value NaN where that was none)."""

    step: int
    value: float

    @classmethod
    def after(cls, run: Run) -> "Stopped":
        """Return the end of ``run``: the last report that was a finite number, else the last one."""
        finite = [r for r in run.reports if math.isfinite(r[1])]
        return cls(*(finite or run.reports)[-1])
