"""Where a rule that came true speaks against the engine's next point: the best point that it does not speak against.

The point is shown to the engine as failed, and the engine asked again, a few times. What it finds is run instead if its
acquisition value, times the probability that the first point is fine after all, is no less: the rule's weight, learnt from
outcomes (``agent/planner/rules.py``), enters the acquisition function like a probability of being feasible.
"""

import math
from dataclasses import replace

import numpy as np

from ...evaluators.problems.history import FailedTrial
from ...surrogates.contracts import Belief, Engine, Suggestion
from ..contracts import AbstractRules, Ask

_DETOURS = 6
"""Times that the engine is asked again."""


def detour(
    rules: AbstractRules,
    engine: Engine,
    ask: Ask,
    belief: Belief,
    first: Suggestion,
    rng: np.random.Generator,
) -> Suggestion:
    """Return ``first``, or what is run in its place."""
    history = ask.history
    doubt, rule = rules.doubt(first.params, history)
    if not doubt:
        return first
    kind = history.failed[-1].kind if history.failed else "crash"
    warned, other = history, first
    for _ in range(_DETOURS):
        warned = warned.extended(failed=[FailedTrial(-1, other.params, kind, rule)])
        (other,) = engine.condition(warned, rng).suggest(1, rng, fixed=ask.fixed)
        if not rules.doubt(other.params, history)[0]:
            return _better(first, other, belief, doubt, rule)
    return first


def _better(first: Suggestion, other: Suggestion, belief: Belief, doubt: float, rule: str) -> Suggestion:
    """Return ``other``, as the engine's own belief sees it, unless the first is better for all the doubt."""
    reason = f"{other.reason}; not the largest, because a rule that came true says that it fails: {rule}"
    if first.assessment is None or not belief.modelled:
        return replace(other, reason=reason)
    (assessment,) = belief.assess([other.params])
    gap = first.assessment.log_acquisition - assessment.log_acquisition
    if gap > -math.log1p(-doubt):
        return first
    return replace(other, reason=reason, assessment=assessment)
