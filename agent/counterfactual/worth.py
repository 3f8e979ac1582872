"""Two studies side by side, one with a planner and the same one without: what the planner was worth, as numbers and in words.

Knows nothing of how the second study was made (``replay.py``).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ..contracts import Spent
from ..ledger.records import TrialRecord
from ..views.best import ranked

_CHECKPOINTS = (5, 10, 20, 30, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Checkpoint:
    """The best feasible value after so many ``trials``, with the planner and without; None where there is none yet."""

    trials: int
    best: float | None
    best_without: float | None


@dataclass(frozen=True)
class Counterfactual:
    """What a planner was worth in ``study``.

    ``best``, ``best_without``: best feasible value after each trial, by number, in the objective's unit; None before the
    first. ``proposed``: numbers of the trials that the planner proposed. ``differs_from``: the first trial in which the
    studies ran different configurations, None if there is none. ``trials``: those of the study without the planner;
    fewer than the study's where a finite space was used up.
    """

    study: str
    objective: str
    maximize: bool
    best: tuple[float | None, ...]
    best_without: tuple[float | None, ...]
    proposed: tuple[int, ...]
    differs_from: int | None
    spent: Spent
    trials: tuple[TrialRecord, ...]

    @property
    def gain(self) -> float | None:
        """By how much the best at the end is better than without the planner, in the objective's unit; negative is worse.

        None where either study found nothing feasible.
        """
        best, without = _last(self.best), _last(self.best_without)
        if best is None or without is None:
            return None
        return best - without if self.maximize else without - best

    @property
    def exact(self) -> bool:
        """Whether the studies are the same up to the planner's first trial, as they must be where nothing else differs."""
        return self.differs_from is None or (bool(self.proposed) and self.proposed[0] <= self.differs_from)

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The studies after 5, 10, 20, … trials and at the end."""
        n = len(self.best)
        counts = [*(t for t in _CHECKPOINTS if t < n), n]
        return tuple(Checkpoint(t, self.best[t - 1], _at(self.best_without, t)) for t in counts if t)

    def __str__(self) -> str:
        lines = [self._outcome(), self._race(), self._effort()]
        if not self.exact:
            lines.append(
                f"Not exact: the studies differ from trial {self.differs_from} on, before any proposal was run. Parameters "
                "were fixed, several processes decided at once, the planner's rules led the surrogate, or another version or "
                "strategy decided."
            )
        return " ".join(line for line in lines if line)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        plain = {k: v for k, v in vars(self).items() if k not in ("spent", "trials")}
        worth = {"gain": self.gain, "exact": self.exact, "text": str(self), "spent": asdict(self.spent)}
        return plain | worth | {"trials": [t.to_dict() for t in self.trials]}

    def _outcome(self) -> str:
        best, without = _last(self.best), _last(self.best_without)
        after = f"Best {self.objective} after {len(self.best)} trials"
        if best is None or without is None:
            with_it, without_it = ("nothing feasible" if v is None else f"{v:.6g}" for v in (best, without))
            return f"{after}: {with_it} with the planner, {without_it} without it."
        gain = self.gain or 0.0
        comparison = (
            "it made no difference at the end"
            if not gain
            else f"it {'gained' if gain > 0 else 'lost'} {abs(gain):.4g}"
        )
        return f"{after}: {best:.6g} with the planner, {without:.6g} without it; {comparison}."

    def _race(self) -> str:
        """Say after how many trials each study had what both reached."""
        best, without = _last(self.best), _last(self.best_without)
        if best is None or without is None:
            return ""
        common = min(best, without) if self.maximize else max(best, without)
        here, there = (_reached(row, common, self.maximize) for row in (self.best, self.best_without))
        return f"{common:.6g} was reached after {here} trials with the planner and after {there} without it."

    def _effort(self) -> str:
        s = self.spent
        first = f", the first as trial {self.proposed[0]}" if self.proposed else ""
        return f"{len(self.proposed)} of its proposals were run{first}, for {s.calls} calls and {s.tokens} tokens."


def incumbents(problem: Problem, records: Sequence[TrialRecord]) -> tuple[float | None, ...]:
    """Return the best feasible value of the first objective after each trial, by number; excluded trials do not count, nor
    those that did less of the task than another."""
    sign = float(problem.signs[0])
    whole = {record.number for record in ranked(problem, records)}
    best: float | None = None
    bests: list[float | None] = []
    for record in sorted(records, key=lambda r: r.number):
        ending = record.ending
        if isinstance(ending, Measurement) and record.number in whole:
            best = ending.value if best is None or sign * ending.value > sign * best else best
        bests.append(best)
    return tuple(bests)


def _last(row: Sequence[float | None]) -> float | None:
    return row[-1] if row else None


def _at(row: Sequence[float | None], trials: int) -> float | None:
    return row[min(trials, len(row)) - 1] if row else None


def _reached(row: Sequence[float | None], value: float, maximize: bool) -> int:
    """Return after how many trials a row had ``value`` or better."""
    return 1 + next(
        i for i, v in enumerate(row) if v is not None and (v >= value if maximize else v <= value)
    )
