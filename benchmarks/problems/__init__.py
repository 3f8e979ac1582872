"""Problems to measure optimizers on: public functions, real scikit-learn tasks, conditional spaces, simulated systems.

A third of them is never used while tuning the engine (``Case.unseen``).
"""

from .base import Case
from .conditional import conditional_cases
from .hyperparameters import hyperparameter_cases
from .synthetic import synthetic_cases
from .systems import system_cases

FAMILIES = ("hyperparameters", "synthetic", "conditional", "systems")


def all_cases() -> list[Case]:
    """Return every case, in a fixed order."""
    return [*hyperparameter_cases(), *synthetic_cases(), *conditional_cases(), *system_cases()]
