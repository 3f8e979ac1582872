"""Designs: approximation from few points, and regret of studies that begin with them."""

import numpy as np
from problems.base import Case
from problems.synthetic import synthetic_cases

from trialogue.agent.engine_options import Design, EngineOptions
from trialogue.agent.study.study import Study
from trialogue.surrogates.options.determinantal import draw, least_squares

SEEDS = 300


def determinantal() -> tuple[str, bool]:
    """Error of weighted least squares against the best approximation; and studies, best of ten trials."""
    m, x = 6, np.linspace(-1, 1, 500)
    phi = np.polynomial.legendre.legvander(x, m - 1)
    phi = phi @ np.linalg.inv(np.linalg.cholesky(phi.T @ phi / len(x)).T)
    y = np.abs(x) + np.exp(-8 * (x - 0.4) ** 2)
    best = phi @ (phi.T @ y) / len(x)
    floor = np.mean((y - best) ** 2)
    ratios, bias = {}, {}
    for name in ("independent", "dpp", "volume"):
        fits = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            n = 2 * m
            rows = draw(phi, n, rng, repeated=name == "dpp")
            if name == "independent":
                rows = rng.choice(len(x), n, p=np.sum(phi * phi, axis=1) / phi.size)
            fits.append(phi @ least_squares(phi[rows], y[rows]))
        ratios[name] = np.mean([np.mean((y - fit) ** 2) for fit in fits]) / floor
        off = np.mean((np.mean(fits, axis=0) - best) ** 2)
        bias[name] = np.sqrt(off / (np.mean(np.var(fits, axis=0)) / SEEDS))
    regrets = _regrets(("integrated", "dpp", "volume"))
    words = (
        f"squared error over the smallest possible, 12 points, 6 features: independent {ratios['independent']:.2f}, "
        f"repeated DPP {ratios['dpp']:.2f}, volume {ratios['volume']:.2f} (bias {bias['volume']:.1f} standard errors); "
        f"share of the gap to the best seen that is left after 10 trials, 4 functions x 3 seeds: "
        + ", ".join(f"{k} {v:.3f}" for k, v in regrets.items())
    )
    return words, ratios["volume"] < ratios["independent"] and bias["volume"] < 2.0


def _regrets(kinds: tuple[Design, ...]) -> dict[str, float]:
    """Return the mean share of the gap between the first trial and the best one seen that is left after ten trials."""
    left: dict[str, list[float]] = {kind: [] for kind in kinds}
    for case in synthetic_cases()[:4]:
        for seed in range(3):
            found = {kind: _values(case, seed, kind) for kind in kinds}
            best = min(v.min() for v in found.values())
            for kind, values in found.items():
                left[kind].append((values.min() - best) / max(values[0] - best, 1e-12))
    return {kind: float(np.mean(shares)) for kind, shares in left.items()}


def _values(case: Case, seed: int, kind: Design) -> np.ndarray:
    options = EngineOptions(design=kind, design_trials=6)
    study = Study(case.problem, seed=seed, strategy="surrogate", engine=options)
    study.run(lambda params: case.evaluate(params).value, n_trials=10)
    return np.array([t.value for t in study.trials if t.value is not None])
