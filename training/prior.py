"""The synthetic prior: trial histories of the functions in ``functions.py``, all drawn on the fly.

Notation: B functions at once · P points · d parameters · T trials of which the first n are history. Smaller is better.
"""

import math

import torch
from functions import FAMILIES, Functions, U
from torch import Tensor

from trialogue.prompts import number_dialect as nd

__all__ = [
    "FAMILIES",
    "Functions",
    "U",
    "gumbel",
    "histories",
    "pick_history",
    "pool",
    "searched",
    "tokenised",
]

EDGES = torch.tensor(nd.SCORE_EDGES, dtype=torch.float32)
LEVEL_EDGES = torch.tensor(nd.LEVEL_EDGES, dtype=torch.float32)


def warp(z: Tensor) -> Tensor:
    """``number_dialect.warp`` in torch."""
    return torch.where(
        z < 0, -torch.log1p(-z.clamp(max=0)), torch.where(z <= 1, z, 1 + torch.log(z.clamp(min=1)))
    )


def bins(x: Tensor) -> Tensor:
    return (x * nd.BINS).long().clamp(0, nd.BINS - 1)


def gumbel(*shape: int) -> Tensor:
    return -torch.log(-torch.log(U(*shape).clamp(1e-9, 1 - 1e-7)))


def reflect(x: Tensor) -> Tensor:
    x = torch.where(x < 0, -x, torch.where(x > 1, 2 - x, x))
    return x.clamp(0, 1)


def pool(f: Functions) -> tuple[Tensor, Tensor, Tensor, int]:
    """Return points (B, P, d) refined around the good ones, values, failures, and how many of them are uniform."""
    B, d = f.B, f.d
    first = 160
    X = f.axes.snap(U(B, first, d))
    Y, F = f(X), f.fails(X)
    rounds = ((8.0, 0.025, 128), (20.0, 0.02, 96), (40.0, 0.01, 64), (60.0, 0.006, 64))
    rounds = (*rounds[:2], (30.0, 0.02, 96), *rounds[2:]) if d >= 5 else rounds
    for temperature, scale, p in rounds:
        rank = Y.masked_fill(F, math.inf).argsort(1).argsort(1).float() / Y.shape[1]
        base_at = torch.multinomial(torch.softmax(-temperature * rank, 1), p, replacement=True)
        base = torch.gather(X, 1, base_at[..., None].expand(-1, -1, d))
        few = torch.where(U(B, p, 1) < 0.4, torch.tensor(1.5 / d), torch.tensor(1.0))
        x = reflect(base + torch.randn(B, p, d) * torch.exp(U(B, p, 1) * 2.5) * scale * (U(B, p, d) < few))
        x = f.axes.snap(torch.where(f.axes.categorical[:, None] & (U(B, p, d) < 0.3), U(B, p, d), x))
        X, Y, F = torch.cat([X, x], 1), torch.cat([Y, f(x)], 1), torch.cat([F, f.fails(x)], 1)
    return X, Y, F, first


def pick_history(rank: Tensor, n: int, first: int) -> Tensor:
    """Return indices (B, n) of a history: from uniform draws to one that has closed in on the optimum."""
    B, P = rank.shape
    uniform = torch.zeros(1, P, dtype=torch.bool)
    uniform[:, :first] = True
    tau = torch.tensor([0.0, 0.0, 3.0, 6.0, 10.0])[torch.randint(0, 5, (B, 1))]
    cut = torch.tensor([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5])[torch.randint(0, 7, (B, 1))]
    logit = torch.where(uniform, -tau * rank * 0.5 + 0.5, -tau * rank)
    logit = logit.masked_fill(~uniform & ((tau == 0) | (rank < cut)), -1e9)
    chosen = (logit + gumbel(B, P)).topk(n, 1).indices
    return torch.gather(chosen, 1, U(B, n).argsort(1))


def searched(f: Functions, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return a history (B, n, d), (B, n), (B, n) as a search leaves it that knows no more than its own trials.

    Histories picked by their true ranks (``pick_history``) have always closed in on the best basin: from them alone a
    model learns that where the trials are dense nothing better can be far, and stays in the first basin it finds.
    """
    B, d = f.B, f.d
    x = f.axes.snap(U(B, int(torch.randint(min(n, max(2, n // 6)), n + 1, (1,))), d))
    y, failed = f(x), f.fails(x)
    temperature = torch.tensor([4.0, 15.0, 60.0])[torch.randint(0, 3, (B, 1))]
    while x.shape[1] < n:
        p = min(n - x.shape[1], int(torch.randint(1, max(2, n // 3) + 1, (1,))))
        rank = y.masked_fill(failed, math.inf).argsort(1).argsort(1).float() / y.shape[1]
        at = torch.multinomial(torch.softmax(-temperature * rank, 1), p, replacement=True)
        base = torch.gather(x, 1, at[..., None].expand(-1, -1, d))
        few = torch.where(U(B, p, 1) < 0.4, torch.tensor(1.5 / d), torch.tensor(1.0))
        near = reflect(base + torch.randn(B, p, d) * torch.exp(U(B, p, 1) * 3.0 - 4.6) * (U(B, p, d) < few))
        new = f.axes.snap(torch.where(U(B, p, 1) < 0.12, U(B, p, d), near))
        x, y, failed = torch.cat([x, new], 1), torch.cat([y, f(new)], 1), torch.cat([failed, f.fails(new)], 1)
    order = U(B, n).argsort(1)
    return (
        torch.gather(x, 1, order[..., None].expand(-1, -1, d)),
        torch.gather(y, 1, order),
        torch.gather(failed, 1, order),
    )


def query_points(f: Functions, x: Tensor, y_rank: Tensor, m: int) -> Tensor:
    """Return (B, m, d) points for ``?``. They must depend on f through the history alone: picked by peeking, a
    query would say of itself that it is good, and the model would learn to believe it."""
    B, _, d = x.shape
    tau = torch.tensor([0.0, 4.0, 12.0])[torch.randint(0, 3, (B, 1))]
    at = torch.multinomial(torch.softmax(-tau * y_rank, 1), m, replacement=True)
    base = torch.gather(x, 1, at[..., None].expand(-1, -1, d))
    few = torch.where(U(B, m, 1) < 0.4, torch.tensor(1.5 / d), torch.tensor(1.0))
    near = reflect(base + torch.randn(B, m, d) * torch.exp(U(B, m, 1) * 3.2 - 4.2) * (U(B, m, d) < few))
    near = torch.where(f.axes.categorical[:, None] & (U(B, m, d) < 0.3), U(B, m, d), near)
    return f.axes.snap(torch.where(U(B, m, 1) < 0.5, near, U(B, m, d)))


@torch.no_grad()
def histories(
    B: int,
    d: int,
    T: int,
    n: int,
    *,
    query_share: float = 0.5,
    families: Tensor | None = None,
    search: bool = False,
) -> dict:
    """Return B sequences: ``tokens`` (B, 1+d+T(d+2)), targets ``y`` (B, T), ``x`` (B, T, d; -1 where off), ``goal``.

    ``search``: whether histories are those of a search (``searched``), or picked by their true ranks.
    """
    weights = torch.ones(len(FAMILIES)) if families is None else families
    family = torch.multinomial(weights, B, replacement=True)
    f = Functions(B, d, family)
    X, Y, F, first = pool(f)
    if search:
        X, Y, F = (torch.cat(parts, 1) for parts in zip((X, Y, F), searched(f, n), strict=True))
    P, m = Y.shape[1], T - n
    sd = Y[:, :first].std(1, keepdim=True)
    Y = Y + 1e-6 * torch.randn(B, P) * sd
    rank = Y.masked_fill(F, math.inf).argsort(1).argsort(1).float() / P
    seen = torch.arange(P - n, P).expand(B, -1) if search else pick_history(rank, n, first)
    # A history with fewer than two values says nothing: such functions do not fail at all.
    alive = (~torch.gather(F, 1, seen)).sum(1, keepdim=True) >= 2
    F = F & alive
    best = Y.masked_fill(F, math.inf).argmin(1, keepdim=True)
    used = torch.zeros(B, P, dtype=torch.bool).scatter_(1, seen, True).scatter_(1, best, True)
    tau = torch.tensor([0.0, 4.0, 15.0])[torch.randint(0, 3, (B, 1))]
    logit = torch.where(U(B, P) < 0.5, -tau * rank, torch.zeros(1)) + gumbel(B, P)
    asked = logit.masked_fill(used | F, -1e9).topk(m, 1).indices
    asked = torch.gather(asked, 1, U(B, m).argsort(1))
    where = torch.randint(0, m, (B, 1))
    where = torch.where(U(B, 1) < 0.5, (where * 0.3).long(), where)
    asked.scatter_(1, where, best)
    chosen = torch.cat([seen, asked], 1)
    x, y = torch.gather(X, 1, chosen[..., None].expand(-1, -1, d)), torch.gather(Y, 1, chosen)
    failed = torch.gather(F, 1, chosen)
    y_rank = y[:, :n].masked_fill(failed[:, :n], math.inf).argsort(1).argsort(1).float() / n
    queries = query_points(f, x[:, :n], y_rank, m)
    is_query = (U(B, m) < query_share).scatter_(1, where, U(B, 1) < (query_share - 0.9) * 10)
    x = torch.cat([x[:, :n], torch.where(is_query[..., None], queries, x[:, n:])], 1)
    y = torch.cat([y[:, :n], torch.where(is_query, f(queries), y[:, n:])], 1)
    failed = torch.cat([failed[:, :n], torch.where(is_query, f.fails(queries) & alive, failed[:, n:])], 1)
    y = y + sd * f.noise_sd(x) * torch.randn(B, T)
    active = f.axes.active(x)
    return tokenised(x, y, failed, is_query, where, n, active, f.axes.categorical) | {"family": family}


def tokenised(
    x: Tensor,
    y: Tensor,
    failed: Tensor,
    is_query: Tensor,
    where: Tensor,
    n: int,
    active: Tensor,
    categorical: Tensor,
) -> dict:
    """Return the sequences as tokens, with scores relative to the history's best and median."""
    B, T, d = x.shape
    ok = y[:, :n].masked_fill(failed[:, :n], math.inf).sort(1).values
    count = (~failed[:, :n]).sum(1, keepdim=True)
    best, median = ok[:, :1], torch.gather(ok, 1, (count // 2).clamp(max=n - 1))
    z = ((y - best) / (median - best).clamp(min=1e-9)).clamp(-50, 1e4)
    u = warp(z).contiguous()
    y_bin = torch.bucketize(u, EDGES[1:-1].contiguous())
    y_bin = torch.where(failed, nd.BINS, y_bin)
    goal = nd.LEVEL0 + torch.bucketize(u, LEVEL_EDGES)
    goal.scatter_(1, n + where, nd.OPTIMUM)
    goal[:, n:] = torch.where(is_query, nd.QUERY, goal[:, n:])
    goal[:, :n] = nd.TRIAL
    x_bin = bins(x)
    tokens = torch.zeros(B, T, d + 2, dtype=torch.long)
    tokens[..., 0] = goal
    tokens[..., 1 : d + 1] = torch.where(active, nd.X0 + x_bin + nd.BINS * torch.arange(d), nd.OFF)
    tokens[..., d + 1] = torch.where(failed, nd.FAIL, nd.Y0 + y_bin)
    head = torch.where(categorical, nd.CATEGORICAL, nd.NUMERIC)
    head = torch.cat([torch.full((B, 1), nd.BOS), head], 1)
    x_bin = torch.where(active, x_bin, -1)
    return {"tokens": torch.cat([head, tokens.view(B, -1)], 1), "y": y_bin, "x": x_bin, "goal": goal}
