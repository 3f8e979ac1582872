"""A grid of operations: which view of an image, and which two layers, classify digits; searched by training each, or
all of them at once.

A plain trial trains the network of its choices. In a study with ``strategy = "differentiable"`` a trial is an interval
of one training of the mixture of all: a step of the weights on training images, then one of the choices' weights on
held-out ones, and so on; where the choices stand is in the metrics ``tuned:``.
Source: Hundt, Jain & Hager 2019, sharpDARTS (arXiv 1903.09900): differentiable hyperparameter grid search with Max-W, and
cosine power annealing of the rate (P = 2 in its search).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...gradients.choices import Choices, Weighting
from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...schedules.cosine_power import CosinePowerSchedule
from ...spaces.parameters import Categorical
from ...spaces.space import SearchSpace
from ..digits import CLASSES, PIXELS, accuracy, digits
from ..networks import generator, linear
from ..target import Evidence, GalleryTarget, SourceClaim

VIEWS = ("raw", "half", "rows", "edges")
LAYERS = ("identity", "linear", "relu", "sine")
WIDTH, BATCH, IMAGES = 24, 50, 300
STEPS, INTERVAL = 400, 80
"""Steps of the weights in a whole training, plain or of the mixture, and in an interval."""
CHOICE_RATE = 0.05
STATE = "operation_grid.pt"
NAMES = ("view", "first", "second")


def target() -> GalleryTarget:
    """Return the target ``operation-grid``."""
    space = SearchSpace(
        [
            Categorical("view", VIEWS, default="rows", description="all pixels, half of them, means of rows, or differences"),
            Categorical("first", LAYERS, default="identity", description="first hidden layer"),
            Categorical("second", LAYERS, default="identity", description="second hidden layer"),
        ]
    )  # fmt: skip
    problem = Problem(
        "operation-grid",
        space,
        [Objective("accuracy", "maximize", "%", "share of held-out images that are classified right")],
        description="Choose view and layers of a small network for digits: a grid of 64, by training one or all at once.",
        context={"images": IMAGES, "steps": STEPS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "training",
        "Hundt et al. 2019, sharpDARTS, arXiv 1903.09900",
        claim=SourceClaim(
            "The choices of one training with Max-W weights, trained anew, are better than those of one with softmax weights.",
            check,
        ),
        seconds=0.6,
        low_fidelity=0.1,
    )


class OperationGrid(nn.Module):
    """All operations of the grid, mixed by their weights, or only the chosen ones."""

    def __init__(self, stream: torch.Generator, weighting: Weighting = "max-w") -> None:
        super().__init__()
        self.choices = Choices([len(VIEWS), len(LAYERS), len(LAYERS)], weighting)
        self._order = torch.randperm(PIXELS, generator=generator(5))
        sizes = (PIXELS, PIXELS, 8, PIXELS)
        self.views = nn.ModuleList(linear(n, WIDTH, stream) for n in sizes)
        self.layers = nn.ModuleList(
            nn.ModuleList(linear(WIDTH, WIDTH, stream) for _ in LAYERS[1:]) for _ in range(2)
        )
        self.head = linear(WIDTH, CLASSES, stream)

    def forward(self, x: Tensor, only: Sequence[int] | None = None) -> Tensor:
        """Return logits of images (n, 64). ``only``: the places of the chosen operations; None mixes all."""
        hidden = self._at(0, only, [lambda x, v=v: self._viewed(x, v) for v in range(len(VIEWS))], x)
        for depth in (0, 1):
            operations = [lambda h, k=k, d=depth: self._layer(h, d, k) for k in range(len(LAYERS))]
            hidden = self._at(depth + 1, only, operations, hidden)
        return self.head(hidden)

    def _at(self, place: int, only: Sequence[int] | None, operations: Sequence[Any], x: Tensor) -> Tensor:
        if only is not None:
            return operations[only[place]](x)
        return self.choices.mixed(place, [operation(x) for operation in operations])

    def _viewed(self, x: Tensor, view: int) -> Tensor:
        grids = x.reshape(-1, 8, 8)
        variants = (x, x * (self._order % 2), grids.mean(2), (grids - grids.roll(1, 2)).reshape(-1, PIXELS))[
            view
        ]
        return self.views[view](variants).tanh()

    def _layer(self, h: Tensor, depth: int, kind: int) -> Tensor:
        if kind == 0:
            return h
        out = self.layers[depth][kind - 1](h)  # pyright: ignore[reportIndexIssue] - a list of modules
        return (out, out.relu(), out.sin())[kind - 1]


class GridTraining:
    """A training of the grid's weights, and of its choices where none are given."""

    def __init__(self, seed: int, only: Sequence[int] | None = None, weighting: Weighting = "max-w") -> None:
        self._stream, self._only = generator(seed), only
        self.grid = OperationGrid(self._stream, weighting)
        self._optimizer = torch.optim.SGD(
            [p for n, p in self.grid.named_parameters() if not n.startswith("choices")], 1.0, momentum=0.9
        )
        self._chooser = torch.optim.Adam(self.grid.choices.parameters(), CHOICE_RATE, betas=(0.5, 0.999))
        self._rates, self.steps = CosinePowerSchedule(STEPS, power=2.0), 0

    def go(self, steps: int) -> None:
        """Train for some steps of the weights; each is followed by one of the choices where all are mixed."""
        train, held_out, _ = digits()
        for _ in range(steps):
            for group in self._optimizer.param_groups:
                group["lr"] = self._rates(self.steps)
            self._step(self._optimizer, train.first(IMAGES))
            if self._only is None:
                self._step(self._chooser, held_out)
            self.steps += 1

    def _step(self, optimizer: torch.optim.Optimizer, images: Any) -> None:
        rows = torch.randint(len(images.y), (BATCH,), generator=self._stream)
        loss = functional.cross_entropy(self.grid(images.x[rows], self._only), images.y[rows])
        self.grid.zero_grad()
        loss.backward()
        optimizer.step()

    def save(self, folder: Path) -> None:
        """Leave the state in a folder."""
        parts = {"grid": self.grid, "optimizer": self._optimizer, "chooser": self._chooser}
        torch.save({k: v.state_dict() for k, v in parts.items()} | {"steps": self.steps}, folder / STATE)

    def load(self, folder: Path) -> None:
        """Go on from the state in a folder."""
        state = torch.load(folder / STATE, weights_only=True)
        self.grid.load_state_dict(state["grid"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._chooser.load_state_dict(state["chooser"])
        self.steps = state["steps"]


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy of the chosen operations, or of the mixture after an interval of training all."""
    if not run.self_tuning:
        only = [VIEWS.index(params["view"]), *(LAYERS.index(params[n]) for n in NAMES[1:])]
        return Measurement(trained(only, run.seed, max(20, round(STEPS * run.fidelity)), 1))
    training = GridTraining(run.seed)
    if run.checkpoint is not None:
        training.load(run.checkpoint)
    training.go(max(5, round(INTERVAL * run.fidelity)))
    training.save(run.workdir)
    tuned = dict(zip((f"tuned:{n}" for n in NAMES), training.grid.choices.chosen(), strict=True))
    return Measurement(accuracy(training.grid, digits()[1]), metrics=tuned)


def trained(only: Sequence[int], seed: int, steps: int, part: int) -> float:
    """Return the accuracy of chosen operations, trained alone, on a part of the images: 1 held out, 2 test."""
    training = GridTraining(seed, only)
    training.go(steps)
    return accuracy(lambda x: training.grid(x, only), digits()[part])


def searched(weighting: Weighting, seed: int) -> tuple[int, ...]:
    """Return the choices of one training of the mixture."""
    training = GridTraining(seed, weighting=weighting)
    training.go(STEPS)
    return tuple(training.grid.choices.chosen())


def check() -> Evidence:
    """Search with both weightings, three seeds each; train what was chosen anew. Beside them six random choices."""
    accuracies: dict[Weighting, list[float]] = {
        w: [trained(searched(w, seed), 100 + seed, STEPS, 2) for seed in range(3)]
        for w in ("max-w", "softmax")
    }
    rng = np.random.default_rng(0)
    grid = list(product(range(len(VIEWS)), range(len(LAYERS)), range(len(LAYERS))))
    some = [trained(grid[int(i)], 100, STEPS, 2) for i in rng.choice(len(grid), 6, replace=False)]
    gains = np.subtract(accuracies["max-w"], accuracies["softmax"])
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    words = (
        f"test accuracy {np.mean(accuracies['max-w']):.1f} % Max-W, {np.mean(accuracies['softmax']):.1f} % softmax "
        f"(difference {gains.mean():.1f} ± {error:.1f}), {np.mean(some):.1f} % random choices"
    )
    return Evidence(words, gains.mean() > 2 * error)
