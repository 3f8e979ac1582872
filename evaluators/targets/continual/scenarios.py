"""A scenario of continual learning: ten classes of 8 × 8 images that come in five tasks of two, in an order of its own.

Two sets of images of the same shape: ``digits``, and ``glyphs``, which are generated: smooth random patterns, each image moved
by up to a pixel, of its own contrast, with noise. Knows nothing of methods.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from ...errors import EvaluationFailed
from ..digits import CLASSES, Images, digits

TASKS, TOGETHER = 5, 2
DATA = ("digits", "glyphs")


@dataclass(frozen=True)
class ScenarioPart:
    """What comes with one task: images to train on, images to test on, and its classes."""

    train: Images
    test: Images
    classes: tuple[int, ...]


@cache
def glyphs() -> tuple[Images, Images]:
    """Return generated images to train on and to test on: 100 and 30 of each of ten patterns."""
    rng = np.random.default_rng(11)
    patterns = np.array(
        [gaussian_filter(rng.standard_normal((8, 8)), 1.2, mode="wrap") for _ in range(CLASSES)]
    )
    patterns = (patterns - patterns.min((1, 2), keepdims=True)) / np.ptp(patterns, axis=(1, 2), keepdims=True)
    sets = []
    for count in (100, 30):
        y = np.repeat(np.arange(CLASSES), count)
        moves = rng.integers(-1, 2, (len(y), 2))
        x = np.array([np.roll(patterns[c], tuple(m), (0, 1)) for c, m in zip(y, moves, strict=True)])
        x = x * rng.uniform(0.6, 1.0, (len(y), 1, 1)) + 0.15 * rng.standard_normal(x.shape)
        order = rng.permutation(len(y))
        flat = torch.from_numpy(x[order].clip(0, 1).reshape(len(y), -1)).float()
        sets.append(Images(flat, torch.from_numpy(y[order])))
    return sets[0], sets[1]


def scenario(data: str, seed: int) -> list[ScenarioPart]:
    """Return the tasks of one set of images (``""``: digits), the classes in an order that the seed draws.

    Raises EvaluationFailed for a name that is no set of images.
    """
    if data not in ("", *DATA):
        raise EvaluationFailed(
            f"the data of this target are {', '.join(DATA)}, got {data!r}.", kind="invalid"
        )
    train, test = glyphs() if data == "glyphs" else digits()[:2]
    order = np.random.default_rng([seed, 3]).permutation(CLASSES).reshape(TASKS, TOGETHER)
    return [ScenarioPart(_of(train, group), _of(test, group), tuple(group.tolist())) for group in order]


def _of(images: Images, classes: np.ndarray) -> Images:
    rows = torch.isin(images.y, torch.from_numpy(classes))
    return Images(images.x[rows], images.y[rows])


def together(parts: list[Images]) -> Images:
    """Return the images of several sets as one."""
    return Images(torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts]))
