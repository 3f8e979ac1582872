"""Tune a representation without labels: a joint-embedding network on digits, by the effective rank of what it embeds.

Source: Garrido et al. 2023, RankMe (arXiv 2210.02885): the rank of embeddings ranks hyperparameters as a linear probe with
labels would. The network is trained as in Bardes et al. 2022, VICReg (arXiv 2105.04906): two views of an image shall embed
alike (invariance), with unit variance and uncorrelated coordinates.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Float, Int
from ...spaces.space import SearchSpace
from ...statistics.rankme import rankme
from ..digits import Images, adam, digits
from ..networks import batches, generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim

WIDTH, CHECKED = 32, 24


def target() -> GalleryTarget:
    """Return the target ``label-free``."""
    space = SearchSpace(
        [
            Float("lr", 1e-4, 3e-2, log=True, default=1e-3, description="learning rate of Adam"),
            Float("invariance", 0.1, 100.0, log=True, default=25.0, description="weight of views that embed alike"),
            Float("variance", 0.1, 100.0, log=True, default=25.0, description="weight of unit variance"),
            Float("covariance", 0.01, 10.0, log=True, default=1.0, description="weight of uncorrelated coordinates"),
            Float("noise", 0.01, 1.0, log=True, default=0.1, description="standard deviation added to a view"),
            Int("epochs", 1, 20, log=True, default=8, unit="epochs", description="of 1,000 images"),
        ]
    )  # fmt: skip
    problem = Problem(
        "label-free",
        space,
        [Objective("rankme", "maximize", description="effective rank of the embeddings of held-out images")],
        description="Train a joint-embedding network on 1,000 digits without labels, judged without labels.",
        context={"images": 1000, "network": f"64-128-{WIDTH}", "labels": "none but for the metric"},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "finetuning",
        "Garrido et al. 2023, RankMe, arXiv 2210.02885",
        region={"covariance": (0.1, 10.0)},
        claim=SourceClaim(
            "The rank of embeddings orders hyperparameters as a linear probe with labels does.", check
        ),
        seconds=1.0,
        low_fidelity=0.3,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return RankMe of the held-out images' embeddings; the accuracy of a linear probe is a metric nobody tunes by."""
    train, choose, test = digits()
    network = trained(params, train, run)
    with torch.no_grad():
        Z, held_out, tested = network(train.x), network(choose.x), network(test.x)
    return Measurement(rankme(held_out.numpy()), metrics={"probe": probe(Z, train, tested, test)})


def trained(params: Mapping[str, Any], train: Images, run: Run) -> nn.Sequential:
    """Return the network after ``epochs`` times the fidelity."""
    stream = generator(run.seed)
    network = mlp([64, 128, WIDTH], stream)
    optimizer = adam(network.parameters(), params["lr"])
    for _ in range(max(1, round(params["epochs"] * run.fidelity))):
        first, second = view(train, params["noise"], stream), view(train, params["noise"], stream)
        for rows in batches(len(train.y), 100, stream):
            loss = joint_loss(network(first[rows]), network(second[rows]), params)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def view(images: Images, noise: float, stream: torch.Generator) -> Tensor:
    """Return each image moved by up to a pixel, with noise of this standard deviation."""
    pixels = images.shifted(stream).x
    return pixels + noise * torch.randn(pixels.shape, generator=stream)


def joint_loss(a: Tensor, b: Tensor, params: Mapping[str, Any]) -> Tensor:
    """Return the loss of two views' embeddings (n, d): invariance, hinge on the standard deviation, covariance."""
    loss = params["invariance"] * ((a - b) ** 2).mean()
    for z in (a, b):
        centred = z - z.mean(0)
        sd = (centred.var(0) + 1e-4).sqrt()
        covariance = centred.T @ centred / (len(z) - 1)
        off = covariance - torch.diag(covariance.diagonal())
        loss = loss + params["variance"] / 2 * torch.relu(1 - sd).mean()
        loss = loss + params["covariance"] / WIDTH * (off**2).sum()
    return loss


def probe(Z: Tensor, train: Images, tested: Tensor, test: Images) -> float:
    """Return the accuracy in percent of ridge regression on the classes."""
    mean, sd = Z.mean(0), Z.std(0) + 1e-6
    X, T = ((z - mean) / sd for z in (Z, tested))
    X, T = (torch.cat([x, torch.ones(len(x), 1)], 1).double() for x in (X, T))
    classes = nn.functional.one_hot(train.y, 10).double()
    weights = torch.linalg.solve(X.T @ X + 1e-2 * torch.eye(X.shape[1], dtype=X.dtype), X.T @ classes)
    return 100 * float(((T @ weights).argmax(1) == test.y).double().mean())


def check() -> Evidence:
    """Correlate the two over random configurations."""
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    measurements = [evaluate(params, Run()) for params in target().problem.space.sample(rng, CHECKED)]
    ranks, accuracies = [m.value for m in measurements], [m.metrics["probe"] for m in measurements]
    correlation: Any = spearmanr(ranks, accuracies)  # Any: scipy's result is not typed
    return Evidence(
        f"Spearman {correlation.statistic:+.2f} (p = {correlation.pvalue:.3f}) over {CHECKED} random configurations",
        bool(correlation.statistic > 0 and correlation.pvalue < 0.05),
    )
