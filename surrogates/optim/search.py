"""Searching a mixed, conditional space for the best score.

Candidates: uniform over the space (so every branch has its share) and perturbations of good trials; the best
are improved by rounds of shrinking local moves (numbers jump by a step that shrinks, choices are redrawn), then
the continuous coordinates of the very best by L-BFGS. Knows nothing of models: a score is a function of
canonical rows.

Notation: X (n, d) canonical rows · active (n, d) bool · score (n,), larger is better.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ...evaluators.errors import SpaceExhausted
from ...evaluators.problems.history import Value
from ...evaluators.spaces.space import SearchSpace

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]

ENUMERATED = 3000
"""Finite spaces up to this size are scored completely."""

STEPS = (0.2, 0.1, 0.05, 0.025, 0.01)
"""Widths of the local moves, one round each, in the unit cube."""

KEPT, POLISHED = 5, 2
"""Rows that go from round to round, and how many of them are polished at the end."""


def keys(X: np.ndarray) -> list[bytes]:
    """Return one key per canonical row: equal exactly for the same configuration (to nine digits)."""
    rounded = np.round(np.ascontiguousarray(X), 9) + 0.0
    return [row.tobytes() for row in rounded]


@dataclass(frozen=True)
class Domain:
    """Where a search may go: the space, what is taken already, and the coordinates that are fixed."""

    space: SearchSpace
    taken: frozenset[bytes] | set[bytes]
    fixed: Mapping[str, Value]

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return up to n canonical rows, uniform, with the fixed values; possibly taken ones among them."""
        if not self.fixed:
            return self.space.sample_rows(rng, n)
        blocks: list[np.ndarray] = []
        for _ in range(20):
            X, _ = self.repair(self.space.sample_rows(rng, n))
            blocks.append(X)
            if sum(map(len, blocks)) >= n:
                break
        return np.vstack(blocks)[:n]

    def repair(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of X that are in the domain once snapped, canonical, and their mask of active
        coordinates."""
        if self.fixed:
            columns, values = self._pinned
            X = X.copy()
            X[:, columns] = values
        X, active = self.space.canonical(X)
        inside = self.space.satisfies_rows(X)
        if self.fixed:
            columns, values = self._pinned
            inside &= active[:, columns].all(axis=1) & (np.abs(X[:, columns] - values) < 1e-9).all(axis=1)
        return X[inside], active[inside]

    def untaken(self, X: np.ndarray) -> np.ndarray:
        """Return which rows are neither taken nor a repetition of an earlier row, (n,) bool."""
        earlier: set[bytes] = set()
        out = np.zeros(len(X), bool)
        for i, key in enumerate(keys(X)):
            out[i] = key not in self.taken and key not in earlier
            earlier.add(key)
        return out

    @property
    def _pinned(self) -> tuple[np.ndarray, np.ndarray]:
        names = list(self.fixed)
        columns = np.array([self.space.names.index(n) for n in names])
        values = [self.space[n].encode([self.fixed[n]])[0] for n in names]
        return columns, np.array(
            [self.space[n].snap(np.array([v]))[0] for n, v in zip(names, values, strict=True)]
        )


def candidates(
    domain: Domain, anchors: np.ndarray, rng: np.random.Generator, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return untaken candidate rows and their masks: all of a small space, else half uniform, half near the anchors.

    Raises SpaceExhausted when nothing is left.
    """
    size = domain.space.size
    if size is not None and size <= ENUMERATED:
        pool = next(iter(domain.space.enumerated(ENUMERATED)))
    else:
        pool = domain.draw(rng, n)
        if len(anchors):
            pool = np.vstack([pool, near(domain.space, anchors, rng, n)])
    X, active = domain.repair(pool)
    free = domain.untaken(X)
    if free.any():
        return X[free], active[free]
    return _last_resort(domain, rng)


def _last_resort(domain: Domain, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if domain.space.size is None:
        for _ in range(8):
            X, active = domain.repair(domain.space.sample_rows(rng, 4096))
            free = domain.untaken(X)
            if free.any():
                return X[free], active[free]
    else:
        for batch in domain.space.enumerated():
            X, active = domain.repair(batch)
            free = domain.untaken(X)
            if free.any():
                return X[free], active[free]
    fixed = f" with {dict(domain.fixed)!r}" if domain.fixed else ""
    raise SpaceExhausted(
        f"Every configuration{fixed} has been tried or is running ({len(domain.taken)} of them); "
        "widen the search space with `study.fork`, or stop."
    )


def box(
    space: SearchSpace,
    centre: np.ndarray,
    half: np.ndarray,
    rng: np.random.Generator,
    n: int,
    *,
    changed: int = 20,
) -> np.ndarray:
    """Return n rows of the box of half widths ``half`` (d,) around one row (d,), about ``changed`` coordinates moved in each;
    choices are redrawn."""
    d = len(space)
    change = rng.random((n, d)) < min(1.0, changed / d)
    change[np.arange(n), rng.integers(d, size=n)] = True
    uniform = rng.random((n, d))
    numbers = np.clip(centre + half * (2.0 * uniform - 1.0), 0.0, 1.0)
    return np.where(change, np.where(space.is_categorical, uniform, numbers), centre)


def near(space: SearchSpace, anchors: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n perturbed copies of the anchor rows: few or many coordinates change, by steps of every size."""
    d = len(space)
    X = anchors[rng.integers(len(anchors), size=n)].copy()
    share = np.where(rng.random(n) < 0.5, 1.5 / d, 0.7)
    change = rng.random((n, d)) < share[:, None]
    change[np.arange(n), rng.integers(d, size=n)] = True
    width = 10.0 ** rng.uniform(-2.0, -0.4, size=(n, 1))
    return _moved(space, X, change, width, rng)


def _moved(
    space: SearchSpace, X: np.ndarray, change: np.ndarray, width: np.ndarray | float, rng: np.random.Generator
) -> np.ndarray:
    levels = space.levels
    step = np.where(levels > 0, np.maximum(width, 1.0 / np.maximum(levels, 1)), width)
    rows = X + step * rng.standard_normal(X.shape)
    rows = np.abs(rows)
    rows = np.where(rows > 1.0, np.maximum(2.0 - rows, 0.0), rows)
    rows = np.where(space.is_categorical, rng.random(X.shape), rows)
    return np.where(change, rows, X)


def maximise(
    score: Score, domain: Domain, anchors: np.ndarray, rng: np.random.Generator, *,
    n: int = 500, region: np.ndarray | None = None, changed: int = 20,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Return the best untaken row (d,) found and its score. Raises SpaceExhausted when nothing is left."""
    X, active = candidates(domain, anchors, rng, n)
    values = score(X, active)
    size = domain.space.size
    if size is not None and size <= ENUMERATED:
        best = int(np.argmax(values))
        return X[best], float(values[best])
    if region is not None and len(anchors):
        X, active = domain.repair(box(domain.space, anchors[0], region, rng, 2 * n, changed=changed))
        free = domain.untaken(X)
        if free.any():
            X, active = X[free], active[free]
            values = score(X, active)
            best = int(np.argmax(values))
            x, value = _polish(score, domain, X[best], values[best], centre=anchors[0], half=region)
            return (x, value) if value > values[best] else (X[best], float(values[best]))
    X, values = _top(X, values)
    for width in STEPS:
        X, values = _round(score, domain, X, values, width, rng)
    for i in range(min(POLISHED, len(X))):
        x, value = _polish(score, domain, X[i], values[i])
        if value > values[i]:
            X[i], values[i] = x, value
    best = int(np.argmax(values))
    return X[best], float(values[best])


def _top(X: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best rows, no two closer than 0.05 in every coordinate as long as others are left."""
    order = np.argsort(-values)[: 20 * KEPT]
    rows: list[int] = []
    for i in order:
        if all(np.max(np.abs(X[i] - X[j])) > 0.05 for j in rows):
            rows.append(int(i))
        if len(rows) == KEPT:
            break
    return X[rows].copy(), values[rows].copy()


def _round(
    score: Score, domain: Domain, X: np.ndarray, values: np.ndarray, width: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    copies, d = 24, X.shape[1]
    owner = np.repeat(np.arange(len(X)), copies)
    change = rng.random((len(owner), d)) < max(1.0 / d, 0.4)
    change[np.arange(len(owner)), rng.integers(d, size=len(owner))] = True
    neighbours = _moved(domain.space, X[owner], change, width, rng)
    neighbours, active = domain.repair(neighbours)
    free = domain.untaken(neighbours)
    if not free.any():
        return X, values
    neighbours, active = neighbours[free], active[free]
    both = np.vstack([X, neighbours])
    scores = np.r_[values, score(neighbours, active)]
    return _top(both, scores) if width > 0.04 else _closest(both, scores, X)


def _closest(both: np.ndarray, scores: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each former row, the best row around it."""
    distance = np.max(np.abs(both[:, None, :] - X[None, :, :]), axis=2)
    owner = np.argmin(distance, axis=1)
    places = [int(np.flatnonzero(owner == i)[np.argmax(scores[owner == i])]) for i in range(len(X))]
    places = sorted(set(places), key=lambda i: -scores[i])[:KEPT]
    return both[places].copy(), scores[places].copy()


def _polish(
    score: Score,
    domain: Domain,
    x: np.ndarray,
    value: float,
    *,
    centre: np.ndarray | None = None,
    half: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """Improve the active continuous coordinates of x by L-BFGS, all differences of one step scored at once."""
    space = domain.space
    _, active = space.canonical(x[None, :])
    fixed = np.isin(space.names, list(domain.fixed)) if domain.fixed else np.zeros(len(space), bool)
    free = np.flatnonzero((space.levels == 0) & active[0] & ~fixed)
    if centre is not None:
        point = np.flatnonzero(x != centre)
        free = np.intersect1d(free, point)
    if len(free) == 0 or len(free) > 30:
        return x, value
    low, high = np.zeros(len(free)), np.ones(len(free))
    if centre is not None and half is not None:
        low, high = np.maximum(centre - half, 0.0)[free], np.minimum(centre + half, 1.0)[free]
    h = 1e-5

    def objective(u: np.ndarray) -> tuple[float, np.ndarray]:
        X = np.repeat(x[None, :], len(free) + 1, axis=0)
        X[:, free] = u
        sign = np.where(u > 0.5, -1.0, 1.0)
        X[np.arange(1, len(free) + 1), free] += h * sign
        values = score(X, np.repeat(active, len(X), axis=0))
        return -float(values[0]), -(values[1:] - values[0]) / (h * sign)

    optimum = minimize(
        objective,
        x[free],
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": 15},
    )
    point = x.copy()
    point[free] = optimum.x
    X, mask = domain.repair(point[None, :])
    if len(X) == 0 or not domain.untaken(X)[0]:
        return x, value
    return X[0], float(score(X, mask)[0])
