"""Test the winner of a study on seeds and data that its search has not seen.

A configuration is measured once: the same test again reads what is there. The study that is tested stays as it is.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from ...evaluators.errors import EvaluationFailed
from ...evaluators.programs.call import Evaluate
from ...serving.errors import InvalidInput
from ..budget import Budget
from ..certainty.held_out import SOURCE, HeldOutScore, held_out_scores, tests_of
from ..ledger.ledger import StoredStudy
from ..ledger.records import Failure, TrialRecord
from .create import StudyOptions, create_or_resume
from .verify import Verifiable


class Testable(Verifiable, Protocol):
    """What testing needs of a study."""

    stored: StoredStudy

    def trial(self, number: int) -> TrialRecord: ...  # noqa: D102


def test(study: Testable, evaluate: Evaluate, number: int | None, options: Mapping[str, Any]) -> HeldOutScore:
    """Return the score of a trial (None: the winner) on the test part, measured where it was not yet.

    Raises InvalidInput for a study that has no test part or a trial without a result, NoFeasibleTrial, StudyMismatch.
    """
    if not study.protocol.has_test:
        raise InvalidInput(
            f"study {study.name!r} has nothing that its search does not see; give it test seeds, such as [protocol] "
            "seeds = { tuning = [0, 1, 2], test = [100, 101, 102] }."
        )
    record = study.winner if number is None else study.trial(number)
    if record.values is None:
        raise InvalidInput(f"only a trial with a result can be tested, got trial {record.number}.")
    settings = StudyOptions(strategy="random", budget=Budget(trials=0), protocol=study.protocol.tested)
    tests = create_or_resume(study.ledger, tests_of(study.name), study.problem, study.seed, settings)
    opened = study.load(tests.stored.name, storage=study.ledger)
    key = study.problem.space.key(record.params)
    if not any(study.problem.space.key(t.params) == key and _counts(t) for t in opened.trials):
        opened.enqueue(record.params, reason=f"trial {record.number} of {study.name!r}", source=SOURCE)
        opened.budget = Budget()
        opened.run(evaluate, study.ledger.heads(tests.stored.study_id).queued, **options)
    for score in reversed(held_out_scores(study.ledger, study.stored)):
        if score.trial == record.number or study.problem.space.key(study.trial(score.trial).params) == key:
            return score
    raise EvaluationFailed(f"trial {record.number} was not measured: {opened.trials[-1].failure}")


def _counts(record: TrialRecord) -> bool:
    """Whether a test ended with something to say: lost ones are made again."""
    lost = isinstance(record.ending, Failure) and record.ending.kind in ("lost", "infrastructure")
    return record.ending is not None and record.excluded is None and not lost
