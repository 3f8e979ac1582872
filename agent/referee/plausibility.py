"""How plausible a planner's proposals are in hindsight, whether they were run or not. Costs no trial.

All that a planner ever proposed is looked at again with what is known now: a model that knows something keeps naming
points that look better than random ones, long before one of them is run; one that knows nothing does not. A point looks as
good as half an sd below its posterior mean, so that far corners, of which nothing is known, do not look good. Measured
on 24 problems after four trials, medians (``docs/log.md``): expert 0.75, novice 0.61, random 0.53, liar 0.21, worst
corner 0.11; after nine 0.90, 0.68, 0.48, 0.19, 0.07.
"""

import math
from collections.abc import Sequence

import numpy as np

from ...evaluators.problems.history import History, Proposal
from ...surrogates.contracts import Assessment, Belief

_REFERENCE = 64
"""Random configurations to compare with."""
_PRIOR = 2.0
"""Proposals of an ordinary kind that are counted in beforehand."""
LATEST = 24
"""Proposals that are looked at again: older ones say little of what a model knows now."""


def plausibility(proposals: Sequence[Proposal], belief: Belief, history: History) -> float:
    """Return the share of random configurations that a proposal looks better than, in [0, 1]; 0.5 where nothing is
    known. Equal proposals count once."""
    if not proposals or not belief.modelled:
        return 0.5
    space, single = history.problem.space, len(history.problem.objectives) == 1
    proposals = list({space.key(p.params): p for p in proposals}.values())[-LATEST:]
    samples = space.sample(np.random.default_rng(0), _REFERENCE)
    assessed = belief.assess([*(p.params for p in proposals), *samples])
    looks = np.array([_look(a) if single else a.log_acquisition for a in assessed])
    ours, random = looks[: len(proposals)], looks[len(proposals) :]
    better = float((ours[:, None] > random[None, :]).mean(axis=1).sum())
    return (better + 0.5 * _PRIOR) / (len(proposals) + _PRIOR)


def _look(a: Assessment) -> float:
    """Return how good a configuration looks, in prior sds of the objective."""
    return a.z_mean - 0.5 * a.z_sd + math.log(max(a.prediction.p_feasible, 1e-3))
