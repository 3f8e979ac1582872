"""How good studies become in random subspaces of rising dimension, and the smallest that is nearly as good as the whole.

Source: Li et al. 2018, as in ``surrogates/options/subspace.py``: d90 reaches nine tenths of the full score. The score here is
what a study gains over its first trial, the default, in the mean over seeds.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...evaluators.problems.measurement import Measurement
from ..study_files.study_file import Specification
from ..study_files.tables import BudgetTable, EngineTable

NEARLY = 0.9


def dimensions(D: int) -> list[int]:
    """Return the dimensions that are tried below D: 1, 2, 4, … and D itself."""
    return [*(2**i for i in range(D.bit_length()) if 2**i < D), D]


def gain(stated: Specification, d: int, trials: int, seeds: Sequence[int]) -> float:
    """Return the mean gain of the best trial over the first, in a subspace of d dimensions or, with all, in the space."""
    engine = stated.settings.engine or EngineTable()
    whole = d >= len(stated.problem.space)
    gains = []
    for seed in seeds:
        changed = {
            "seed": seed,
            "strategy": "surrogate",
            "planner": None,
            "budget": BudgetTable(trials=trials),
            "engine": engine.model_copy(update={"subspace": None if whole else d}),
        }
        settings = stated.settings.model_copy(update=changed)
        with replace(stated, name=f"{stated.name}-{d}-{seed}", settings=settings).open(None) as study:
            study.run(stated.evaluate, n_trials=trials)
            sign = float(stated.problem.signs[0])
            values = [
                sign * t.ending.value
                for t in study.trials
                if isinstance(t.ending, Measurement) and study.problem.feasible(t.ending)
            ]
        gains.append(max(values) - values[0] if values else 0.0)
    return float(np.mean(gains))


def smallest(gains: dict[int, float]) -> int | None:
    """Return d90: the smallest dimension whose gain is nine tenths of the largest dimension's; None where that gained
    nothing."""
    full = gains[max(gains)]
    return min(d for d, value in gains.items() if value >= NEARLY * full) if full > 0 else None
