"""Problems to measure optimizers on: public functions, real scikit-learn tasks, conditional spaces, simulated systems, diverging trainings.

A third of them is never used while tuning the engine (``Case.unseen``).
"""

from .base import Case
from .branches import branching_cases
from .conditional import conditional_cases
from .diverging import diverging_cases
from .hyperparameters import hyperparameter_cases
from .limits import limited_cases
from .synthetic import synthetic_cases
from .systems import system_cases
from .wide import wide_hyperparameter_cases, wide_synthetic_cases

FAMILIES = ("hyperparameters", "synthetic", "conditional", "systems", "diverging")


def all_cases() -> list[Case]:
    """Return every case, in a fixed order."""
    return [
        *hyperparameter_cases(), *wide_hyperparameter_cases(), *synthetic_cases(), *wide_synthetic_cases(),
        *conditional_cases(), *branching_cases(), *system_cases(), *limited_cases(), *diverging_cases(),
    ]  # fmt: skip
