"""Splits of data that ask for more than interpolation: by similarity, and by time.

Source of the first: Zhan et al. 2022, Evaluating interpolation and extrapolation performance of neural retrieval models
(arXiv 2204.11447): queries are clustered in five, and each cluster is tested by what was trained on the others. By time:
what is tested comes after all that is trained on. Each split is a list of (training rows, test rows). Knows no models.
"""

import numpy as np

from .errors import InvalidSpecification

Split = list[tuple[np.ndarray, np.ndarray]]


def by_similarity(X: np.ndarray, parts: int = 5, seed: int = 0) -> Split:
    """Return ``parts`` splits of the rows of X (n, d), each testing one cluster (k-means of standardized columns)."""
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    _check(parts, len(X))
    clusters = KMeans(parts, n_init="auto", random_state=seed).fit_predict(StandardScaler().fit_transform(X))
    rows = np.arange(len(X))
    return [(rows[clusters != k], rows[clusters == k]) for k in range(parts)]


def by_time(times: np.ndarray, parts: int = 5) -> Split:
    """Return ``parts`` splits of rows with these times (n,): the first of parts + 1 equal spans is only trained on, each
    later one is tested by what was trained on all before it. Rows of one time may stand on both sides."""
    _check(parts + 1, len(times))
    spans = np.array_split(np.argsort(times, kind="stable"), parts + 1)
    return [(np.concatenate(spans[:k]), spans[k]) for k in range(1, parts + 1)]


def _check(parts: int, rows: int) -> None:
    if not 2 <= parts <= rows:
        raise InvalidSpecification(
            f"`parts` must be at least 2 and at most the number of rows, {rows}, got {parts!r}."
        )
