"""Self-tuning networks: layers that answer to hyperparameters, and the step that tunes these while the layers train.

Notation: h (n, k) unconstrained hyperparameters, one row per example · σ (k,) their spread. A layer's weights are a
linear function of h, which approximates the weights that training under h would end at. It is learnt by training under
h + σ ε; then the loss on held-out data, through the layers, has a gradient in h and σ. An entropy of the spread keeps
σ where the answer of the layers is still right.
Knows nothing of studies; which hyperparameters h stands for is the training's business.
Source: MacKay, Vicol, Lorraine, Duvenaud & Grosse 2019, "Self-Tuning Networks" (arXiv 1903.03088), equations 13 to 15.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

SPREAD = 0.5
"""σ at the start, before softplus; the source's release."""


class ResponsiveLinear(nn.Module):
    """A linear layer W x + b whose weights and bias are shifted by h: plus (A h) ∘ (V x) + (C h) ∘ c.

    ``size``: inputs and outputs. ``hyperparameters``: k. Random only through ``stream``.
    """

    def __init__(self, size: tuple[int, int], hyperparameters: int, stream: torch.Generator) -> None:
        super().__init__()
        inputs, outputs = size

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(*shape, generator=stream) - 1) * inputs**-0.5)

        def small(*shape: int) -> nn.Parameter:
            return nn.Parameter(0.01 * torch.randn(*shape, generator=stream))

        self.weight, self.bias = uniform(outputs, inputs), uniform(outputs)
        self.shift, self.bias_shift = uniform(outputs, inputs), uniform(outputs)
        self.answer, self.bias_answer = small(outputs, hyperparameters), small(outputs, hyperparameters)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the outputs (n, outputs) of inputs (n, inputs) under h (n, k)."""
        shifted = (h @ self.answer.mT) * functional.linear(x, self.shift)
        return (
            functional.linear(x, self.weight, self.bias)
            + shifted
            + (h @ self.bias_answer.mT) * self.bias_shift
        )


class SelfTuner:
    """Hyperparameters of one training and their spread, moved by Adam on the loss on held-out data.

    ``start`` (k,) unconstrained. ``entropy``: weight of the spread's entropy in that loss. Not for several threads.
    """

    def __init__(self, start: Tensor, *, rate: float = 3e-3, entropy: float = 1e-3) -> None:
        self.h = start.detach().clone().requires_grad_()
        self._spread = torch.full_like(start, SPREAD, requires_grad=True)
        self._entropy = entropy
        self.optimizer = torch.optim.Adam([self.h, self._spread], lr=rate)

    @property
    def spread(self) -> Tensor:
        """σ (k,)."""
        return functional.softplus(self._spread)

    def perturbed(self, n: int, stream: torch.Generator) -> Tensor:
        """Return h + σ ε for n examples, (n, k), each with an ε of its own."""
        return self.h + self.spread * torch.randn(n, len(self.h), generator=stream)

    def tune(self, loss: Callable[[Tensor], Tensor], n: int, stream: torch.Generator) -> float:
        """Take one step of h and σ; ``loss`` maps h (n, k) to the held-out loss of n examples. Return that loss."""
        value = loss(self.perturbed(n, stream))
        entropy = self.spread.log().sum() + 0.5 * len(self.h) * math.log(2 * math.pi * math.e)
        self.optimizer.zero_grad()
        (value - self._entropy * entropy).backward()
        self.optimizer.step()
        return float(value.detach())

    def state_dict(self) -> dict[str, object]:
        """Return what ``load_state_dict`` takes."""
        return {
            "h": self.h.detach(),
            "spread": self._spread.detach(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from a state."""
        with torch.no_grad():
            for own, value in ((self.h, state["h"]), (self._spread, state["spread"])):
                assert isinstance(value, Tensor)
                own.copy_(value)
        value = state["optimizer"]
        assert isinstance(value, dict)
        self.optimizer.load_state_dict(value)
