"""What engineers already know of parameters by name (being written)."""

from ..evaluators.history import Proposal
from ..evaluators.problem import Problem


def warm_starts(problem: Problem) -> tuple[Proposal, ...]:
    """Return configurations worth trying first."""
    return ()


def notes(problem: Problem) -> str:
    """Return what is known of the problem's parameters, for a large model."""
    return ""
