"""Conformal selection with a choice among models: false discoveries and power, against one model and against the best
one chosen without correction."""

import numpy as np

import trialogue as tl
from trialogue.surrogates.models.embedding import Embedding
from trialogue.surrogates.options.conformal import benjamini_hochberg, scores, selected
from trialogue.surrogates.options.features import prior_kernel

REPEATS, ROWS, CANDIDATES, RATE = 600, 60, 20, 0.2


def conformal() -> tuple[str, bool]:
    """Return the false-discovery rate and power at a nominal rate of 0.2, over exchangeable rows of a noisy function."""
    embedding = Embedding(tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(5)]))
    kernels = [prior_kernel(embedding, length) for length in (0.1, 0.2, 0.45, 0.9)]
    found: dict[str, list[tuple[float, float]]] = {}
    rng = np.random.default_rng(0)
    for _ in range(REPEATS):
        Z = rng.random((ROWS + CANDIDATES, 5))
        y = np.sin(6 * Z[:, 0]) + Z[:, 1] - 2 * (Z[:, 2] - 0.5) ** 2 + 0.5 * rng.normal(size=len(Z))
        V, T = scores(kernels, Z[:ROWS], y[:ROWS], Z[ROWS:], 0.7)
        true, null = y[ROWS:] > 0.7, y[:ROWS] <= 0.7
        kept = {
            f"OptCS {pruning}": selected(V, null, T, RATE, pruning=pruning, rng=rng)[0]
            for pruning in ("deterministic", "homogeneous", "heterogeneous")
        }
        p = (1 + np.sum((V[:, None, :] >= T[:, :, None]) & null, axis=2)) / (ROWS + 1)
        single = benjamini_hochberg(p, RATE)
        kept |= {
            "a random model": single[rng.integers(len(p))],
            "the best model uncorrected": single[int(np.argmax(single.sum(axis=1)))],
        }
        for name, k in kept.items():
            shares = (k & ~true).sum() / max(1, k.sum()), (k & true).sum() / max(1, true.sum())
            found.setdefault(name, []).append(shares)
    means = {name: np.mean(pairs, axis=0) for name, pairs in found.items()}
    error = np.std(found["OptCS homogeneous"], axis=0)[0] / np.sqrt(REPEATS)
    ours = [pair for name, pair in means.items() if name.startswith("OptCS")]
    words = ", ".join(f"{name} {fdr:.3f} / {power:.2f}" for name, (fdr, power) in means.items())
    holds = (
        max(p[0] for p in ours) <= RATE + 2 * error and max(p[1] for p in ours) > means["a random model"][1]
    )
    return f"false-discovery rate (± {error:.3f}) / power at a nominal {RATE}: {words}", bool(holds)
