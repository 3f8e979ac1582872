"""Random results of random problems for round trips: every part of a Measurement, names that could be mistaken."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from contracts.spaces import hostile_spaces
from hypothesis import strategies as st

from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Constraint, Objective, Problem

Results = tuple[Problem, list[tuple[dict[str, Any], Measurement]]]

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.sampled_from(["loss", "x", "state", "number", "why", "objective", "sem:loss", "é, ü", "metric:x"])
METRIC_NAMES = st.one_of(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))


def typed(value: Any) -> Any:
    """Return a value with the types of all that it holds, so that 1, 1.0 and True differ."""
    if isinstance(value, Mapping):
        return {k: typed(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(typed(v) for v in value)
    return (type(value).__name__, value)


@st.composite
def results(draw: st.DrawFn) -> Results:
    """A problem and results of it."""
    space = draw(hostile_spaces())
    objectives = [Objective(n) for n in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))]
    limits = [Constraint(n, upper=1) for n in draw(st.lists(NAMES, max_size=2, unique=True))]
    problem = Problem("p", space, objectives, limits)
    rows = []
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    for params in space.sample(rng, draw(st.integers(1, 3))):
        sem = [draw(st.floats(0, 1e300)) for _ in objectives] if draw(st.booleans()) else None
        kinds = st.one_of(NUMBERS, st.integers(), st.booleans(), TEXTS, st.none())
        metrics: Any = draw(st.dictionaries(METRIC_NAMES, kinds))
        found = Measurement(
            [draw(NUMBERS) for _ in objectives],
            sem,
            constraints={c.name: draw(NUMBERS) for c in limits},
            metrics=metrics,
            seconds=draw(st.none() | st.floats(0, allow_infinity=False)),
            cost=draw(st.none() | NUMBERS),
        )
        rows.append((params, found))
    return problem, rows
