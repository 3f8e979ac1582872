"""How much training data to take from which of three sources, by hand or by optimal transport.

Digits of scikit-learn: one source has clean images, mostly of small digits; one has shifted and noisy images, mostly of
large ones; one has all of them, a third with wrong classes. A logistic regression is trained on what is taken and tested on
clean images of all digits. Before it is taken, only a pilot of each source can be seen.
Source: Kang, Just, Sahu & Jia 2023, Performance Scaling via Optimal Transport: Enabling Data Selection from Partially
Revealed Sources (projektor, arXiv 2307.02460): accuracy at small sizes from distance and shares, larger sizes by ln n.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import digits
from ..networks import generator
from ..target import Evidence, GalleryTarget, SourceClaim
from .transport import Sample, costs_between, counts_of, nearest_mixture, transport

SAMPLES, SOURCES, WRONG = 600, 3, 1 / 3
"""Taken in all, sources, and the share of the third's classes that are drawn anew."""


def target() -> GalleryTarget:
    """Return the target ``data-mixture``."""
    by_hand, by_distance = {"choose": "shares"}, {"choose": "transport"}
    space = SearchSpace(
        [
            Categorical("choose", ["shares", "transport"], default="shares", description="the mixture: by hand or by distance"),
            Float("clean", 0.0, 1.0, default=0.33, when=by_hand, description="share of the clean source"),
            Float("shifted", 0.0, 1.0, default=0.5, when=by_hand, description="share of the shifted source in the rest"),
            Int("pilot", 20, 300, log=True, default=100, unit="images", when=by_distance, description="seen of each source"),
            Int("steps", 5, 60, log=True, default=20, unit="steps", when=by_distance, description="of projected descent"),
            Float("rate", 0.01, 1.0, log=True, default=0.1, when=by_distance, description="of the descent"),
            Float("label_weight", 0.01, 10.0, log=True, default=1.0, when=by_distance, description="of differing classes"),
            Float("penalty", 1e-3, 10.0, log=True, default=0.1, description="on the regression's squared weights"),
        ]
    )  # fmt: skip
    problem = Problem(
        "data-mixture",
        space,
        [Objective("accuracy", "maximize", "%", "on test images of all digits")],
        description="Choose how many of 600 training images come from which of three sources.",
        context={"samples": SAMPLES, "sources": SOURCES, "wrong_classes": WRONG},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "retrieval",
        "Kang et al. 2023, Performance Scaling via Optimal Transport (projektor), arXiv 2307.02460",
        region={"choose": ("transport",)},
        claim=SourceClaim(
            "Distance and shares, fitted on small training sets and carried on by ln n, predict the accuracy of new mixtures "
            "at four times the size better than the shares alone.",
            check,
        ),
        seconds=0.5,
        low_fidelity=0.2,
    )


@cache
def sources(seed: int) -> list[Sample]:
    """Return the three sources: each of the 1,000 training images, many times over, as the source shows it."""
    rng, stream, train = np.random.default_rng(seed), generator(seed), digits()[0]
    large = train.y.numpy() >= 5
    shifted = train.shifted(stream).x.numpy().astype(float)
    clean, classes = train.x.numpy().astype(float), train.y.numpy()
    weights = np.where(large, 0.1, 1.0), np.where(large, 1.0, 0.1), np.ones(len(large))
    samples = [rng.choice(len(large), 2 * SAMPLES, p=w / w.sum()) for w in weights]
    wrong = np.where(rng.random(2 * SAMPLES) < WRONG, rng.integers(0, 10, 2 * SAMPLES), classes[samples[2]])
    return [
        (clean[samples[0]], classes[samples[0]]),
        (shifted[samples[1]], classes[samples[1]]),
        (clean[samples[2]], wrong),
    ]


def taken(
    q: Sequence[float] | np.ndarray, n: int, seed: int, rng: np.random.Generator, seen: int = 2 * SAMPLES
) -> tuple[Sample, np.ndarray]:
    """Return n samples in these shares, of the first ``seen`` of each source, and the source of each."""
    counts, have = counts_of(q, n), sources(seed)
    rows = [rng.integers(0, seen, k) for k in counts]
    x, y = (np.concatenate([have[i][part][r] for i, r in enumerate(rows)]) for part in (0, 1))
    return (x, y), np.repeat(np.arange(SOURCES), counts)


def accuracy(sample: Sample, penalty: float) -> float:
    """Return the accuracy in percent on test images after training on this sample."""
    if len(np.unique(sample[1])) < 2:
        return 10.0
    model = LogisticRegression(C=1 / (penalty * len(sample[1]) / 100), max_iter=200).fit(*sample)
    test = digits()[2]
    return 100 * float((model.predict(test.x.numpy()) == test.y.numpy()).mean())


def validation() -> Sample:
    """Return the images that stand for what is tested on."""
    images = digits()[1]
    return images.x.numpy().astype(float), images.y.numpy()


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy of what is trained on the mixture; its shares are metrics."""
    rng = np.random.default_rng(run.seed)
    q = np.array([params.get("clean", 0.0), 0.0, 0.0])
    q[1] = (1 - q[0]) * params.get("shifted", 0.0)
    q[2] = 1 - q[0] - q[1]
    if params["choose"] == "transport":
        pilot = params["pilot"]

        def draw(shares: np.ndarray) -> tuple[Sample, np.ndarray]:
            return taken(shares, 2 * pilot, run.seed, rng, pilot)

        steps = max(2, round(params["steps"] * run.fidelity))
        weight = params["label_weight"]
        q = nearest_mixture(
            draw, validation(), SOURCES, steps=steps, rate=params["rate"], label_weight=weight
        )
    sample, _ = taken(q, max(30, round(SAMPLES * run.fidelity)), run.seed, rng)
    shares = {f"share_{name}": float(v) for name, v in zip(("clean", "shifted", "wrong"), q, strict=True)}
    return Measurement(accuracy(sample, params["penalty"]), metrics=shares)


def carried(small: np.ndarray, large: np.ndarray, n0: int, n1: int, n: int) -> np.ndarray:
    """Return what accuracies at n0 and n1 samples become at n: linear in ln n."""
    return (np.log(n / n0) * large - np.log(n / n1) * small) / np.log(n1 / n0)


def features(shares: np.ndarray, distance: np.ndarray | None) -> np.ndarray:
    """Return the terms (k, p) of the regression of accuracy: shares, and their products with the distance."""
    a, b = shares[:, 0], shares[:, 1]
    if distance is None:
        return np.column_stack([np.ones(len(a)), a, b])
    d = distance
    return np.column_stack([np.ones(len(a)), d, a, b, a * d, b * d, a * a * d, b * b * d])


def check() -> Evidence:
    """Fit on 30 mixtures of 75 and of 150 samples, predict 20 others of 600; eight seeds, once with distance, once without."""
    errors = np.array([predicted(seed) for seed in range(8)])
    gain, ((near, far), (near_alone, far_alone)) = errors[:, 1, 1] - errors[:, 0, 1], errors.mean(0)
    half = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
    return Evidence(
        f"mean error of new mixtures with distance {near:.1f} points at 150, {far:.1f} at 600; with shares alone "
        f"{near_alone:.1f} and {far_alone:.1f} (gain at 600 {gain.mean():.1f} ± {half:.1f})",
        bool(gain.mean() > half),
    )


def predicted(seed: int) -> list[tuple[float, float]]:
    """Return the mean errors of predictions at 150 and at 600 samples, with the distance and without."""
    rng, goal = np.random.default_rng([seed, 5]), validation()
    shares, n0, n1 = rng.dirichlet(np.ones(SOURCES), 50), SAMPLES // 8, SAMPLES // 4
    accuracies, distance = np.zeros((2, 50)), np.zeros((2, 50))
    for i, q in enumerate(shares):
        for k, n in enumerate((n0, n1)):
            sample, _ = taken(q, n, seed, rng)
            distance[k, i] = transport(costs_between(sample, goal, 1.0))[0]
            accuracies[k, i] = accuracy(sample, 0.1)
    true = np.array([accuracy(taken(q, SAMPLES, seed, rng)[0], 0.1) for q in shares[30:]])
    errors: list[Any] = []
    for has_distance in (True, False):
        terms = [features(shares, d if has_distance else None) for d in distance]
        fits = [
            np.linalg.lstsq(T[:30], y[:30], rcond=None)[0] for T, y in zip(terms, accuracies, strict=True)
        ]
        small, large = (T[30:] @ w for T, w in zip(terms, fits, strict=True))
        guesses = (large, accuracies[1, 30:]), (carried(small, large, n0, n1, SAMPLES), true)
        errors.append(tuple(float(np.abs(guess - y).mean()) for guess, y in guesses))
    return errors
