"""Choices among operations as weights that are learnt by gradients: a grid of choices is searched in one training.

Notation: α (k,) of one choice among k operations · w = softmax(α). DARTS mixes outputs by w. Max-W mixes them by
1 - max(w) + w, max(w) a constant: the leading operation has weight 1, none is starved because another leads, and all
weights fall apart only as the choice becomes clear.
Knows nothing of studies and of what the operations are.
Sources: Hundt, Jain & Hager 2019, "sharpDARTS" (arXiv 1903.09900), sections on differentiable hyperparameter grid
search and Max-W; DARTS: Liu, Simonyan & Yang 2018.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Weighting = Literal["max-w", "softmax"]


def choice_weights(alpha: Tensor, weighting: Weighting = "max-w") -> Tensor:
    """Return the weights (k,) by which outputs of operations are mixed."""
    w = alpha.softmax(0)
    return w if weighting == "softmax" else 1 - w.max().detach() + w


class Choices(nn.Module):
    """α of several choices. ``sizes``: how many operations each has; all are equal at the start."""

    def __init__(self, sizes: Sequence[int], weighting: Weighting = "max-w") -> None:
        super().__init__()
        self.alphas = nn.ParameterList(torch.zeros(n) for n in sizes)
        self._weighting: Weighting = weighting

    def mixed(self, place: int, outputs: Sequence[Tensor]) -> Tensor:
        """Return the mixture of what the operations of one choice return."""
        weights = choice_weights(self.alphas[place], self._weighting)
        return sum((w * out for w, out in zip(weights, outputs, strict=True)), torch.zeros(()))

    def chosen(self) -> list[int]:
        """Return the operation of the largest weight for each choice, the first of equal ones."""
        return [int(alpha.argmax()) for alpha in self.alphas]
