"""Class-incremental learning: ten classes in five tasks, one network, and five images of each earlier class to remember.

Methods: ``replay`` of what is remembered; ``dark``, which also holds the network to what it once said of them, its logits
(Buzzega et al. 2020, arXiv 2004.07211); ``distill``, which holds it to what the network before the task says of every image.
With ``aligned`` the weights of new classes are scaled to the length of earlier ones' after each task (Zhao et al. 2020,
arXiv 1911.07053). How hyperparameters are chosen and reported is the subject of Cha & Cho 2024, Hyperparameters in Continual
Learning: a Reality Check (arXiv 2403.09066): tuned on one data set, evaluated on another of the same scenario, in class
orders drawn anew. ``run.data`` names the data set: ``digits`` (the default) or ``glyphs``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from ..digits import CLASSES, PIXELS, Images, accuracy, adam, copied
from ..networks import batches, generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim
from .scenarios import TASKS, ScenarioPart, scenario, together

WIDTH, REMEMBERED = 100, 5
CONFIGURATIONS, SHARE = 6, 0.5
"""Of the check, which trains shorter so that it ends within a minute."""


def target() -> GalleryTarget:
    """Return the target ``class-incremental``."""
    space = SearchSpace(
        [
            Categorical("method", ["replay", "dark", "distill"], default="replay", description="against forgetting"),
            Float("replay", 0.1, 10.0, log=True, default=1.0, description="weight of remembered images"),
            Float("logits", 0.01, 10.0, log=True, default=0.5, when={"method": "dark"}, description="their weight"),
            Float("distill", 0.01, 10.0, log=True, default=1.0, when={"method": "distill"}, description="its weight"),
            Float("temperature", 1.0, 8.0, log=True, default=2.0, when={"method": "distill"}, description="of what it says"),
            Categorical("aligned", [False, True], default=False, description="new classes' weights scaled after a task"),
            Float("lr", 1e-4, 0.03, log=True, default=1e-3, description="learning rate of Adam"),
            Int("epochs", 2, 40, log=True, default=20, unit="epochs", description="of each task"),
            Float("decay", 1e-5, 1.0, log=True, default=1e-3, description="weight decay"),
        ]
    )  # fmt: skip
    problem = Problem(
        "class-incremental",
        space,
        [
            Objective(
                "accuracy", "maximize", "%", "on held-out images of all ten classes, after the last task"
            )
        ],
        description="Learn ten classes two at a time with one network that remembers five images of each.",
        context={"tasks": TASKS, "remembered": f"{REMEMBERED} images per class", "data": "digits, glyphs"},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "continual",
        "Cha & Cho 2024, Hyperparameters in Continual Learning: a Reality Check, arXiv 2403.09066",
        claim=SourceClaim(
            "Methods look better with hyperparameters tuned on the data set that is reported on than with those tuned on "
            "another one of the same scenario, beyond two errors.",
            check,
        ),
        seconds=1.0,
        low_fidelity=0.2,
    )


@dataclass
class Memory:
    """Some images of earlier tasks with what the network said of them when it had learnt them."""

    images: Images
    logits: Tensor


class ReplayLearner:
    """One network, and what is remembered beside it."""

    def __init__(self, params: Mapping[str, Any], seed: int) -> None:
        self._params, self._stream = params, generator(seed)
        self.network = mlp([PIXELS, WIDTH, CLASSES], self._stream)
        self.memory: Memory | None = None
        self._before: nn.Sequential | None = None

    def learn(self, part: ScenarioPart, epochs: int) -> None:
        """Train on a task, then remember some of it."""
        optimizer = adam(self.network.parameters(), self._params["lr"], self._params["decay"])
        for _ in range(epochs):
            for rows in batches(len(part.train.y), 32, self._stream):
                optimizer.zero_grad()
                self.loss(part.train.x[rows], part.train.y[rows]).backward()
                optimizer.step()
        if self._params["aligned"] and self.memory is not None:
            self.align(part.classes)
        self._remember(part)
        self._before = copied(self.network)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the loss on images of the task, and on as many that are remembered."""
        p, logits = self._params, self.network(x)
        loss = functional.cross_entropy(logits, y)
        if self.memory is None:
            return loss
        rows = torch.randint(len(self.memory.logits), (32,), generator=self._stream)
        old = self.memory.images.x[rows]
        again = self.network(old)
        loss = loss + p["replay"] * functional.cross_entropy(again, self.memory.images.y[rows])
        if p["method"] == "dark":
            loss = loss + p["logits"] * functional.mse_loss(again, self.memory.logits[rows])
        elif p["method"] == "distill" and self._before is not None:
            with torch.no_grad():
                teacher = (self._before(torch.cat([x, old])) / p["temperature"]).softmax(1)
            student = (torch.cat([logits, again]) / p["temperature"]).log_softmax(1)
            loss = loss + p["distill"] * p["temperature"] ** 2 * functional.kl_div(
                student, teacher, reduction="batchmean"
            )
        return loss

    def align(self, new: Sequence[int]) -> None:
        """Scale the last layer's weights of new classes to the mean length of those of classes that are remembered."""
        assert self.memory is not None
        *_, weight, _ = self.network.parameters()
        old = self.memory.images.y.unique()
        with torch.no_grad():
            lengths = weight.norm(dim=1)
            weight[list(new)] *= lengths[old].mean() / lengths[list(new)].mean()

    def _remember(self, part: ScenarioPart) -> None:
        rows = torch.cat([(part.train.y == c).nonzero()[:REMEMBERED, 0] for c in part.classes])
        images = Images(part.train.x[rows], part.train.y[rows])
        with torch.no_grad():
            logits = self.network(images.x)
        if self.memory is not None:
            images = together([self.memory.images, images])
            logits = torch.cat([self.memory.logits, logits])
        self.memory = Memory(images, logits)


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy on all classes at the end; how much was forgotten since each task was learnt is a metric."""
    learner, parts = ReplayLearner(params, run.seed), scenario(run.data, run.seed)
    epochs = max(1, round(params["epochs"] * run.fidelity))
    fresh: list[float] = []
    for step, part in enumerate(parts):
        learner.learn(part, epochs)
        fresh.append(accuracy(learner.network, part.test))
        tests = together([p.test for p in parts[: step + 1]])
        if run.report(step, accuracy(learner.network, tests)):
            break
    forgotten = np.mean([a - accuracy(learner.network, p.test) for a, p in zip(fresh, parts, strict=False)])
    return Measurement(
        accuracy(learner.network, together([p.test for p in parts])), metrics={"forgotten": float(forgotten)}
    )


def check() -> Evidence:
    """Tune each method by six random configurations on either data set, two orders each; evaluate on glyphs, three more."""
    configurations = target().problem.space.sample(np.random.default_rng(0), 200)
    gaps: list[float] = []
    for method in ("replay", "dark", "distill"):
        own = [p for p in configurations if p["method"] == method][:CONFIGURATIONS]
        winners = [
            max(own, key=lambda p, data=data: float(np.mean(_scores(p, data, range(2)))))
            for data in ("glyphs", "digits")
        ]
        same, other = (_scores(p, "glyphs", range(10, 13)) for p in winners)
        gaps += [a - b for a, b in zip(same, other, strict=True)]
    error = float(np.std(gaps, ddof=1)) / len(gaps) ** 0.5
    words = f"tuned on the reported data set, methods are better by {np.mean(gaps):.1f} ± {error:.1f} points"
    return Evidence(words, bool(np.mean(gaps) > 2 * error))


def _scores(params: Mapping[str, Any], data: str, seeds: Sequence[int]) -> list[float]:
    return [evaluate(params, Run(seed=s, data=data, fidelity=SHARE)).value for s in seeds]
