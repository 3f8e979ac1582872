"""Which 320 rows of a long history to train on: sensitivity sampling against uniform, the latest, and ours.

    python benchmarks/coresets.py

2,000 rows of an optimizer-like history (half uniform, half drawn ever closer to the best so far); the Gaussian
process is fitted to the chosen rows. Printed: root mean squared error in units of the standard deviation of y,
over the whole space and over the best tenth of 2,000 fresh points near the incumbent, medians over functions
and seeds.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from problems.synthetic import synthetic_cases

from trialogue.surrogates.models.coreset import MOST, TrainingRows, choose_rows
from trialogue.surrogates.models.embedding import Embedding
from trialogue.surrogates.models.outcome import Settings, fit_outcome
from trialogue.surrogates.optim.search import near
from trialogue.surrogates.options.features import prior_kernel
from trialogue.surrogates.options.sensitivity import coreset


def choose(
    rule: str, X: np.ndarray, Z: np.ndarray, y: np.ndarray, embedding: Embedding, rng: np.random.Generator
) -> TrainingRows:
    n = len(y)
    if rule == "sensitivity":
        return coreset(prior_kernel(embedding, Settings().length), Z, int(np.argmax(y)), MOST, rng)
    if rule == "ours":
        return TrainingRows(choose_rows(X, y, y, rng))
    latest = np.arange(n - MOST, n)
    return TrainingRows(latest if rule == "latest" else np.sort(rng.choice(n, MOST, replace=False)))


def main() -> None:
    errors: dict[str, list[tuple[float, float]]] = {}
    for case in synthetic_cases()[:6]:
        space, embedding = case.problem.space, Embedding(case.problem.space)
        for seed in range(1):
            rng = np.random.default_rng(seed)

            def f(X: np.ndarray) -> np.ndarray:
                return -np.array([case.evaluate(p).value for p in space.decode(X)])  # noqa: B023

            X = space.sample_rows(rng, 1000)
            for _ in range(10):
                best = X[np.argsort(-f(X))[:10]]
                X = np.vstack([X, space.canonical(near(space, best, rng, 100))[0]])
            X, active = space.canonical(X)
            y = f(X)
            spread = y.std()
            wide = space.sample_rows(rng, 1000)
            close = space.canonical(near(space, X[np.argsort(-y)[:10]], rng, 2000))[0]
            close = close[np.argsort(-f(close))[:200]]
            for rule in ("ours", "sensitivity", "uniform", "latest"):
                drawn = np.random.default_rng(seed)
                chosen = choose(rule, X, embedding.embed(X, active), y, embedding, drawn)
                rows = chosen.rows
                sem = chosen.standard_errors(np.full(len(rows), np.nan), y[rows], Settings().noise)
                Z = embedding.embed(X[rows], active[rows])
                model = fit_outcome(
                    embedding.squared_distances(Z), Z, embedding.group, y[rows], sem,
                    warm=None, settings=Settings(), rng=np.random.default_rng(0),
                )  # fmt: skip
                pair = [
                    np.sqrt(np.mean((model.natural(embedding.embed(*space.canonical(t)))[0] - f(t)) ** 2))
                    / spread
                    for t in (wide, close)
                ]
                errors.setdefault(rule, []).append((float(pair[0]), float(pair[1])))
    for rule, pairs in errors.items():
        a = np.array(pairs)
        print(
            f"{rule:20s} space {np.median(a[:, 0]):.3f}  near the best {np.median(a[:, 1]):.4f}   (medians of {len(a)})"
        )


if __name__ == "__main__":
    main()
