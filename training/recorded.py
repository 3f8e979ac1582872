"""Histories of recorded surfaces (``surfaces.py``), with and without names, in the form of ``prior.histories``.

Trials, queries and optima are recorded configurations: nothing is interpolated. ``?`` asks for uniform configurations
only: those recorded near the best would give away that they are good. Without names, axes are mirrored at random, so
that a nameless parameter has no habits; with names, single words are left out at random.
Letters as in ``prior.py``; N tables of P configurations.
"""

import math
import random
from pathlib import Path

import torch
from prior import U, gumbel, pick_history, tokenised
from torch import Tensor

from trialogue.prompts import number_dialect as nd
from trialogue.prompts.meanings import WORDS

FIRST = 72  # of each table: drawn uniformly
LENGTHS = {16: 0.35, 24: 0.35, 36: 0.2, 48: 0.1}


class Recorded:
    """A file of tables on one device. ``kept_out``: the first so many are for validation."""

    def __init__(self, path: Path, kept_out: int = 0) -> None:
        stored = torch.load(path, weights_only=True, map_location="cpu")
        tables = {k: v.to(torch.get_default_device()) for k, v in stored.items()}
        self.held = {k: v[:kept_out] for k, v in tables.items()}
        self.tables = {k: v[kept_out:] for k, v in tables.items()}
        self.dimensions = sorted(set(self.tables["d"].tolist()))
        self.shares = [float((self.tables["d"] == d).sum()) for d in self.dimensions]

    @property
    def words(self) -> list[int]:
        """Which words occur."""
        return sorted({int(w) for w in self.tables["words"].unique() if w >= 0})

    def batch(self, tokens: int, rng: random.Random) -> tuple[dict, int, int]:
        """Return histories of about ``tokens`` tokens, their dimension and length; three of five with names."""
        d = rng.choices(self.dimensions, self.shares)[0]
        T = rng.choices(list(LENGTHS), list(LENGTHS.values()))[0]
        n, size = rng.randint(2, T - 5), max(3, tokens // (T * (d + 2)))
        how = {"named": rng.random() < 0.6, "search": rng.random() < 0.5}
        return recorded_histories(self.tables, size, d, T, n, **how), d, n


@torch.no_grad()
def recorded_histories(
    tables: dict,
    B: int,
    d: int,
    T: int,
    n: int,
    *,
    named: bool,
    search: bool = False,
    query_share: float = 0.5,
    drop: float = 0.12,
) -> dict:
    """Return B sequences as ``prior.histories`` does, from tables of d parameters."""
    those = (tables["d"] == d).nonzero()[:, 0]
    at = those[torch.randint(0, len(those), (B,))]
    columns = (U(B, d) + tables["depth"][at][:, :d]).argsort(1)  # parents first, as where the model is used
    X = torch.gather(tables["X"][at][..., :d], 2, columns[:, None].expand(-1, tables["X"].shape[1], -1))
    Y, m = tables["y"][at], T - n
    F = ~torch.isfinite(Y)
    sd = torch.where(F, torch.nan, Y).nan_to_num(0).std(1, keepdim=True).clamp(min=1e-12)
    Y = torch.where(F, 0.0, Y) + 1e-7 * sd * torch.randn(Y.shape)
    rank = Y.masked_fill(F, math.inf).argsort(1).argsort(1).float() / Y.shape[1]
    seen = _searched(X, rank, n) if search else pick_history(rank, n, FIRST)
    F = F & ((~torch.gather(F, 1, seen)).sum(1, keepdim=True) >= 2)
    best = Y.masked_fill(F, math.inf).argmin(1, keepdim=True)
    used = torch.zeros(F.shape, dtype=torch.bool).scatter_(1, seen, True)
    where = torch.randint(0, m, (B, 1))
    is_query = (U(B, m) < query_share).scatter_(1, where, False)
    tau = torch.tensor([0.0, 4.0, 15.0])[torch.randint(0, 3, (B, 1))]
    asked = _drawn(gumbel(*Y.shape) - tau * rank, used | F, m)
    uniform = used.clone()
    uniform[:, FIRST:] = True
    queries = _drawn(gumbel(*Y.shape), uniform, m)
    asked = torch.where(is_query, queries, asked).scatter_(1, where, best)
    chosen = torch.cat([seen, asked], 1)
    x = torch.gather(X, 1, chosen[..., None].expand(-1, -1, d))
    categorical = torch.gather(tables["categorical"][at][:, :d], 1, columns)
    on = torch.gather(tables["active"][at][..., :d], 2, columns[:, None].expand(-1, X.shape[1], -1))
    on = torch.gather(on, 1, chosen[..., None].expand(-1, -1, d))
    if not named:
        mirrored = (U(B, 1, d) < 0.5) & ~categorical[:, None]
        x = torch.where(mirrored, 1 - x, x)
    y, failed = torch.gather(Y, 1, chosen), torch.gather(F, 1, chosen)
    data = tokenised(x, y, failed, is_query, where, n, on, categorical)
    if named:
        words = torch.gather(tables["words"][at][:, :d], 1, columns)
        usual = torch.gather(tables["usual"][at][..., :d], 2, columns[:, None].expand(-1, 3, -1))
        data["tokens"] = introduced(data["tokens"], words, usual, d, drop)
    return data


def _searched(X: Tensor, rank: Tensor, n: int) -> Tensor:
    """Return indices (B, n) of a history: uniform configurations, then ones near the best of those already taken."""
    B, P = rank.shape
    first = int(torch.randint(min(n, max(2, n // 6)), n + 1, (1,)))
    seen = U(B, FIRST).topk(first, 1).indices
    while seen.shape[1] < n:
        p = min(n - seen.shape[1], int(torch.randint(1, max(2, n // 3) + 1, (1,))))
        leader = seen.gather(1, torch.gather(rank, 1, seen).argmin(1, keepdim=True))
        distance = (X - torch.gather(X, 1, leader[..., None].expand(-1, -1, X.shape[2]))).norm(dim=2)
        score = gumbel(B, P) - distance / torch.exp(U(B, 1) * 3.0 - 3.5)
        seen = torch.cat([seen, score.scatter_(1, seen, -1e9).topk(p, 1).indices], 1)
    return torch.gather(seen, 1, U(B, n).argsort(1))


def _drawn(score: Tensor, forbidden: Tensor, m: int) -> Tensor:
    """Return m distinct indices per row, in random order."""
    indices = score.masked_fill(forbidden, -1e9).topk(m, 1).indices
    return torch.gather(indices, 1, U(*indices.shape).argsort(1))


def introduced(tokens: Tensor, words: Tensor, usual: Tensor, d: int, drop: float) -> Tensor:
    """Return sequences whose parameters are told by words, with the trials of usual values and useful ranges."""
    B = len(tokens)
    told = (words >= 0) & (drop <= U(*words.shape))
    kinds = torch.where(told, nd.Dialect(meanings=WORDS).meaning0 + words, tokens[:, 1 : 1 + d])
    known = torch.isfinite(usual) & told[:, None]
    bins = (usual.nan_to_num(0) * nd.BINS).long().clamp(0, nd.BINS - 1)
    numbers = torch.where(known, nd.X0 + bins + nd.BINS * torch.arange(d), nd.OFF)
    goals = torch.tensor([nd.USUAL, nd.USEFUL_LOW, nd.USEFUL_HIGH])[None, :, None].expand(B, -1, -1)
    trials = torch.cat([goals, numbers, torch.full((B, 3, 1), nd.PAD)], 2).view(B, -1)
    return torch.cat([tokens[:, :1], kinds, trials, tokens[:, 1 + d :]], 1)


def recorded_sets(tables: dict) -> list[tuple[tuple[int, int, bool], dict]]:
    """Return fixed validation sets ((d, n, named), data): the same histories with and without names."""
    sets = []
    for d in sorted(set(tables["d"].tolist())):
        for n in (6, 14, 24):
            for named in (True, False):
                torch.manual_seed(1000 * d + n)
                data = recorded_histories(tables, 48, d, n + 6, n, named=named, query_share=0.85, drop=0.0)
                sets.append(((d, n, named), data))
    return sets
