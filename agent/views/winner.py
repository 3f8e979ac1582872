"""Which trial a study recommends where that is not the best measured one, and what of it stands while a few parameters
are searched.

Knows how a protocol says it; what a neighbourhood is stands in ``surrogates/options/robust.py``.
"""

from typing import Protocol

import numpy as np

from ...evaluators.problems.history import History, Value
from ...evaluators.problems.problem import Problem
from ...surrogates.contracts import Engine
from ..errors import NoFeasibleTrial
from ..ledger.records import TrialRecord
from ..protocol import StudyProtocol, quantile_of
from .best import ranked

_MOST = 100
"""Candidates: the best measured ones."""


class Recommending(Protocol):
    """What choosing needs of a study."""

    problem: Problem
    protocol: StudyProtocol

    @property
    def trials(self) -> tuple[TrialRecord, ...]: ...  # noqa: D102
    @property
    def best_trial(self) -> TrialRecord: ...  # noqa: D102
    @property
    def winner(self) -> TrialRecord: ...  # noqa: D102
    def refresh(self) -> History: ...  # noqa: D102


def robust_trial(study: Recommending, engine: Engine) -> TrialRecord:
    """Return the feasible trial whose neighbourhood is believed to be best; the best one while too little is known to
    model. Deterministic: the same trials give the same winner. Raises as ``best_trial``."""
    from ...surrogates.options.robust import robust_values

    best, problem = study.best_trial, study.problem
    belief = engine.condition(study.refresh(), np.random.default_rng(0))
    if not belief.modelled:
        return best
    candidates = ranked(problem, study.trials)[:_MOST]
    params, quantile = [r.params for r in candidates], quantile_of(study.protocol.choose)
    worth = robust_values(belief, problem, params, np.random.default_rng(1), quantile=quantile)
    return candidates[int(worth.argmax())]


def standing_values(study: Recommending) -> dict[str, Value] | None:
    """Return what stands while the protocol's ``only`` parameters are searched: the values of the winner, or of the default
    where none is, of all others but those that depend on a searched one. None where all are searched."""
    if not study.protocol.only:
        return None
    try:
        params = study.winner.params
    except NoFeasibleTrial:
        params = study.problem.space.default()
    searched = set(study.protocol.only)
    for parameter in study.problem.space.parameters:  # parents stand before their children
        if searched & set(parameter.when or ()):
            searched.add(parameter.name)
    return {name: value for name, value in params.items() if name not in searched}
