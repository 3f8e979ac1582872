"""Errors of the problem side: what a caller stated wrongly, and an evaluation that failed."""

from typing import Literal

from ..serving.errors import InvalidInput, TrialogueError

FailureKind = Literal["crash", "timeout", "out_of_memory", "constraint", "invalid", "infrastructure", "lost"]
"""Why a trial has no measurement. ``infrastructure`` and ``lost`` (its process died) say nothing of the
configuration."""


class InvalidSpace(InvalidInput):
    """A search space breaks a rule (bounds, steps, choices, conditions, relations)."""


class InvalidParameters(InvalidInput):
    """Parameters that are not a point of the search space."""


class InvalidProblem(InvalidInput):
    """A problem breaks a rule (objectives, directions, constraints)."""


class InvalidMeasurement(InvalidInput):
    """A result that cannot be recorded (NaN, infinite, wrong length, unknown constraint)."""


class InvalidSpecification(InvalidInput):
    """A specification file (TOML or JSON) that cannot be read."""


class NotEstimated(InvalidInput):
    """A configuration, model or system that an estimator knows nothing of."""


class SpaceExhausted(TrialogueError):
    """Every configuration of a finite space has been tried or is running."""


class EvaluationFailed(TrialogueError):
    """An evaluation ended without a measurement; the trial ends failed and the study goes on."""

    def __init__(self, reason: str, *, kind: FailureKind = "crash") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind: FailureKind = kind
