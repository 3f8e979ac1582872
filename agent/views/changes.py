"""How few of a configuration's changes from the default carry its gain, as a belief sees it.

A search moves every knob; most of what it moved may do nothing. From the configuration the change that is believed to lose
least is taken back, again and again, down to the default. Knows nothing of ledgers: a belief and a configuration in, the
path out.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...evaluators.problems.history import History, Params, Value
from ...evaluators.problems.problem import Problem
from ...evaluators.random_streams import stream
from ...surrogates.contracts import Belief, Engine

ENOUGH = 0.9
"""Share of the gain that counts as carrying it."""


@dataclass(frozen=True, slots=True)
class FewChanges:
    """The fewest changes that are believed to carry ``ENOUGH`` of the gain of a configuration over the default.

    ``needed``: parameter to value, the most worth first; ``others``: the rest. ``params``: the default with the needed ones.
    ``gain``: of the whole, ``kept``: of ``params``, both predicted, in the objective's unit and larger is better.
    """

    needed: Params
    others: Params
    params: Params
    gain: float
    kept: float

    def __str__(self) -> str:
        """Return it as one sentence; where the needed ones alone are believed to be better than all, they carry all."""
        share = "all" if self.kept >= 0.995 * self.gain else f"{self.kept / self.gain:.0%}"
        count = len(self.needed) + len(self.others)
        changes = ", ".join(f"{name} = {_shown(value)}" for name, value in self.needed.items())
        verb = "carries" if len(self.needed) == 1 else "carry"
        return (
            f"{len(self.needed)} of its {count} changes from the default {verb} {share} of the gain, "
            f"as the surrogate predicts: {changes}."
        )


def changed(params: Params, default: Params) -> list[str]:
    """Return the parameters in which a configuration differs from the default."""
    return [name for name, value in params.items() if default.get(name) != value]


def few_changes(history: History, engine: Engine, at: Params) -> FewChanges | None:
    """Return how few changes of ``at`` carry its predicted gain by the first objective; None where nothing is modelled,
    or nothing is believed to be gained by it. Fits the engine once, where anything was changed."""
    problem = history.problem
    needed = changed(at, with_changes(problem, at, ()))
    if not needed:
        return None
    belief = engine.condition(history, stream(0, len(history), "changes"))
    (gain,) = _gains(belief, problem, at, [needed]) if belief.modelled else (0.0,)
    if not gain > 0:
        return None
    gain_left, others = gain, dict[str, Value]()
    while True:
        fewer = [[n for n in needed if n != name] for name in needed]
        without = _gains(belief, problem, at, fewer)
        least = max(range(len(needed)), key=without.__getitem__)
        if without[least] < ENOUGH * gain:
            break
        others = {needed[least]: at[needed[least]], **others}
        needed, gain_left = fewer[least], without[least]
    dearest_first = {needed[i]: at[needed[i]] for i in sorted(range(len(needed)), key=without.__getitem__)}
    return FewChanges(dearest_first, others, with_changes(problem, at, needed), gain, gain_left)


def _gains(belief: Belief, problem: Problem, at: Params, sets: Sequence[Sequence[str]]) -> list[float]:
    """Return what each set of changes is believed to gain over none; -inf for one that the space does not allow."""
    rows = [with_changes(problem, at, names) for names in sets]
    legal = [problem.space.satisfies(p) for p in rows]
    sure = [with_changes(problem, at, ()), *itertools.compress(rows, legal)]
    base, *worth = [float(problem.signs[0]) * a.prediction.mean[0] for a in belief.assess(sure)]
    gains = iter(worth)
    return [next(gains) - base if ok else -math.inf for ok in legal]


def with_changes(problem: Problem, at: Params, names: Sequence[str]) -> Params:
    """Return the default with these parameters as in ``at``: what becomes inactive is dropped, what becomes active
    is as it usually is."""
    default = problem.space.default()
    if problem.fidelity is not None:  # how much of the task is done is no change
        default[problem.fidelity.name] = at[problem.fidelity.name]
    return problem.space.clip({**default, **{name: at[name] for name in names}})


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
