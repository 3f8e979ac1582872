"""A network that tunes its own dropout while it trains, or trains under a fixed one.

Few noisy images of digits, so that dropout matters. A plain trial trains a network of 64-width-10 units under fixed rates.
In a study with ``strategy = "stn"`` a trial is an interval: two steps of training under perturbed rates, then one of the
rates on held-out images, and so on; the interval's rates stand in the metrics ``tuned:``.
Source: MacKay et al. 2019, Self-Tuning Networks (arXiv 1903.03088): 2 steps of SGD (momentum 0.9) to 1 of Adam (0.003),
spread 0.5 at the start, dropout 0.05 at the start, warm-up before the first tuning. Rates are larger here, for a
training is 400 steps, not 100,000.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...gradients.responses import ResponsiveLinear, SelfTuner
from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Float, Int
from ...spaces.space import SearchSpace
from ..digits import CLASSES, PIXELS, Images, digits
from ..networks import generator
from ..target import Evidence, GalleryTarget, SourceClaim

IMAGES, WRONG, BATCH = 300, 0.2, 50
STEPS, INTERVAL, WARM_UP = 400, 40, 40
"""Steps of a whole training, of an interval of one that tunes itself, and before its first tuning."""
RATE, TUNING_RATE, MOST = 0.05, 0.05, 0.95
STATE = "self_tuning.pt"
TUNED = ("drop_input", "drop_hidden")


def target() -> GalleryTarget:
    """Return the target ``self-tuning``."""
    space = SearchSpace(
        [
            Float(
                "drop_input", 0.0, MOST, default=0.05, description="share of the pixels left out in training"
            ),
            Float(
                "drop_hidden",
                0.0,
                MOST,
                default=0.05,
                description="share of the hidden units left out in training",
            ),
            Int("width", 16, 256, log=True, default=128, unit="units", description="of the hidden layer"),
        ]
    )
    problem = Problem(
        "self-tuning",
        space,
        [Objective("loss", "minimize", "nat", "cross-entropy on 300 held-out images")],
        description="Train a network on 300 images of digits, a fifth with wrong labels: how much is left out.",
        context={"images": IMAGES, "steps": STEPS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "training",
        "MacKay et al. 2019, Self-Tuning Networks, arXiv 1903.03088",
        claim=SourceClaim(
            "A training that tunes its dropout ends at a lower loss on test images than every fixed dropout of a grid.",
            check,
        ),
        seconds=1.0,
        low_fidelity=0.1,
    )


class RespondingNetwork(torch.nn.Module):
    """Two layers that answer to h; dropout as h says it, example by example."""

    def __init__(self, width: int, stream: torch.Generator) -> None:
        super().__init__()
        k = len(TUNED)
        self.first = ResponsiveLinear((PIXELS, width), k, stream)
        self.second = ResponsiveLinear((width, CLASSES), k, stream)

    def forward(self, x: Tensor, h: Tensor, stream: torch.Generator | None = None) -> Tensor:
        """Return logits (n, CLASSES) under h (n, 2); with a stream some is left out, as in training."""
        rates = MOST * h.detach().sigmoid()
        hidden = self.first(_dropped(x, rates[:, :1], stream), h).relu()
        return self.second(_dropped(hidden, rates[:, 1:], stream), h)


class Training:
    """One training of the network; ``self_tuning``: whether h answers and is tuned, or stands still."""

    def __init__(self, params: Mapping[str, Any], seed: int, *, self_tuning: bool) -> None:
        self._stream = generator(seed)
        self.network = RespondingNetwork(params["width"], self._stream)
        self.tuner = SelfTuner(unconstrained(params), rate=TUNING_RATE)
        self._tunes = self_tuning
        self._optimizer = torch.optim.SGD(self.network.parameters(), RATE, momentum=0.9)
        self._train = digits()[0].noisy(WRONG, generator(7)).first(IMAGES)
        self.steps = 0

    def go(self, steps: int) -> None:
        """Train for some steps; where it tunes itself, every third is one of h."""
        held_out = digits()[1]
        for _ in range(steps):
            self.steps += 1
            if self._tunes and self.steps > WARM_UP and self.steps % 3 == 0:
                rows = torch.randint(len(held_out.y), (BATCH,), generator=self._stream)
                self.tuner.tune(lambda h, rows=rows: self._loss(held_out, rows, h, None), BATCH, self._stream)
                continue
            rows = torch.randint(IMAGES, (BATCH,), generator=self._stream)
            h = self.tuner.perturbed(BATCH, self._stream) if self._tunes else self.tuner.h.expand(BATCH, -1)
            loss = self._loss(self._train, rows, h.detach(), self._stream)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def _loss(self, images: Images, rows: Tensor, h: Tensor, stream: torch.Generator | None) -> Tensor:
        return functional.cross_entropy(self.network(images.x[rows], h, stream), images.y[rows])

    def loss(self, images: Images) -> float:
        """Return the loss on images, nothing left out, at most 100."""
        with torch.no_grad():
            every = torch.arange(len(images.y))
            value = float(self._loss(images, every, self.tuner.h.expand(len(every), -1), None))
        return min(value, 100.0) if math.isfinite(value) else 100.0

    def save(self, folder: Path) -> None:
        """Leave the state in a folder."""
        parts = {"network": self.network, "tuner": self.tuner, "optimizer": self._optimizer}
        torch.save({k: v.state_dict() for k, v in parts.items()} | {"steps": self.steps}, folder / STATE)

    def load(self, folder: Path) -> None:
        """Go on from the state in a folder."""
        state = torch.load(folder / STATE, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.tuner.load_state_dict(state["tuner"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]


def _dropped(x: Tensor, rate: Tensor, stream: torch.Generator | None) -> Tensor:
    if stream is None:
        return x
    return x * (torch.rand(x.shape, generator=stream) >= rate) / (1 - rate)


def unconstrained(params: Mapping[str, Any]) -> Tensor:
    """Return h (2,) for rates; inverse: ``rates``."""
    share = torch.tensor([params[name] for name in TUNED], dtype=torch.float32) / MOST
    return share.clamp(1e-3, 1 - 1e-3).logit()


def rates(h: Tensor) -> dict[str, float]:
    """Return the rates that h (2,) stands for."""
    return dict(zip(TUNED, (MOST * h.detach().sigmoid()).tolist(), strict=True))


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the loss on held-out images after a whole training, or after an interval of one that tunes itself."""
    training = Training(params, run.seed, self_tuning=run.self_tuning)
    if not run.self_tuning:
        training.go(max(20, round(STEPS * run.fidelity)))
        return Measurement(training.loss(digits()[1]))
    if run.checkpoint is not None:
        training.load(run.checkpoint)
    training.go(max(3, round(INTERVAL * run.fidelity)))
    training.save(run.workdir)
    tuned = {f"tuned:{name}": rate for name, rate in rates(training.tuner.h).items()}
    return Measurement(training.loss(digits()[1]), metrics=tuned)


def check() -> Evidence:
    """Compare on test images: nine fixed pairs of rates against one training that tunes itself, two seeds each."""
    grid = [(a, b) for a in (0.05, 0.3, 0.6) for b in (0.05, 0.4, 0.7)]

    def end(pair: tuple[float, float], *, self_tuning: bool) -> float:
        params = {"drop_input": pair[0], "drop_hidden": pair[1], "width": 128}
        losses = []
        for seed in range(2):
            training = Training(params, seed, self_tuning=self_tuning)
            training.go(STEPS * 3 // 2 if self_tuning else STEPS)  # as many steps of the weights
            losses.append(training.loss(digits()[2]))
        return float(np.mean(losses))

    fixed, tuned = [end(pair, self_tuning=False) for pair in grid], end((0.05, 0.05), self_tuning=True)
    words = f"loss on test images {tuned:.3f} tuned while training, {min(fixed):.3f} best and {max(fixed):.3f} worst of 9 fixed"
    return Evidence(words, tuned < min(fixed))
