"""Noise: how measurements are shared out among noisy candidates, and what a study gains by it."""

import numpy as np

import trialogue as tl
from trialogue.surrogates.options.allocation import allocate

CANDIDATES, BUDGET, REPEATS = 12, 240, 4000


def allocation() -> tuple[str, bool]:
    """Variance of the mean over candidates whose measurements fail at different rates, at the same number of tries."""
    rng = np.random.default_rng(0)
    G = rng.lognormal(0.0, 1.0, CANDIDATES)
    p = rng.uniform(0.2, 1.0, CANDIDATES)
    splits = {
        "even": np.full(CANDIDATES, BUDGET // CANDIDATES),
        "allocated": np.maximum(allocate(G, p, BUDGET), 1),
    }
    found = {name: _variance(G, p, n, np.random.default_rng(1)) for name, n in splits.items()}
    ratio = found["allocated"] / found["even"]
    regret = {how: _regret(how) for how in ("gain", "variance", "never")}
    words = (
        f"variance {ratio:.2f} of even allocation; true regret of the arm with the best mean after 40 trials, "
        "60 noisy arms, 8 seeds: " + ", ".join(f"{k} {v:.3f}" for k, v in regret.items())
    )
    return words, ratio < 0.9


def _variance(G: np.ndarray, p: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> float:
    """Return the mean squared error of the summed means, of n_i tries each, of which a share p_i succeeds."""
    counts = np.maximum(rng.binomial(n, p, size=(REPEATS, len(G))), 1)
    return float(np.mean(np.sum(rng.normal(size=counts.shape) * G / np.sqrt(counts), axis=1) ** 2))


def _regret(how: str) -> float:
    losses = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=60)
        problem = tl.Problem(
            "arms",
            tl.SearchSpace([tl.Categorical("arm", [str(i) for i in range(60)])]),
            objectives=[tl.Objective("y", "maximize")],
        )
        options = tl.EngineOptions(replicates=how)  # pyright: ignore[reportArgumentType] - one of three names
        study = tl.Study(problem, seed=seed, strategy="surrogate", engine=options)
        for _ in range(40):
            trial = study.ask()
            study.tell(
                trial, tl.Measurement(truth[int(str(trial.params["arm"]))] + 0.5 * rng.normal(), [0.5])
            )
        means: dict[int, list[float]] = {}
        for t in study.trials:
            means.setdefault(int(str(t.params["arm"])), []).append(float(t.value or 0.0))
        chosen = max(means, key=lambda arm: float(np.mean(means[arm])))
        losses.append(truth.max() - truth[chosen])
    return float(np.mean(losses))
