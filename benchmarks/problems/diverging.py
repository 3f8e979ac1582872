"""Trainings that diverge: beyond an edge of the learning rate the loss is hundreds of times that of a usual trial.

The value is a held-out loss without a cap, as training scripts report it: cross-entropy or mean squared error.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import trialogue as tl

from .base import Case, Outcome
from .hyperparameters import data

F, I, C = tl.Float, tl.Int, tl.Categorical
Params = Mapping[str, Any]
LARGEST = 1e30


def descend(p: Params, name: str) -> float:
    """Return the held-out loss of a linear model after gradient descent with momentum in batches."""
    X, y, classification = data(name)
    X = np.hstack([X, np.ones((len(X), 1))])
    targets = np.eye(int(y.max()) + 1)[y] if classification else y[:, None]
    rng, half = np.random.default_rng(0), len(X) * 2 // 3
    W = np.zeros((X.shape[1], targets.shape[1]))
    V = np.zeros_like(W)
    with np.errstate(all="ignore"):
        for step in range(p["steps"]):
            rows = rng.integers(half, size=p["batch"])
            rate = p["lr"] * (1 - step / p["steps"] if p["schedule"] == "linear" else 1.0)
            error = outputs(X[rows] @ W, classification) - targets[rows]
            V = p["momentum"] * V - rate * (X[rows].T @ error / p["batch"] + p["decay"] * W)
            W = W + V
        scores = X[half:] @ W
        loss = cross_entropy(scores, targets[half:]) if classification else (scores - targets[half:]) ** 2
    value = float(np.mean(loss))
    return min(value, LARGEST) if np.isfinite(value) else LARGEST


def outputs(scores: np.ndarray, classification: bool) -> np.ndarray:
    if not classification:
        return scores
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - (shifted * targets).sum(axis=1)


def polynomial(p: Params, name: str) -> float:
    """Return the held-out squared error of ridge regression on powers of the features."""
    X, y, _ = data(name)
    half = len(X) // 3
    expand = PolynomialFeatures(p["degree"], interaction_only=p["interactions"] == "only", include_bias=False)
    model = make_pipeline(expand, StandardScaler(), Ridge(alpha=p["alpha"]))
    model.fit(X[:half, : p["features"]], y[:half])
    return float(np.mean((model.predict(X[half:, : p["features"]]) - y[half:]) ** 2))


def diverging_cases() -> list[Case]:
    """Return five cases; the first three are for tuning the engine."""
    descent = [
        F("lr", 1e-4, 1e2, log=True), F("momentum", 0.0, 0.99), F("decay", 1e-6, 1.0, log=True),
        I("steps", 10, 300, log=True), I("batch", 4, 128, log=True), C("schedule", ["constant", "linear"]),
    ]  # fmt: skip
    powers = [
        I("degree", 1, 4), F("alpha", 1e-6, 1e4, log=True), I("features", 2, 8),
        C("interactions", ["only", "all"]),
    ]  # fmt: skip
    return [
        _case("diverging-descent-cancer", descent, partial(descend, name="cancer")),
        _case("diverging-descent-friedman", descent, partial(descend, name="friedman")),
        _case("diverging-powers-diabetes", powers, partial(polynomial, name="diabetes")),
        _case("diverging-descent-wine", descent, partial(descend, name="wine"), unseen=True),
        _case("diverging-descent-diabetes", descent, partial(descend, name="diabetes"), unseen=True),
    ]


def _case(name: str, parameters: list[Any], loss: Any, *, unseen: bool = False) -> Case:
    problem = tl.Problem(name, tl.SearchSpace(parameters), objectives=[tl.Objective("loss", "minimize")])
    return Case(problem, "diverging", lambda p: Outcome(loss(p)), unseen)
