"""Beliefs: studies whose user is right, wrong, or silent about where the best values lie."""

import numpy as np
from problems.base import Case
from problems.synthetic import synthetic_cases

import trialogue as tl
from trialogue.evaluators.spaces.parameters import Float

NAMES, SEEDS, TRIALS, WIDTH = ("branin", "hartmann6"), 3, 16, 0.1


def priors() -> tuple[str, bool]:
    """Regret of studies with a right belief, a wrong one (every parameter at the other end), and none."""
    regret: dict[str, list[np.ndarray]] = {"none": [], "right": [], "wrong": []}
    for case in (c for c in synthetic_cases() if c.name in NAMES):
        best, least, median = _optimum(case)
        for kind, curves in regret.items():
            for seed in range(SEEDS):
                values = _values(case, _believing(case, best, kind, seed), seed)
                curves.append(np.clip((np.minimum.accumulate(values) - least) / (median - least), 0, 1))
    means = {kind: np.mean(curves, axis=0) for kind, curves in regret.items()}
    words = "; ".join(
        f"{kind}: " + ", ".join(f"{m[i - 1]:.3f} after {i}" for i in (4, 8, TRIALS))
        for kind, m in means.items()
    )
    holds = means["right"].mean() < means["none"].mean() and means["wrong"][-1] < means["none"][-1] + 0.05
    return f"normalised regret, two functions x {SEEDS} seeds, belief of a tenth of the range: {words}", holds


def _optimum(case: Case) -> tuple[np.ndarray, float, float]:
    """Return the best row (d,) of an evolution from random draws, its value, and the median of the draws."""
    rng, space = np.random.default_rng(0), case.problem.space
    X = rng.random((2000, len(space)))
    y = np.array([case.evaluate(p).value for p in space.decode(X)], float)
    median = float(np.median(y))
    for generation in range(150):
        X, y = X[np.argsort(y)[:20]], np.sort(y)[:20]
        new = X[rng.integers(0, 20, 40)] + 0.3 * 0.96**generation * rng.standard_normal((40, len(space)))
        new = np.clip(new, 0, 1)
        X, y = np.vstack([X, new]), np.r_[y, [case.evaluate(p).value or 0.0 for p in space.decode(new)]]
    return X[np.argmin(y)], float(y.min()), median


def _believing(case: Case, best: np.ndarray, kind: str, seed: int) -> tl.Problem:
    if kind == "none":
        return case.problem
    rng, parameters = np.random.default_rng(seed), []
    for p, u in zip(case.problem.space.parameters, best, strict=True):
        assert isinstance(p, Float)
        right = float(np.clip(u + WIDTH * rng.standard_normal(), 0, 1))
        at = right if kind == "right" else (0.05 if u > 0.5 else 0.95)
        width = p.high - p.low
        prior = {"mean": p.low + at * width, "sd": WIDTH * width}
        parameters.append(tl.Float(p.name, p.low, p.high, prior=prior))
    return tl.Problem(case.name, tl.SearchSpace(parameters))


def _values(case: Case, problem: tl.Problem, seed: int) -> np.ndarray:
    study = tl.Study(problem, seed=seed, strategy="surrogate")
    study.run(lambda params: case.evaluate(params).value, n_trials=TRIALS)
    return np.array([t.value for t in study.trials], float)
