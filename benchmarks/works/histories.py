"""What a prompt shows and how often it asks: measured on learners of our own, not on a language model.

The learner of rows 14 to 16 is a Gaussian process that sees only the rows shown; its error is measured where a search
looks, on the best fifth of fresh points near the incumbent, and over the whole space. The model of row 12 is scripted.
"""

import random

import numpy as np
from problems.synthetic import synthetic_cases
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

import trialogue as tl
from trialogue.agent.contracts import PlanRequest
from trialogue.agent.planner.paraphrases import Instructions
from trialogue.agent.planner.planner import Planner
from trialogue.evaluators.problems.history import History
from trialogue.prompts.histories import clusters
from trialogue.prompts.histories.by_name import SELECTIONS
from trialogue.prompts.selection import Selection
from trialogue.serving.scripted.behaviours import answer
from trialogue.serving.scripted.server import ScriptedCall, ScriptedReply, ScriptedServer

SHOWN, ROWS, SEEDS, CASES = 30, 240, 4, 5


def information_gain() -> tuple[str, bool]:
    """Rows by information gain against random ones and against the usual ones."""
    errors = {name: _error(SELECTIONS[name]) for name in ("mig", "random", "usual")}
    return _words(errors), errors["mig"][0] < errors["random"][0] and errors["mig"][1] < errors["random"][1]


def refined_clusters() -> tuple[str, bool]:
    """Clusters with refined weights against random rows and against clusters drawn evenly."""

    def even(X: np.ndarray, g: np.ndarray, k: int, rng: np.random.Generator) -> list[int]:
        return clusters.refined_clusters(X, np.zeros(len(g)), k, rng)

    errors = {
        "diverse": _error(SELECTIONS["diverse"]),
        "even clusters": _error(even),
        "random": _error(SELECTIONS["random"]),
    }
    near = {name: pair[0] for name, pair in errors.items()}
    return _words(errors), near["diverse"] < min(near["even clusters"], near["random"])


def fresh_subsets() -> tuple[str, bool]:
    """The mean of eight learners, each with a fresh subset, against eight times the same subset."""
    fresh, kept = [], []
    for _, _, X, y, tests in _histories():
        rng = np.random.default_rng(1)
        subsets = [SELECTIONS["random"](X, -y, SHOWN, rng) for _ in range(8)]
        for found, used in ((fresh, subsets), (kept, subsets[:1])):
            means = [_learner(X[rows], y[rows]).predict(tests[1][0]) for rows in used]
            found.append(_rmse(np.mean(means, axis=0), tests[1][1], y))
    words = f"error over the space after 8 rounds of {SHOWN} rows: fresh {np.median(fresh):.3f}, one kept {np.median(kept):.3f}"
    return words, bool(np.median(fresh) < np.median(kept))


def _histories():
    """Yield (case, seed, X, y, tests) of searches that draw ever nearer to their best: y is minimized."""
    for case in synthetic_cases()[:CASES]:
        space = case.problem.space
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)

            def f(X: np.ndarray) -> np.ndarray:
                values = [case.evaluate(p).value for p in space.decode(X)]  # noqa: B023
                return np.array([np.nan if v is None else v for v in values])

            X = space.sample_rows(rng, ROWS // 2)
            y = f(X)
            while len(X) < ROWS:
                near = np.clip(
                    X[np.argsort(y)[:6]].repeat(5, 0) + rng.normal(0, 0.08, (30, X.shape[1])), 0, 1
                )
                near = space.canonical(near)[0]
                X, y = np.vstack([X, near]), np.r_[y, f(near)]
            close = space.canonical(
                np.clip(X[np.argsort(y)[:10]].repeat(40, 0) + rng.normal(0, 0.1, (400, X.shape[1])), 0, 1)
            )[0]
            close = close[np.argsort(f(close))[:80]]
            wide = space.sample_rows(rng, 300)
            yield case, seed, X, y, ((close, f(close)), (wide, f(wide)))


def _learner(X: np.ndarray, y: np.ndarray) -> GaussianProcessRegressor:
    kernel = RBF(0.3 * np.sqrt(X.shape[1])) + WhiteKernel(1e-3)
    learner = GaussianProcessRegressor(kernel, normalize_y=True)
    learner.set_params(optimizer=None)
    return learner.fit(X, y)


def _rmse(mean: np.ndarray, truth: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean((mean - truth) ** 2)) / np.std(y))


def _error(select: Selection) -> tuple[float, float]:
    """Return median errors near the best and over the space, in standard deviations of the history."""
    found = []
    for _, seed, X, y, tests in _histories():
        rows = select(X, -y, SHOWN, np.random.default_rng(seed))
        learner = _learner(X[rows], y[rows])
        found.append([_rmse(np.asarray(learner.predict(Z)), truth, y) for Z, truth in tests])
    near, wide = np.median(found, axis=0)
    return float(near), float(wide)


def _words(errors: dict[str, tuple[float, float]]) -> str:
    parts = ", ".join(f"{name} {near:.3f} / {wide:.3f}" for name, (near, wide) in errors.items())
    return f"error of a GP that sees {SHOWN} of {ROWS} trials, near the best / over the space: {parts}"


def paraphrases() -> tuple[str, bool]:
    """Distance to the optimum of the first and of the best of four proposals, with a scripted model."""
    problem = tl.Problem("p", tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(3)]))

    def guesses(call: ScriptedCall) -> ScriptedReply:
        """Know a grid of 27 points; of each four proposals, name the right one in half of the answers."""
        rng = random.Random(call.text[-400:] + str(call.body.get("seed")))
        right = {f"x{i}": 0.5 for i in range(3)}
        flat = [{f"x{i}": rng.choice([0.1, 0.5, 0.9]) for i in range(3)} for _ in range(call.wanted)]
        if rng.random() < 0.5:
            flat[rng.randrange(len(flat))] = right
        return answer(flat)

    with ScriptedServer(guesses) as server:
        found = {how: _distances(server.url, problem, how) for how in ("bandit", "ensemble", "fusion")}
    words = "distance to the optimum, first / best of 4, scripted model: " + ", ".join(
        f"{'one paraphrase' if how == 'bandit' else how} {first:.2f} / {best:.2f}"
        for how, (first, best) in found.items()
    )
    one, ensemble, fusion = found["bandit"], found["ensemble"], found["fusion"]
    return words, ensemble[1] < one[1] and fusion[0] < one[0] and fusion[1] < one[1]


def _distances(url: str, problem: tl.Problem, how: Instructions) -> tuple[float, float]:
    planner, found = Planner(url, instructions=how), []
    for seed in range(60):
        request = PlanRequest(History(problem), 4, "candidates", np.random.default_rng(seed))
        far = [
            max(abs(float(v or 0) - 0.5) for v in p.params.values())
            for p in planner.propose(request).proposals
        ]
        found.append((far[0], min(far)))
    first, best = np.mean(found, axis=0)
    return float(first), float(best)
