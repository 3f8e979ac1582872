"""Soups of fine-tuned networks: average the weights of several runs instead of keeping the best.

Source: Wortsman et al. 2022, Model Soups (arXiv 2203.05482): a greedy soup takes the runs from the best downwards and keeps
each that does not make the average worse on held-out images; averages work where all runs lie in one basin.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import Images, accuracy, adam, copied, digits, fit
from ..networks import generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim

TUNED_ON = 300


def target() -> GalleryTarget:
    """Return the target ``model-soups``."""
    space = SearchSpace(
        [
            Int("ingredients", 1, 10, default=6, unit="runs", description="that are fine-tuned"),
            Categorical("recipe", ["best", "uniform", "greedy"], default="greedy", description="what becomes of the runs"),
            Float("lr", 3e-4, 3e-2, log=True, default=3e-3, description="learning rate in the middle of the runs"),
            Float("spread", 1.0, 10.0, log=True, default=3.0, description="largest over middle learning rate"),
            Int("epochs", 1, 20, log=True, default=6, unit="epochs", description="of each run"),
            Int("pretraining", 1, 10, default=5, unit="epochs", description="on digits that are moved and noisy"),
        ]
    )  # fmt: skip
    problem = Problem(
        "model-soups",
        space,
        [Objective("accuracy", "maximize", "%", "on test images")],
        description="Fine-tune several networks from one start on 300 digits and make one network of them.",
        context={"images": TUNED_ON, "network": "64-128-10"},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "finetuning",
        "Wortsman et al. 2022, Model Soups, arXiv 2203.05482",
        region={"recipe": ("greedy",)},
        claim=SourceClaim(
            "A greedy soup is better on test images than the run that is best on held-out ones.", check
        ),
        seconds=1.0,
        low_fidelity=0.3,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy of what the recipe makes of the runs; that of the best run is a metric."""
    _, choose, test = digits()
    runs = fine_tuned(params, run)
    best = max(runs, key=lambda network: accuracy(network, choose))
    recipes = {"best": lambda: best, "uniform": lambda: average(runs), "greedy": lambda: greedy(runs, choose)}
    return Measurement(accuracy(recipes[params["recipe"]](), test), metrics={"best": accuracy(best, test)})


def fine_tuned(params: Mapping[str, Any], run: Run) -> list[nn.Sequential]:
    """Return networks tuned from one start at learning rates spread around the middle."""
    train, stream = digits()[0], generator(run.seed)
    base = mlp([64, 128, 10], stream)
    pretraining = max(1, round(params["pretraining"] * run.fidelity))
    fit(base, train.shifted(stream), adam(base.parameters(), 2e-3), stream, epochs=pretraining)
    runs: list[nn.Sequential] = []
    for place in np.linspace(-1, 1, params["ingredients"]) if params["ingredients"] > 1 else (0.0,):
        network = copied(base)
        optimizer = adam(network.parameters(), params["lr"] * params["spread"] ** float(place))
        fit(network, train.first(TUNED_ON), optimizer, stream, epochs=params["epochs"], batch=32)
        runs.append(network)
    return runs


def average(runs: Sequence[nn.Sequential]) -> nn.Sequential:
    """Return the network whose weights are the mean of all runs'."""
    soup = copied(runs[0])
    with torch.no_grad():
        for mean, *weights in zip(soup.parameters(), *(r.parameters() for r in runs), strict=True):
            mean.copy_(torch.stack(list(weights)).mean(0))
    return soup


def greedy(runs: Sequence[nn.Sequential], choose: Images) -> nn.Sequential:
    """Return the greedy soup: on the held-out images never worse than the best run."""
    best, *rest = sorted(runs, key=lambda network: -accuracy(network, choose))
    ingredients = [best]
    for network in rest:
        if accuracy(average([*ingredients, network]), choose) >= accuracy(average(ingredients), choose):
            ingredients.append(network)
    return average(ingredients)


def check() -> Evidence:
    """Compare on test images over eight seeds."""
    default, gaps = target().problem.space.default(), []
    for seed in range(8):
        measurement = evaluate(default, Run(seed=seed))
        gaps.append(measurement.value - measurement.metrics["best"])
    sem = float(np.std(gaps, ddof=1) / np.sqrt(len(gaps)))
    return Evidence(
        f"greedy soup less best run {np.mean(gaps):+.2f} ± {sem:.2f} points", bool(np.mean(gaps) > 2 * sem)
    )
