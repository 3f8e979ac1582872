"""Random directions of many weights at little cost: θ = θ₀ + P z with a structured P that is never written down.

P is a stack of blocks H G Π H B of size ℓ, the next power of two after d: random signs B, the Hadamard transform H, a random
permutation Π, Gaussian lengths G, and H again. It costs O(D log d) time and O(D) memory, where a dense matrix costs D d.
Each block is scaled so that columns of P have length 1 exactly where ℓ divides D; they are orthogonal in expectation.
Knows nothing of studies.

Notation: D weights · z (d,) · P (D, d).
Sources: Le, Sarlós & Smola 2013, "Fastfood: approximating kernel expansions in loglinear time"; as the projection to an
intrinsic dimension: Li, Farkhoor, Liu & Yosinski 2018.
"""

import math

import torch
from torch import Tensor

from ...serving.errors import InvalidInput


def hadamard_transform(x: Tensor) -> Tensor:
    """Return H x along the last dimension (…, ℓ), ℓ a power of two; H has entries ±1. Differentiable."""
    shape, n = x.shape, 1
    while n < shape[-1]:
        a, b = x.reshape(*shape[:-1], -1, 2, n).unbind(-2)
        x, n = torch.stack((a + b, a - b), -2).reshape(shape), 2 * n
    return x


class Fastfood:
    """P (D, d) as an operator. ``P(z)`` is P z (D,), differentiable in z (d,). Raises InvalidInput."""

    def __init__(self, D: int, d: int, stream: torch.Generator) -> None:
        if not 1 <= d <= D:
            raise InvalidInput(f"a projection needs 1 <= d <= D, got d={d!r} and D={D!r}.")
        self.D, self.d = D, d
        self._length = 1 << (d - 1).bit_length()
        blocks = -(-D // self._length)
        shape = (blocks, self._length)
        self._signs = 2.0 * torch.randint(2, shape, generator=stream) - 1
        self._order = torch.rand(shape, generator=stream).argsort(1)
        gaussian = torch.randn(shape, generator=stream)
        self._gaussian = gaussian / gaussian.norm(dim=1, keepdim=True) / math.sqrt(D)

    def __call__(self, z: Tensor) -> Tensor:
        """Return P z (D,)."""
        padded = torch.nn.functional.pad(z, (0, self._length - self.d))
        mixed = hadamard_transform(self._signs * padded).gather(1, self._order)
        return hadamard_transform(self._gaussian * mixed).reshape(-1)[: self.D]
