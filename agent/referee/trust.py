"""How far a planner is trusted, learnt from what came of its proposals. Knows nothing of models or prompts.

The counterfactual is empirical: a planner's trial is scored by how many of the surrogate's own trials around it, in
the order of the study, it beats: by its value, and by how much it improved on the best trial before it, whichever says
less. "Did it improve on the best?" alone would be the wrong question, its base rate falls with every trial; its value
alone would reward a planner that repeats the best with small changes. The score is free of scale, and several objectives
or constraints enter through ``prompts.selection.goodness``.
"""

from dataclasses import dataclass

import numpy as np

from ...evaluators.problems.history import History
from ...prompts.selection import goodness

_NEIGHBOURS = 4
"""Surrogate's trials that a planner's trial is compared with: the nearest in order, before and after."""

_DECAY = 0.9
"""Weight of a score per planner's trial that came later: a model that was right about warm starts may be wrong
later."""

_LATEST = 60
"""Planner's trials that are scored: earlier ones weigh less than 0.002, and long studies stay cheap."""


@dataclass(frozen=True)
class Trust:
    """``mean``: expected share of the surrogate's trials that the planner's next one beats, in (0, 1); ``trials``:
    scored."""

    mean: float
    trials: int
    last: float = 0.5


def is_planned(source: str) -> bool:
    """Whether a trial's source is a planner."""
    return source.startswith("planner")


def trust_in_planner(history: History, *, prior: float = 0.5) -> Trust:
    """Return the trust after ``history``: a Beta posterior with decaying weights, whose prior has mean ``prior`` and
    weighs two trials.

    A failed trial of the planner scores 0. Without any trial of the surrogate to compare with, a trial is not scored.
    """
    g = goodness(history)
    numbers = np.array([t.number for t in history.finished])
    planned = np.array([is_planned(t.source) for t in history.finished], bool)
    recent = np.flatnonzero(planned)[-_LATEST:].tolist()
    gains = _improvements(g)
    scores = [
        (int(numbers[i]), min(_score(i, values, numbers, planned) for values in (g, gains))) for i in recent
    ]
    scores += [
        (t.number, 0.0)
        for t in history.failed[-1_000:]
        if is_planned(t.source) and t.kind not in ("lost", "infrastructure")
    ]
    latest = [s for _, s in sorted(scores) if s == s][-_LATEST:]
    weights = _DECAY ** np.arange(len(latest))[::-1]
    wins = 2 * prior + (float(weights @ np.array(latest)) if latest else 0.0)
    return Trust(wins / (2 + float(weights.sum())), len(latest), latest[-1] if latest else 0.5)


def _improvements(g: np.ndarray) -> np.ndarray:
    """Return by how much each trial improved on the best one before it; 0 for the first."""
    if not len(g):
        return g
    best = np.maximum.accumulate(g)
    return np.maximum(0.0, g - np.r_[g[0], best[:-1]])


def _score(i: int, g: np.ndarray, numbers: np.ndarray, planned: np.ndarray) -> float:
    others = np.flatnonzero(~planned)
    if not len(others):
        return float("nan")
    nearest = others[np.argsort(np.abs(numbers[others] - numbers[i]), kind="stable")[:_NEIGHBOURS]]
    return float(np.mean((g[i] > g[nearest]) + 0.5 * (g[i] == g[nearest])))
