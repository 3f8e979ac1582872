"""Errors of the agent: studies, trials, budgets and the ledger. Their place in the tree: ``serving/errors.py``."""

from ..serving.errors import InvalidInput, TrialogueError


class StudyMismatch(InvalidInput):
    """A study of that name exists with another search space, objectives, constraints or seed."""


class StudyError(TrialogueError):
    """Root of what can go wrong with a well-formed request on a study."""


class StudyNotFound(StudyError, LookupError):
    """No study of that name in the ledger."""


class StudyUnreadable(StudyError):
    """The row of a study in the ledger says nothing that this version can read. ``reason``: which column, and why."""

    def __init__(self, message: str, name: str = "", reason: str = "", study_id: int = 0) -> None:
        super().__init__(message)
        self.name, self.reason, self.study_id = name, reason, study_id

    @classmethod
    def of(cls, name: str, reason: str, study_id: int) -> "StudyUnreadable":
        """Return the error for a study's row."""
        cure = "open it with the version that wrote it, restore a backup, or delete the study"
        return cls(f"the study {name!r} cannot be read: {reason}; {cure}.", name, reason, study_id)


class TrialNotFound(StudyError, LookupError):
    """No trial of that number in the study."""


class ResultConflict(StudyError):
    """A trial that already ended was told a different result; the first one stands."""


class NoFeasibleTrial(StudyError, ValueError):
    """No finished trial satisfies the constraints yet."""


class BudgetExhausted(StudyError):
    """The study has used its trials or seconds."""


class DailyBudgetSpent(StudyError):
    """A caller has used what it may use today. ``retry_after_s``: seconds until the next day (UTC)."""

    def __init__(self, message: str, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ExecutorBroken(StudyError):
    """The executor lost its workers; the trials they ran are failed as lost and ``run`` can be called with a new
    one."""


class LedgerUnavailable(StudyError):
    """The database cannot be opened, read or written; its operator must act. The message names the cure."""
