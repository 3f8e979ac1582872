"""A data card of trials as data to learn from: how many, how different, how much of the space, how useful, how real.

The four questions are those of DATED (guidelines for synthetic data of engineering design, arXiv 2305.09018): size,
diversity, utility, realism. The measures are ours and have a scale: an effective number, a share beside that of random
points, a rank correlation on held-out trials, and how well a classifier tells the trials from a reference. Knows nothing of
where trials are kept.
"""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..evaluators.errors import InvalidProblem
from ..evaluators.problems.history import History

CELLS = 5
"""Intervals of a number's range, for coverage."""
_LENGTH = 0.2
"""Distance, in the scaled range of a number, at which two values are as good as different (similarity 1/e)."""
_FOLDS = 5
_MOST = 1000
"""Rows that are compared with each other."""
_LEAST = 20
"""Finished trials below which nothing is learnt from them."""


@dataclass(frozen=True, slots=True)
class DataCard:
    """``diversity``: effective number of different configurations, between 1 and ``trials``. ``coverage``: share of the
    cells of all pairs of parameters that hold a trial; ``coverage_random``: of as many random ones. ``utility``: rank
    correlation of held-out results with what a model trained on the others predicts. ``realism``: 1 where a classifier
    cannot tell the trials from those of a reference, 0 where it always can. None: too few trials, or no reference.
    """

    name: str
    parameters: int
    trials: int
    finished: int
    failed: int
    diversity: float
    coverage: float
    coverage_random: float
    utility: float | None = None
    realism: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return asdict(self)


def data_card(history: History, reference: History | None = None) -> DataCard:
    """Return the card of a study's trials (its ``refresh()``). Deterministic. Raises InvalidProblem for a reference of
    other parameters."""
    problem = history.problem
    kinds = [history.rows(kind).X for kind in ("finished", "failed", "pruned")]
    X = np.vstack(kinds)
    rng = np.random.default_rng(0)
    random = problem.space.sample_rows(rng, max(1, len(X)))
    levels = _levels(history)
    return DataCard(
        problem.name,
        len(problem.space),
        len(X),
        len(history.finished),
        len(history.failed),
        _effective_number(X[_some(len(X), rng)], problem.space.is_categorical),
        _coverage(X, levels),
        _coverage(random, levels),
        _utility(history),
        None if reference is None else _realism(history, reference),
    )


def _some(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(n)[:_MOST]


def _effective_number(X: np.ndarray, categorical: np.ndarray) -> float:
    """Return the Vendi score of rows X (n, d): the exponential of the entropy of the eigenvalues of their similarities."""
    if not len(X):
        return 0.0
    K = np.zeros((len(X), len(X)))
    for column, is_categorical in zip(X.T, categorical, strict=True):
        apart = np.abs(column[:, None] - column)
        K += (apart < 1e-9) if is_categorical else np.exp(-apart / _LENGTH)
    eigenvalues = np.linalg.eigvalsh(K / K[0, 0] / len(X))
    p = eigenvalues[eigenvalues > 1e-12]
    return float(np.exp(-np.sum(p * np.log(p))))


def _levels(history: History) -> np.ndarray:
    """Return how many cells each parameter has: its choices or values, at most ``CELLS`` for a number."""
    space = history.problem.space
    counts = np.where(space.levels > 0, space.levels, CELLS)
    return np.where(space.is_categorical, counts, np.minimum(counts, CELLS)).astype(int)


def _coverage(X: np.ndarray, levels: np.ndarray) -> float:
    """Return the mean share of cells that hold a row, over pairs of columns (one column: of its own cells)."""
    cells = np.minimum((X * levels).astype(int), levels - 1)
    pairs = list(itertools.combinations(range(len(levels)), 2)) or [(0,)]
    shares = [len(np.unique(cells[:, pair], axis=0)) / np.prod(levels[list(pair)]) for pair in pairs]
    return float(np.mean(shares))


def _utility(history: History) -> float | None:
    """Return Spearman's correlation of the first objective with a random forest's predictions, each from four fifths."""
    from scipy.stats import spearmanr
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    X, y = history.rows("finished").X, history.Y[:, 0]
    if len(y) < _LEAST or np.ptp(y) == 0:
        return None
    ranks = np.argsort(np.argsort(y))  # a few far worse results would decide the splits of a tree
    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(RandomForestRegressor(50, random_state=0), X, ranks, cv=folds)
    correlation: Any = spearmanr(predicted, y)  # Any: scipy's result is not typed
    return float(correlation.statistic)


def _realism(history: History, reference: History) -> float | None:
    """Return 2 (1 - balanced accuracy) of a classifier that tells trials from the reference's, within [0, 1]."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    if history.problem.space.names != reference.problem.space.names:
        raise InvalidProblem(
            f"a reference must have the parameters of {history.problem.name!r}, got {reference.problem.name!r} with "
            f"{', '.join(reference.problem.space.names)}."
        )
    parts = [np.column_stack([h.rows("finished").X, h.Y[:, 0]]) for h in (history, reference)]
    if min(map(len, parts)) < _LEAST:
        return None
    labels = np.repeat([0, 1], [len(part) for part in parts])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    forest = RandomForestClassifier(50, class_weight="balanced", random_state=0)
    accuracy = cross_val_score(forest, np.vstack(parts), labels, cv=folds, scoring="balanced_accuracy").mean()
    return float(np.clip(2 * (1 - accuracy), 0.0, 1.0))
