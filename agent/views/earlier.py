"""What earlier studies of a ledger measured, for one that learns from them."""

from collections.abc import Sequence

from ...evaluators.problems.history import History
from ...serving.errors import InvalidInput
from ...surrogates.options.multitask import EarlierStudy
from ..ledger.ledger import Ledger, StoredStudy
from ..ledger.records import finished_of


def earlier_studies(ledger: Ledger, study: StoredStudy, names: Sequence[str]) -> tuple[EarlierStudy, ...]:
    """Return the studies of these names with the trials that had ended when ``study`` was made, so that it decides the same
    when it is resumed. Excluded trials are left out. Raises StudyNotFound."""
    studies = []
    for name in names:
        stored = ledger.find(name)
        records = [
            r
            for r in ledger.records(stored)
            if r.excluded is None and r.ended_at is not None and r.ended_at <= study.created_at
        ]
        studies.append(EarlierStudy(name, History(stored.problem).extended(finished=finished_of(records))))
    return tuple(studies)


def check_names(ledger: Ledger, study_name: str, names: Sequence[str]) -> None:
    """Raise StudyNotFound for a study that is not there, InvalidInput for one that is to learn from itself."""
    for name in names:
        if name == study_name:
            raise InvalidInput(
                f"`engine.transfer` names earlier studies, got this one, {name!r}; leave it out."
            )
        ledger.find(name)
