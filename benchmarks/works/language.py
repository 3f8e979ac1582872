"""LLAMBO with a scripted model that learns in its context: what its machinery makes of a model that can."""

import numpy as np

import trialogue as tl
from trialogue.serving.scripted.behaviours import garbage, in_context_learner
from trialogue.serving.scripted.server import ScriptedServer

SEEDS, TRIALS = 2, 14


def _loss(p: dict[str, float]) -> float:
    return (p["x"] - 1) ** 2 + (np.log10(p["rate"]) + 3) ** 2 + (p["method"] == "plain") * 0.5


def llambo() -> tuple[str, bool]:
    """Return the least loss after a few trials of both surrogates, of random search, and with a model that says nothing."""
    space = tl.SearchSpace(
        [
            tl.Float("x", -2.0, 3.0),
            tl.Float("rate", 1e-5, 1e-1, log=True, default=0.05),
            tl.Categorical("method", ["plain", "fast"]),
        ]
    )
    found = {
        "llambo": _least(space, "llambo", in_context_learner),
        "llambo:generative": _least(space, "llambo:generative", in_context_learner),
        "random": _least(space, "random", in_context_learner),
        "llambo of a model that talks nonsense": _least(space, "llambo", garbage),
    }
    words = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    holds = max(found["llambo"], found["llambo:generative"]) < found["random"]
    return (
        f"least loss after {TRIALS} trials, mean of {SEEDS} seeds, a scripted model over HTTP: {words}",
        holds,
    )


def _least(space: tl.SearchSpace, strategy: str, behaviour: object) -> float:
    best = []
    for seed in range(SEEDS):
        with ScriptedServer(behaviour) as server:  # pyright: ignore[reportArgumentType] - a behaviour
            planner = None if strategy == "random" else tl.Planner(server.url)
            with tl.Study(tl.Problem("p", space), seed=seed, strategy=strategy, planner=planner) as study:
                study.run(_loss, n_trials=TRIALS)
                best.append(min(t.value for t in study.trials if t.value is not None))
    return float(np.mean(best))
