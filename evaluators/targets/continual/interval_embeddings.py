"""A hypernetwork that learns an interval of embeddings for each task, and one network from where all intervals meet.

Notation: task t has the embedding e_t = (γ/M) cos p_t, p_t (M,) learnt · its interval is e_t ± ε/M, ε growing to γ · the
hypernetwork H maps an interval to lower and upper weights of a target network, which maps an image to lower and upper logits.
|e_t| ≤ γ/M, so that 0 is in every interval: they meet, and the middle of where they do gives the one network. Loss of a task:
κ CE(logits at e_t) + (1 - κ) CE(worst logits in the interval) + β |H(interval of s) - what it was|² over earlier tasks s.
Source: Krukowski et al. 2024, HyperInterval (arXiv 2405.15444): κ falls from 1 over a training, ε rises over its first half.
Tasks are two classes each, told apart by two outputs that all tasks share. ``run.data``: ``digits`` (the default), ``glyphs``.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import PIXELS, Images, adam
from ..networks import generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim
from .scenarios import TASKS, ScenarioPart, scenario

SIZES = (PIXELS, 16, 2)
UPDATES, BATCH = 120, 64
Weights = tuple[Tensor, Tensor, Tensor]
"""Lower, middle and upper, all in a row."""


def target() -> GalleryTarget:
    """Return the target ``interval-embeddings``."""
    space = SearchSpace(
        [
            Float("gamma", 0.01, 30.0, log=True, default=10.0, description="γ: size of embeddings and of their intervals"),
            Int("embedding", 4, 64, log=True, default=24, unit="numbers", description="M, of an embedding"),
            Categorical("width", [16, 32, 64], default=32, ordered=True, unit="units", description="of H's two hidden layers"),
            Float("kappa", 0.0, 1.0, default=0.5, description="weight of the middle at the end, the worst case has the rest"),
            Float("beta", 1e-4, 10.0, log=True, default=0.1, description="weight of what earlier intervals gave"),
            Float("lr", 1e-4, 0.03, log=True, default=1e-2, description="learning rate of Adam"),
        ]
    )  # fmt: skip
    problem = Problem(
        "interval-embeddings",
        space,
        [Objective("accuracy", "maximize", "%", "of one network on the held-out images of all five tasks")],
        description="Learn five tasks with a hypernetwork over intervals, so that one network serves them all.",
        context={"tasks": TASKS, "updates": f"{UPDATES} per task", "network": "-".join(map(str, SIZES))},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "continual",
        "Krukowski et al. 2024, HyperInterval, arXiv 2405.15444",
        region={"kappa": (0.5, 0.5)},
        claim=SourceClaim(
            "One network from where all tasks' intervals meet is within five points of the tasks' own networks.",
            check,
        ),
        seconds=3.0,
        low_fidelity=0.1,
    )


class IntervalHypernetwork(nn.Module):
    """H and the embeddings of all tasks."""

    def __init__(self, params: Mapping[str, Any], stream: torch.Generator) -> None:
        super().__init__()
        m, width = params["embedding"], params["width"]
        self.reach = params["gamma"] / m
        self.shapes = list(itertools.pairwise(SIZES))
        count = sum((a + 1) * b for a, b in self.shapes)
        self.body = mlp([m, width, width, count], stream)
        self.places = nn.Parameter(3 * torch.randn(TASKS, m, generator=stream))
        with torch.no_grad():  # H begins at what a network of this shape begins with
            list(self.body.parameters())[-1].copy_(
                torch.cat([nn.utils.parameters_to_vector(mlp(SIZES, stream).parameters())])
            )

    def embedding(self, task: int) -> Tensor:
        """Return e_t (M,)."""
        return self.reach * self.places[task].cos()

    def meeting(self, tasks: int) -> Tensor:
        """Return the middle (M,) of where the whole intervals of the first tasks meet."""
        centres = torch.stack([self.embedding(t) for t in range(tasks)])
        return ((centres - self.reach).amax(0) + (centres + self.reach).amin(0)) / 2

    def weights(self, centre: Tensor, radius: float) -> Weights:
        """Return what the interval centre ± radius may become, and what its centre becomes."""
        lower, middle, upper = centre - radius, centre, centre + radius
        for layer in self.body:
            if isinstance(layer, nn.Linear):
                mid, half = (lower + upper) / 2, (upper - lower) / 2
                mid, half = layer(mid), functional.linear(half, layer.weight.abs())
                lower, middle, upper = mid - half, layer(middle), mid + half
            else:
                lower, middle, upper = layer(lower), layer(middle), layer(upper)
        return lower, middle, upper

    def logits(self, x: Tensor, weights: Weights) -> Weights:
        """Return the lowest, the middle and the highest logits (n, 2) of images x >= 0 under weights."""
        lower, middle, upper, at = x, x, x, 0
        for i, (a, b) in enumerate(self.shapes):
            if i:
                lower, middle, upper = lower.relu(), middle.relu(), upper.relu()
            parts = [(w[at : at + a * b].view(b, a), w[at + a * b : at + (a + 1) * b]) for w in weights]
            (low, low_bias), (mid, bias), (high, high_bias) = parts
            low_out = (
                functional.linear(lower, low.relu()) - functional.linear(upper, (-low).relu()) + low_bias
            )
            high_out = (
                functional.linear(upper, high.relu()) - functional.linear(lower, (-high).relu()) + high_bias
            )
            lower, middle, upper, at = (
                low_out,
                functional.linear(middle, mid, bias),
                high_out,
                at + (a + 1) * b,
            )
        return lower, middle, upper


class IntervalLearner:
    """H, trained task after task."""

    def __init__(self, params: Mapping[str, Any], seed: int) -> None:
        self._params, self._stream = params, generator(seed)
        self.network = IntervalHypernetwork(params, self._stream)

    def learn(self, task: int, part: ScenarioPart, updates: int) -> None:
        """Train on a task, held to what the intervals of earlier ones gave."""
        network, y = self.network, labels(part.train, part.classes)
        with torch.no_grad():
            fixed = [(network.embedding(s).clone(), self._kept(network.embedding(s))) for s in range(task)]
        optimizer = adam(network.parameters(), self._params["lr"])
        for update in range(updates):
            rows = torch.randint(len(y), (BATCH,), generator=self._stream)
            loss = self.loss(task, part.train.x[rows], y[rows], (update + 1) / updates)
            if task:  # one earlier task at a time: the mean over updates is the mean over tasks
                centre, reference = fixed[int(torch.randint(task, (1,), generator=self._stream))]
                loss = loss + self._params["beta"] * (self._kept(centre) - reference).square().sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()

    def loss(self, task: int, x: Tensor, y: Tensor, share: float) -> Tensor:
        """Return the loss of a task at a share of its training."""
        network = self.network
        radius, kappa = network.reach * min(1.0, 2 * share), 1 - (1 - self._params["kappa"]) * share
        lower, middle, upper = network.logits(x, network.weights(network.embedding(task), radius))
        worst = torch.where(functional.one_hot(y, 2).bool(), lower, upper)
        return kappa * functional.cross_entropy(middle, y) + (1 - kappa) * functional.cross_entropy(worst, y)

    def _kept(self, centre: Tensor) -> Tensor:
        return torch.stack(self.network.weights(centre, self.network.reach))


def labels(images: Images, classes: Sequence[int]) -> Tensor:
    """Return which of a task's two classes each image is of."""
    return (images.y == classes[1]).long()


def right(learner: IntervalLearner, centre: Tensor, part: ScenarioPart) -> float:
    """Return the accuracy in percent on a task's held-out images of the network that an embedding gives."""
    with torch.no_grad():
        network = learner.network
        middle = network.logits(part.test.x, network.weights(centre, 0.0))[1]
    return 100 * float((middle.argmax(1) == labels(part.test, part.classes)).double().mean())


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy of the one network; that of the tasks' own is a metric."""
    learner, parts = IntervalLearner(params, run.seed), scenario(run.data, run.seed)
    for task, part in enumerate(parts):
        learner.learn(task, part, max(5, round(UPDATES * run.fidelity)))
        centre = learner.network.meeting(task + 1)
        if run.report(task, float(np.mean([right(learner, centre, p) for p in parts[: task + 1]]))):
            break
    own = float(np.mean([right(learner, learner.network.embedding(t), p) for t, p in enumerate(parts)]))
    centre = learner.network.meeting(TASKS)
    return Measurement(float(np.mean([right(learner, centre, p) for p in parts])), metrics={"own": own})


def check() -> Evidence:
    """Train with the default at four seeds."""
    runs = [evaluate(target().problem.space.default(), Run(seed=s)) for s in range(4)]
    one, own = (float(np.mean(v)) for v in ([r.value for r in runs], [r.metrics["own"] for r in runs]))
    return Evidence(f"{one:.1f} % one network, {own:.1f} % the tasks' own", one >= own - 5)
