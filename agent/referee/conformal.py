"""The referee ``"conformal"``: proposals are kept if they are found better than the engine's trials of late, at a bounded
rate of false discoveries.

A proposal's null hypothesis is that its goodness is at most the median of the engine's latest trials, those that it
would stand in for; a failed trial is at most that. What is calibrated on is every trial of the study. The bound is exact
for proposals that are exchangeable with the trials (both drawn at random) and a threshold known beforehand. Trials are
chosen, by the engine and by this very rule, so in a study it is a heuristic. Sources: ``surrogates/options/conformal.py``.
"""

from dataclasses import dataclass

import numpy as np

from ...evaluators.problems.history import History
from ...prompts.selection import goodness
from ...surrogates.models.embedding import Embedding
from ...surrogates.options.conformal import Pruning, scores, selected
from ...surrogates.options.features import prior_kernel
from ..contracts import Case, Verdict
from .trust import is_planned

LENGTHS = (0.2, 0.45, 0.9)
"""Lengthscales of the models that are chosen among, times the root of the dimension."""

COMPARED = 8
"""Engine's latest trials whose median is the threshold."""

LATEST = 300
"""Trials that are calibrated on."""

FEWEST = 5


@dataclass(frozen=True)
class ConformalReferee:
    """``rate``: share of false discoveries among what is kept, at most. ``pruning``: how e-values that tie are broken."""

    rate: float = 0.2
    pruning: Pruning = "homogeneous"

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal, in order."""
        proposals, history, own = case.proposals, case.history, case.suggestion.assessment
        if not proposals:
            return ()
        if len(history.finished) < FEWEST or own is None or not case.belief.modelled:
            return tuple(Verdict(p, False, "too few trials to calibrate on") for p in proposals)
        Z, y, threshold = _calibration(history)
        embedding = Embedding(history.problem.space)
        at = embedding.embed(*history.problem.space.encode([p.params for p in proposals]))
        kernels = [prior_kernel(embedding, length) for length in LENGTHS]
        V, T = scores(kernels, Z, y, at, threshold)
        rng = np.random.default_rng(len(history))
        is_kept, p_values, _ = selected(V, y <= threshold, T, self.rate, pruning=self.pruning, rng=rng)
        assessed = case.belief.assess([p.params for p in proposals])
        rule = f"at a false-discovery rate of {self.rate:g} among {len(proposals)} proposals"
        return tuple(
            Verdict(
                p, bool(k), f"{'found' if k else 'not found'} better than the engine's trials of late: p = {v:.2f}, {rule}",
                own.log_acquisition - a.log_acquisition, a.prediction,
            )
            for p, k, a, v in zip(proposals, is_kept, assessed, p_values, strict=True)
        )  # fmt: skip


def _calibration(history: History) -> tuple[np.ndarray, np.ndarray, float]:
    """Return embedded rows (n, p) of the latest trials, their goodness (n,) and the threshold."""
    g = goodness(history)
    engines = g[[not is_planned(t.source) for t in history.finished]]
    threshold = float(np.median(engines[-COMPARED:] if len(engines) else g))
    lost = [i for i, t in enumerate(history.failed) if t.kind not in ("lost", "infrastructure")][-LATEST:]
    good, bad = history.rows("finished"), history.rows("failed")
    X = np.vstack([good.X[-LATEST:], bad.X[lost]])
    active = np.vstack([good.active[-LATEST:], bad.active[lost]])
    y = np.r_[g[-LATEST:], np.full(len(lost), threshold)]
    return Embedding(history.problem.space).embed(X, active), y, threshold
