"""What the winner of a study is worth on seeds and data that the search has not seen, and by how much tuning flattered it.

The measurements are trials of a study of their own, ``NAME-test`` in the same ledger; each tested configuration is one
trial there. Knows nothing of who runs them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ..ledger.ledger import Ledger, StoredStudy
from ..ledger.records import Failure, TrialRecord
from ..protocol import StudyProtocol

SOURCE = "test"
"""The source of a trial that is measured on the test part."""
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class HeldOutScore:
    """The first objective of one trial on the test part: ``score``, None where a run failed (``failure`` says why), and
    ``low``, ``high``: its 95 % interval over unseen seeds, None with one run. ``tuned``: what tuning showed; ``optimism``:
    by how much that is better, in the objective's unit, negative where the test is better. ``order``: how many
    configurations of the study were tested before it."""

    trial: int
    objective: str
    instances: tuple[str, ...]
    tuned: float
    score: float | None = None
    low: float | None = None
    high: float | None = None
    optimism: float | None = None
    failure: str = ""
    order: int = 0

    def __str__(self) -> str:
        """Return it as one sentence."""
        on = f"{len(self.instances)} unseen ({'; '.join(self.instances[:4])}{'; …' * (len(self.instances) > 4)})"
        if self.score is None:
            return f"Trial {self.trial} on {on}: failed, {self.failure}."
        interval = "one run, no interval" if self.low is None else f"95 % [{self.low:.4g}, {self.high:.4g}]"
        flattered = f"tuning showed {self.tuned:.4g}, an optimism of {self.optimism:.2g}"
        later = (
            f" It is configuration {self.order + 1} that was tested: the best of several is flattered again."
        )
        return (
            f"Trial {self.trial} on {on}: {self.objective} {self.score:.4g}, {interval}; {flattered}."
            f"{later if self.order else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "text": str(self),
            "instances": list(self.instances),
        }


def tests_of(study: str) -> str:
    """Return the name of the study in which winners of a study are tested."""
    return f"{study}-test"


def held_out_scores(ledger: Ledger, stored: StoredStudy) -> list[HeldOutScore]:
    """Return what was tested of a study, in the order of the tests; nothing where nothing was."""
    name = tests_of(stored.name)
    if not ledger.has(name):
        return []
    tests = ledger.find(name)
    own = {stored.problem.space.key(r.params): r for r in ledger.records(stored) if r.values is not None}
    records = [r for r in ledger.records(tests) if r.source == SOURCE and r.excluded is None]
    return list(_scores(stored.problem, StudyProtocol.stored(tests.config), own, records))


def _scores(
    problem: Problem, protocol: StudyProtocol, own: dict[str, TrialRecord], tests: Iterable[TrialRecord]
) -> Iterable[HeldOutScore]:
    instances, reports, scored = (
        protocol.instances("tuning"),
        tuple(map(str, protocol.instances("tuning"))),
        set[str](),
    )
    for record in tests:
        key = problem.space.key(record.params)
        if key not in own or not isinstance(record.ending, Measurement | Failure):
            continue
        tuned, order, objective = own[key], len(scored - {key}), problem.objectives[0].name
        scored.add(key)
        assert tuned.values is not None
        if isinstance(record.ending, Failure):
            reason = record.ending.reason
            yield HeldOutScore(tuned.number, objective, reports, tuned.values[0], failure=reason, order=order)
            continue
        score, sign = record.ending.value, float(problem.signs[0])
        data = len({i.data for i in instances})
        low, high = _interval(record.ending, len(instances) - data)
        optimism = sign * (tuned.values[0] - score)
        yield HeldOutScore(
            tuned.number, objective, reports, tuned.values[0], score, low, high, optimism, order=order
        )


def _interval(measured: Measurement, freedom: int) -> tuple[float | None, float | None]:
    """Return the interval of the mean; ``freedom``: degrees of freedom of its standard error, 0 where it is the
    evaluator's own."""
    if measured.sem is None:
        return None, None
    upper = (1 + _LEVEL) / 2
    times = float(stdtrit(freedom, upper) if freedom > 0 else ndtri(upper))
    half = times * measured.sem[0]
    return float(np.float64(measured.value) - half), measured.value + half
