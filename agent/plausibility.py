"""How plausible a planner's proposals are in hindsight, whether they were run or not. Costs no trial.

All that a planner ever proposed is looked at again with what is known now: a model that knows something keeps naming
points that look better than random ones, long before one of them is run; one that knows nothing does not. Measured on
24 problems after three trials (``docs/log.md``): expert 0.76, novice 0.64, random 0.53, liar 0.22, worst corner 0.06.
"""

from collections.abc import Sequence

import numpy as np

from ..evaluators.history import History, Proposal
from ..surrogates.contracts import Belief

_REFERENCE = 64
"""Random configurations to compare with."""
_PRIOR = 2.0
"""Proposals of an ordinary kind that are counted in beforehand."""
LATEST = 24
"""Proposals that are looked at again: older ones say little of what a model knows now."""


def plausibility(proposals: Sequence[Proposal], belief: Belief, history: History) -> float:
    """Return the share of random configurations that a proposal looks better than, in [0, 1]: by its posterior mean and
    by its acquisition value in equal parts; 0.5 where nothing is known."""
    if not proposals or not belief.modelled:
        return 0.5
    space = history.problem.space
    proposals = list({space.key(p.params): p for p in proposals}.values())
    drawn = belief.assess(space.sample(np.random.default_rng(0), _REFERENCE))
    looked = belief.assess([p.params for p in proposals[-LATEST:]])
    shares = [
        np.mean(
            np.array([key(a) for a in looked])[:, None] > np.array([key(r) for r in drawn])[None, :], axis=1
        )
        for key in (lambda a: a.z_mean, lambda a: a.log_acquisition)
    ]
    return float((np.mean(shares, axis=0).sum() + 0.5 * _PRIOR) / (len(looked) + _PRIOR))
