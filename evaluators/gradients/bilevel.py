"""Bilevel optimization over many blocks: what is shared (x) is tuned while each block trains its own weights (y).

Notation: x (p,) shared · block i of m has y_i = argmin g_i(x, ·), its own training · F(x) = mean of f_i(x, y_i), what
is wanted, on held-out data · v_i solves ∇²_yy g_i v = ∇_y f_i, so that no Hessian is inverted · z estimates ∇F.
A step draws I blocks and B rows of each, and moves x and the y and v of these blocks. The gradients that y and v descend
are tracked by MSVR (a block's estimate moves when it is drawn, corrected for the steps in which it was not), z by STORM.
Knows nothing of studies: x is tuned within one training. Each g_i must be strongly convex in y.
Sources: Hu, Qiu, Guo, Zhang & Yang 2023, "Blockwise stochastic variance-reduced methods with parallel speedup for
multi-block bilevel optimization", its second method (BSVRB v2); MSVR: Jiang, Li, Wang, Zhang & Yang 2022.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ...serving.errors import InvalidInput

Losses = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""f(x (p,), y (I, q), blocks (I,), rows (I, B)): the mean loss of each block on those of its rows, (I,)."""


@dataclass(frozen=True)
class BilevelSteps:
    """How ``bilevel`` steps. Raises InvalidInput."""

    steps: int = 1000
    blocks: int = 8
    """I: drawn in each step; all where there are fewer."""
    batch: int = 16
    """B: rows of each drawn block, at each level."""
    rate: float = 0.05
    """Of x."""
    inner_rate: float = 0.1
    """Of y and v: at most 1 over the largest eigenvalue of a block's Hessian."""
    momentum: float = 0.1
    """How much of an estimate each step replaces; 1 is plain stochastic gradients, without reduced variance."""
    longest: float = 100.0
    """Norm at which v is cut off."""

    def __post_init__(self) -> None:
        for one in fields(self):
            if not getattr(self, one.name) > 0:
                raise InvalidInput(
                    f"`{one.name}` of a bilevel run must be above 0, got {getattr(self, one.name)!r}."
                )
        if self.momentum > 1:
            raise InvalidInput(f"`momentum` is a share, at most 1, got {self.momentum!r}.")


@dataclass(frozen=True)
class BilevelPoint:
    """Where a run stands: x (p,), y and v (m, q); ``hypergradient`` (p,): the estimate z of ∇F(x)."""

    x: Tensor
    y: Tensor
    v: Tensor
    hypergradient: Tensor


@dataclass(frozen=True)
class _Slopes:
    """Of drawn blocks: ``y``, ``v`` (I, q) what y and v descend, ``x`` (p,) the hypergradient."""

    y: Tensor
    v: Tensor
    x: Tensor


def bilevel(
    lower: Losses,
    upper: Losses,
    x: Tensor,
    y: Tensor,
    *,
    rows: tuple[int, int],
    how: BilevelSteps | None = None,
    seed: int = 0,
    on_step: Callable[[int, BilevelPoint], object] = lambda step, point: None,
) -> BilevelPoint:
    """Return where x (p,) and the weights y (m, q) of the blocks end.

    ``rows``: how many rows each block has at the lower level (training) and the upper one (held out). Losses must be
    twice differentiable by autograd. ``on_step`` is called after every step. Raises InvalidInput.
    """
    if y.ndim != 2 or x.ndim != 1 or min(rows) < 1:
        raise InvalidInput(
            f"`bilevel` needs x (p,), y (m, q) and rows >= 1, got {x.shape}, {y.shape}, {rows!r}."
        )
    how = how or BilevelSteps()
    stream = torch.Generator().manual_seed(seed)
    run = _Blocks(
        lower, upper, how, BilevelPoint(x.detach(), y.detach(), torch.zeros_like(y), torch.zeros_like(x))
    )
    for step in range(how.steps):
        run.step(run.draw(rows, stream))
        on_step(step, run.point)
    return run.point


class _Blocks:
    """The run of one ``bilevel``: its point, the point before, and the tracked gradients s of y and u of v."""

    def __init__(self, lower: Losses, upper: Losses, how: BilevelSteps, start: BilevelPoint) -> None:
        self._lower, self._upper, self._how = lower, upper, how
        self.point, self._before = start, start
        self._s, self._u = torch.zeros_like(start.y), torch.zeros_like(start.y)
        m = len(start.y)
        self._drawn = min(how.blocks, m)
        self._known = torch.zeros(m, dtype=torch.bool)
        # MSVR: the difference of a block's gradients is scaled by how rarely the block is drawn
        a = how.momentum
        self._gamma = (m - self._drawn) / (self._drawn * (1 - a)) + (1 - a) if a < 1 else 0.0

    def draw(self, rows: tuple[int, int], stream: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return drawn blocks (I,) and rows (I, B) of them at both levels."""
        blocks = torch.randperm(len(self.point.y), generator=stream)[: self._drawn]
        shape = (self._drawn, self._how.batch)
        inner, outer = (torch.randint(n, shape, generator=stream) for n in rows)
        return blocks, inner, outer

    def step(self, drawn: tuple[Tensor, Tensor, Tensor]) -> None:
        """Move x, and y and v of the drawn blocks."""
        how, point, blocks = self._how, self.point, drawn[0]
        now, before = self._slopes(point, drawn), self._slopes(self._before, drawn)
        self._s[blocks] = self._tracked(self._s[blocks], now.y, before.y, blocks)
        self._u[blocks] = self._tracked(self._u[blocks], now.v, before.v, blocks)
        first = not bool(self._known.any())
        z = now.x if first else now.x + (1 - how.momentum) * (point.hypergradient - before.x)
        self._known[blocks] = True
        y, v = point.y.clone(), point.v.clone()
        y[blocks] -= how.inner_rate * self._s[blocks]
        blocks_after = v[blocks] - how.inner_rate * self._u[blocks]
        v[blocks] = blocks_after * (
            how.longest / blocks_after.norm(dim=1, keepdim=True).clamp_min(how.longest)
        )
        self._before, self.point = point, BilevelPoint(point.x - how.rate * z, y, v, z)

    def _tracked(self, estimate: Tensor, now: Tensor, before: Tensor, blocks: Tensor) -> Tensor:
        average = (
            (1 - self._how.momentum) * estimate + self._how.momentum * now + self._gamma * (now - before)
        )
        return torch.where(self._known[blocks, None], average, now)

    def _slopes(self, at: BilevelPoint, drawn: tuple[Tensor, Tensor, Tensor]) -> _Slopes:
        blocks, inner, outer = drawn
        x, y, v = at.x.clone().requires_grad_(), at.y[blocks].clone().requires_grad_(), at.v[blocks]
        (g_y,) = torch.autograd.grad(self._lower(x, y, blocks, inner).sum(), y, create_graph=True)
        # d/d(x, y) of <∇_y g, v>: the products of the cross derivative and of the Hessian with v
        cross, hessian = torch.autograd.grad((g_y * v).sum(), (x, y), allow_unused=True)
        f_x, f_y = torch.autograd.grad(self._upper(x, y, blocks, outer).sum(), (x, y), allow_unused=True)
        none = torch.zeros_like
        f_y, f_x, cross, hessian = (
            none(like) if slope is None else slope
            for slope, like in ((f_y, y), (f_x, x), (cross, x), (hessian, y))
        )
        return _Slopes(g_y.detach(), hessian - f_y, (f_x - cross) / len(blocks))
