"""What a verification says: a change, none, or that it is not over; in words and as data.

Limits and failures count through the pairs: a run that failed or broke a limit loses to any that did not. An evaluator
that repeats itself to the last digit needs no statistics: three pairs that give the values of the search again decide.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...evaluators.problems.history import History
from ...evaluators.problems.problem import Problem
from ...evaluators.statistics.paired import Judgement, PairedGain, judged, paired_gain
from ...evaluators.statistics.percentiles import Percentile, percentile
from ...serving.errors import InvalidInput
from .pairing import Pairing, better_by_pair, runs_of

Recommended = Literal["change", "no change", "open"]
_REPEATS = 3
"""Pairs after which an evaluator is taken to repeat itself exactly, where every value was that of the search again."""


@dataclass(frozen=True, slots=True)
class Certified:
    """The outcome of a verification. ``runs``: (candidate, baseline) of each pair, infinite where one failed or broke a
    limit. ``searched``: the gain that the search showed, on the scale of ``gain``; it includes the luck of the pick."""

    pairing: Pairing
    recommendation: Recommended
    reason: str
    gain: PairedGain | None = None
    searched: float | None = None
    runs: tuple[tuple[float, float], ...] = ()

    def __str__(self) -> str:
        """Return the outcome as one sentence."""
        words = {"change": "change recommended", "no change": "no change recommended", "open": "undecided"}
        return f"{self.pairing.candidate} against {self.pairing.baseline}: {words[self.recommendation]}; {self.reason}"

    def percentile(self, share: float) -> tuple[Percentile, Percentile]:
        """Return a percentile of the runs of the candidate and of the baseline, with bounds that know their number."""
        if not self.runs:
            raise InvalidInput(f"no pair of {self.pairing.name!r} is complete yet: nothing has a percentile.")
        candidate, baseline = zip(*self.runs, strict=True)
        return percentile(candidate, share), percentile(baseline, share)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data; what is infinite is null."""
        gain = None if self.gain is None else {k: _plain(v) for k, v in asdict(self.gain).items()}
        return {
            "verification": self.pairing.name,
            "study": self.pairing.study,
            "candidate": asdict(self.pairing.candidate),
            "baseline": asdict(self.pairing.baseline),
            "recommendation": self.recommendation,
            "reason": self.reason,
            "text": str(self),
            "pairing": self.pairing.to_text(),
            "gain": gain,
            "searched": _plain(self.searched),
            "pairs": len(self.runs),
            "until": self.pairing.until,
            "runs": [{"candidate": _plain(c), "baseline": _plain(b)} for c, b in self.runs],
        }


def certified(history: History, pairing: Pairing) -> Certified:
    """Return what the runs of a verification say so far."""
    problem = history.problem
    pairs = runs_of(history, pairing).pairs
    judgement = judgement_of(pairs, problem, pairing)
    d = better_by_pair(pairs, problem, pairing)
    gain = paired_gain(d, pairing.plan, pairing.scale) if pairs else None
    recommended: Recommended = {"better": "change", "not better": "no change", "open": "open"}[judgement]  # pyright: ignore[reportAssignmentType]
    reason = _reason(judgement, gain, pairs, problem, pairing)
    return Certified(pairing, recommended, reason, gain, searched_gain(problem, pairing), tuple(pairs))


def judgement_of(pairs: Sequence[tuple[float, float]], problem: Problem, pairing: Pairing) -> Judgement:
    """Return whether the candidate is better, is not, or more pairs are needed."""
    d = better_by_pair(pairs, problem, pairing)
    if _repeats_itself(pairs, pairing):
        return "better" if d[0] > max(pairing.shift, 0.0) else "not better"
    return judged(d, pairing.plan, least=pairing.shift, until=pairing.until)


def searched_gain(problem: Problem, pairing: Pairing) -> float | None:
    """Return the gain that the search showed, or None where one side was never run there."""
    c, b = pairing.candidate.searched, pairing.baseline.searched
    if c is None or b is None:
        return None
    (d,) = better_by_pair([(c, b)], problem, pairing)
    return math.exp(d) if pairing.scale == "ratio" else d


def _repeats_itself(pairs: Sequence[tuple[float, float]], pairing: Pairing) -> bool:
    searched = (pairing.candidate.searched, pairing.baseline.searched)
    return len(pairs) >= _REPEATS and None not in searched and set(pairs) == {searched}


def _reason(
    judgement: Judgement,
    gain: PairedGain | None,
    pairs: Sequence[tuple[float, float]],
    problem: Problem,
    pairing: Pairing,
) -> str:
    if gain is None:
        return f"0 of {pairing.until} pairs are run"
    if all(math.isinf(value) for pair in pairs for value in pair):
        return f"nothing was compared: all {len(pairs)} runs of each side failed or broke a limit"
    name = problem.objectives[pairing.objective].name
    words = f"{name} {gain}{_bad_runs(pairs)}"
    if _repeats_itself(pairs, pairing):
        return f"every run gave the values of the search again: {words}"
    if judgement == "open":
        return f"{len(pairs)} of {pairing.until} pairs are run: {words}"
    if judgement == "better":
        return f"surely better: {words}"
    neutral = 1.0 if pairing.scale == "ratio" else 0.0
    if gain.high < neutral:
        return f"surely worse: {words}"
    bound = "within the noise" if pairing.least == neutral else f"not surely above {pairing.least:g}"
    return f"the difference is {bound}: {words}"


def _bad_runs(pairs: Sequence[tuple[float, float]]) -> str:
    counts = [sum(math.isinf(side) for side in sides) for sides in zip(*pairs, strict=True)]
    if not any(counts):
        return ""
    return f"; failed or broke a limit: {counts[0]} runs of the candidate, {counts[1]} of the baseline"


def _plain(value: Any) -> Any:  # Any: a number or a text
    return None if isinstance(value, float) and not math.isfinite(value) else value
