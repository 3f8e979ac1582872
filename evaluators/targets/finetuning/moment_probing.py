"""Moment probing: a head on frozen tokens that reads their second moments beside their mean.

Notation: X (t, d) tokens of an image from a frozen network · heads are groups of k coordinates of a projection of X ·
C_h (k, k) is the cross-covariance of neighbouring heads. Two convolutions with stride 2 shrink the stack of all C_h, whose
linear map is averaged with that of the mean: (W m + V conv(C)) / 2. With ``recalibrated`` the frozen network gets small
parameters, too: a scale and a shift of its features, made from one shared bottleneck of the layer's own statistics.
Source: Gao et al. 2023, Tuning Pre-trained Models via Moment Probing (arXiv 2307.11342): four heads, LayerNorm per head,
3 × 3 convolutions with GELU between; heads are of 8 here, not of 128.
"""

from collections.abc import Mapping
from functools import cache
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
from ..digits import CLASSES, Images, accuracy, adam, digits, fit
from ..networks import batches, generator, linear
from ..target import Evidence, GalleryTarget, SourceClaim

SIDE, FEATURES, PRETRAINED = 3, 32, 5
"""Pixels of a token's side, features of a token, and classes that the frozen network was trained on: 0 to 4."""
LABELLED, BATCH = 200, 32


def target() -> GalleryTarget:
    """Return the target ``moment-probing``."""
    moments: dict[str, Any] = {"when": {"head": "moments"}}
    space = SearchSpace(
        [
            Categorical("head", ["mean", "moments"], default="mean", description="mean of the tokens alone, or moments too"),
            Int("heads", 2, 6, default=4, unit="heads", description="groups of the projection", **moments),
            Categorical("size", [4, 8, 16], default=8, ordered=True, description="coordinates of a head", **moments),
            Categorical("normalize", [True, False], default=True, description="length of the covariances to 1", **moments),
            Categorical("recalibrated", [False, True], default=False, description="scale and shift of the frozen features"),
            Float("lr", 1e-4, 0.3, log=True, default=1e-2, description="learning rate of Adam"),
            Float("decay", 1e-5, 1.0, log=True, default=1e-3, description="weight decay"),
            Int("epochs", 5, 60, log=True, default=30, unit="epochs", description=f"of {LABELLED} images"),
        ]
    )  # fmt: skip
    problem = Problem(
        "moment-probing",
        space,
        [Objective("accuracy", "maximize", "%", "on 300 held-out images")],
        description="Fit a head on a frozen network that knows the digits 0 to 4, to tell all ten from 200 images.",
        context={"images": LABELLED, "tokens": 9, "features": FEATURES},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "finetuning",
        "Gao et al. 2023, Tuning Pre-trained Models via Moment Probing, arXiv 2307.11342",
        region={"head": ("moments",), "heads": (4, 4)},
        claim=SourceClaim(
            "Second moments beside the mean beat a linear probe of the mean, each at its best rate, beyond two errors.",
            check,
        ),
        seconds=0.5,
        low_fidelity=0.15,
    )


def patches(x: Tensor) -> Tensor:
    """Return the overlapping patches of images (n, 64): (n, 9, SIDE²), every second one in both directions."""
    return functional.unfold(x.view(-1, 1, 8, 8), SIDE, stride=2).transpose(1, 2)


class Backbone(nn.Module):
    """Patches to tokens (n, t, FEATURES): two layers per patch, and a place of its own for each."""

    def __init__(self, stream: torch.Generator) -> None:
        super().__init__()
        self.first, self.second = linear(SIDE * SIDE, FEATURES, stream), linear(FEATURES, FEATURES, stream)
        self.places = nn.Parameter(0.3 * torch.randn(9, FEATURES, generator=stream))

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens of images (n, 64)."""
        return self.second((self.first(patches(x)) + self.places).relu()).relu()


@cache
def frozen(seed: int = 0) -> Backbone:
    """Return the network, trained on moved and noisy images of the classes below PRETRAINED by the mean of its tokens."""
    stream = generator(seed)
    backbone, head = Backbone(stream), linear(FEATURES, PRETRAINED, stream)
    optimizer = adam([*backbone.parameters(), *head.parameters()], 3e-3)
    is_pretrained = digits()[0].y < PRETRAINED
    images = Images(digits()[0].x[is_pretrained], digits()[0].y[is_pretrained])
    for _ in range(15):
        variants = images.shifted(stream)
        fit(lambda x: head(backbone(x).mean(1)), variants, optimizer, stream, epochs=1)
    return backbone.requires_grad_(False)


class Head(nn.Module):
    """What is trained on tokens (n, t, FEATURES): logits of the ten classes."""

    def __init__(self, params: Mapping[str, Any], stream: torch.Generator) -> None:
        super().__init__()
        self.mean = linear(FEATURES, CLASSES, stream)
        self.shared = nn.ModuleList()
        if params["recalibrated"]:
            self.shared.extend(
                [linear(FEATURES, 8, stream), linear(8, FEATURES, stream), linear(8, FEATURES, stream)]
            )
            with torch.no_grad():
                for layer in self.shared[1:]:
                    for part in layer.parameters():
                        part.zero_()
        self.moments = Covariances(params, stream) if params["head"] == "moments" else None

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (n, CLASSES)."""
        if self.shared:
            down, scale, shift = self.shared
            narrow = down(tokens.mean(1, keepdim=True)).relu()
            tokens = tokens * (1 + scale(narrow)) + shift(narrow)
        first = self.mean(tokens.mean(1))
        return first if self.moments is None else (first + self.moments(tokens)) / 2


class Covariances(nn.Module):
    """Cross-covariances of neighbouring heads, shrunk by two convolutions, and their linear map."""

    def __init__(self, params: Mapping[str, Any], stream: torch.Generator) -> None:
        super().__init__()
        self.heads, self.size, self._unit = params["heads"], params["size"], params["normalize"]
        maps = self.heads - 1
        self.projection = linear(FEATURES, self.heads * self.size, stream)
        self.kernels = nn.ParameterList(
            (9 * maps) ** -0.5 * torch.randn(maps, maps, 3, 3, generator=stream) for _ in range(2)
        )
        side = ((self.size + 1) // 2 + 1) // 2
        self.out = linear(maps * side * side, CLASSES, stream)

    def maps(self, tokens: Tensor) -> Tensor:
        """Return the covariances (n, heads - 1, size, size)."""
        n, t, _ = tokens.shape
        grouped = functional.layer_norm(
            self.projection(tokens).view(n, t, self.heads, self.size), (self.size,)
        )
        centred = grouped - grouped.mean(1, keepdim=True)
        maps = torch.einsum("nthi,nthj->nhij", centred[:, :, :-1], centred[:, :, 1:]) / t
        return functional.normalize(maps.flatten(1)).view_as(maps) if self._unit else maps

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (n, CLASSES)."""
        first, second = self.kernels
        x = functional.gelu(functional.conv2d(self.maps(tokens), first, stride=2, padding=1))
        return self.out(functional.conv2d(x, second, stride=2, padding=1).flatten(1))


def trained(params: Mapping[str, Any], run: Run) -> Head:
    """Return the head after ``epochs`` times the fidelity on a draw of labelled images."""
    stream, train = generator(run.seed), digits()[0]
    rows = torch.randperm(len(train.y), generator=stream)[:LABELLED]
    tokens, classes = frozen()(train.x[rows]), train.y[rows]
    head = Head(params, stream)
    optimizer = adam(head.parameters(), params["lr"], params["decay"])
    for _ in range(max(2, round(params["epochs"] * run.fidelity))):
        for some in batches(LABELLED, BATCH, stream):
            loss = functional.cross_entropy(head(tokens[some]), classes[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return head


def tested(head: Head, images: Images) -> float:
    """Return the accuracy of a head on images, in percent."""
    return accuracy(lambda x: head(frozen()(x)), images)


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the accuracy on held-out images; the number of trained parameters is a metric."""
    head = trained(params, run)
    size = sum(p.numel() for p in head.parameters())
    return Measurement(tested(head, digits()[1]), metrics={"trained_parameters": float(size)})


def check() -> Evidence:
    """Train both at four rates and six seeds; each head's best rate on held-out images counts, on test images."""
    default, rates, seeds = target().problem.space.default(), (1e-2, 3e-2, 1e-1, 3e-1), range(6)
    accuracies: dict[str, np.ndarray] = {}
    for head in ("mean", "moments"):
        extra = {} if head == "mean" else {"heads": 4, "size": 8, "normalize": True}
        candidates = [
            [trained({**default, **extra, "head": head, "lr": lr}, Run(seed=s)) for s in seeds]
            for lr in rates
        ]
        best = max(candidates, key=lambda heads: np.mean([tested(h, digits()[1]) for h in heads]))
        accuracies[head] = np.array([tested(h, digits()[2]) for h in best])
    gap = accuracies["moments"] - accuracies["mean"]
    error = float(gap.std(ddof=1)) / len(gap) ** 0.5
    mean, moments = (accuracies[head].mean() for head in ("mean", "moments"))
    words = f"{mean:.1f} % mean, {moments:.1f} % with moments: {gap.mean():+.1f} ± {error:.1f} points"
    return Evidence(words, bool(gap.mean() > 2 * error))
