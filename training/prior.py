"""The synthetic prior: functions on the unit cube and trial histories of them, all drawn on the fly.

Notation: B functions at once · P points · d parameters · T trials of which the first n are history. Smaller is better.
Every function is a mixture of seven families, one of them dominant, seen through warped axes, categorical and
discretised parameters, a conditional branch, an output transform, a cap, a failing region and noise whose size may
depend on x. Sources: RFF Gaussian processes (Rahimi & Recht 2007); the rest is ours, after the experiment's notes.
"""

import math

import torch
from torch import Tensor

from trialogue.prompts import number_dialect as nd

FAMILIES = ("gp", "additive", "bowl", "wells", "valley", "interaction", "cliff")
FEATURES = 96  # random Fourier features per function: enough for the longest histories we show
WELLS = 5
EDGES = torch.tensor(nd.SCORE_EDGES, dtype=torch.float32)
LEVEL_EDGES = torch.tensor(nd.LEVEL_EDGES, dtype=torch.float32)


def U(*shape: int) -> Tensor:
    return torch.rand(*shape)


def log_uniform(low: float, high: float, *shape: int) -> Tensor:
    return torch.exp(U(*shape) * (math.log(high) - math.log(low)) + math.log(low))


def warp(z: Tensor) -> Tensor:
    """``number_dialect.warp`` in torch."""
    return torch.where(
        z < 0, -torch.log1p(-z.clamp(max=0)), torch.where(z <= 1, z, 1 + torch.log(z.clamp(min=1)))
    )


def bins(x: Tensor) -> Tensor:
    return (x * nd.BINS).long().clamp(0, nd.BINS - 1)


class Axes:
    """What the parameters are: numbers, levels or categories, warped, relevant or not, and active under conditions."""

    def __init__(self, B: int, d: int) -> None:
        self.categorical = (U(B, d) < 0.12) & (U(B, 1) < 0.6)
        self.k = torch.randint(2, 7, (B, d))
        self.level_of = torch.gather(U(B, d, 8), 2, U(B, d, 8).argsort(-1))
        self.parent = torch.randint(0, d, (B, 1))
        conditional = (U(B, 1) < 0.15) if d >= 3 else torch.zeros(B, 1, dtype=torch.bool)
        is_parent = torch.zeros(B, d, dtype=torch.bool).scatter_(1, self.parent, conditional)
        self.categorical |= is_parent
        self.k = torch.where(is_parent, 2 + self.k % 3, self.k)
        self.child = conditional & ~is_parent & (U(B, d) < 0.45)
        on = U(B, d, 8) < 0.5
        on[..., 0] |= ~on[..., :2].any(-1)
        self.active_at = on
        self.discrete = (U(B, d) < 0.12) & ~self.categorical
        self.levels = torch.randint(3, 20, (B, d)).float()
        one = torch.ones(B, d)
        self.a = torch.where(U(B, d) < 0.4, log_uniform(0.35, 2.8, B, d), one)
        self.b = torch.where(U(B, d) < 0.4, log_uniform(0.35, 2.8, B, d), one)
        self.relevance = torch.where(U(B, d) < 0.5 * U(B, 1), U(B, d) * 0.15, one)

    def snap(self, x: Tensor) -> Tensor:
        """Return the representable point nearest to each row: category, level or bin centres."""
        k, levels = self.k[:, None], self.levels[:, None]
        category = ((x * k).floor().clamp(max=k - 1) + 0.5) / k
        level = (x * (levels - 1)).round() / (levels - 1)
        number = ((x * nd.BINS).floor().clamp(0, nd.BINS - 1) + 0.5) / nd.BINS
        return torch.where(
            self.categorical[:, None], category, torch.where(self.discrete[:, None], level, number)
        )

    def active(self, x: Tensor) -> Tensor:
        """Return which parameters exist at each point (B, P, d)."""
        parent = torch.gather(x, 2, self.parent[:, None].expand(-1, x.shape[1], -1))[..., 0]
        choice = (parent * torch.gather(self.k, 1, self.parent)).long().clamp(0, 7)
        on = torch.gather(
            self.active_at[:, None].expand(-1, x.shape[1], -1, -1),
            3,
            choice[..., None, None].expand(-1, -1, x.shape[2], 1),
        )
        return on[..., 0] | ~self.child[:, None]

    def inner(self, x: Tensor) -> Tensor:
        """Return where the function is evaluated: shuffled categories, 0.5 where inactive, warped axes."""
        choice = (x * self.k[:, None]).long().clamp(0, 7)
        shuffled = torch.gather(self.level_of[:, None].expand(-1, x.shape[1], -1, -1), 3, choice[..., None])[
            ..., 0
        ]
        z = torch.where(self.categorical[:, None], shuffled, x)
        z = torch.where(self.active(x), z, 0.5).clamp(1e-4, 1 - 1e-4)
        return 1 - (1 - z ** self.a[:, None]) ** self.b[:, None]


class Functions:
    """B random functions of d parameters. The first call fixes their scale: it must be on uniform points."""

    def __init__(self, B: int, d: int, family: Tensor) -> None:
        self.B, self.d = B, d
        self.axes = Axes(B, d)
        rel = self.axes.relevance
        self._gp(rel)
        self._smooth(rel)
        self._structured(rel)
        w = -torch.log(U(B, len(FAMILIES))) * (U(B, len(FAMILIES)) < 0.3) * U(B, 1) * 0.8
        self.w = w.scatter_add(1, family[:, None], torch.ones(B, 1))
        self.w = self.w / self.w.sum(1, keepdim=True)
        self.output = torch.randint(0, 7, (B, 1))
        self.curve = log_uniform(0.3, 2.0, B, 1)
        self.capped, self.cap_at = U(B, 1) < 0.12, 0.4 + 0.5 * U(B, 1)
        self.fail_kind = torch.randint(1, 5, (B, 1)) * (U(B, 1) < 0.22)
        self.fail_at, self.fail_w, self.fail_c = 0.6 + 0.38 * U(B, 1), torch.randn(B, d) * rel, U(B, d)
        self.noise = torch.where(U(B, 1) < 0.45, 10 ** (U(B, 1) * 2.3 - 3), torch.zeros(B, 1))
        self.noise_slope = torch.randn(B, d) * 2.0 * (U(B, 1) < 0.4)
        self.fixed: dict[str, Tensor] = {}

    def _gp(self, rel: Tensor) -> None:
        B, d = self.B, self.d
        scale = log_uniform(0.12, 1.6, B, d) * d**0.35 * log_uniform(0.7, 1.4, B, 1)
        student = (
            torch.distributions.Gamma(torch.tensor(2.5), torch.tensor(2.5)).sample((B, FEATURES, 1)).rsqrt()
        )
        chi = torch.where(U(B, 1, 1) < 0.5, torch.ones(B, FEATURES, 1), student)
        self.W = torch.randn(B, FEATURES, d) * chi * (rel / scale)[:, None]
        self.phase, self.amp = (
            U(B, FEATURES) * 2 * math.pi,
            torch.randn(B, FEATURES) / math.sqrt(FEATURES / 2),
        )

    def _smooth(self, rel: Tensor) -> None:
        B, d = self.B, self.d
        self.c, self.power = (
            U(B, d) * 1.1 - 0.05,
            torch.tensor([1.0, 2.0, 2.0, 4.0])[torch.randint(0, 4, (B, d))],
        )
        self.aw, self.trend = log_uniform(0.1, 3, B, d) * rel, torch.randn(B, d) * rel * (U(B, d) < 0.5)
        self.step_at, self.step = U(B, d), torch.randn(B, d) * rel * (U(B, d) < 0.3)
        self.step_k = log_uniform(5, 60, B, d)
        self.saturate, self.rate = torch.randn(B, d) * rel * (U(B, d) < 0.4), log_uniform(2, 25, B, d)
        self.rip, self.rip_amp = log_uniform(2, 16, B, d), U(B, 1) ** 2 * (U(B, 1) < 0.4)
        self.c2 = U(B, d)
        A = torch.randn(B, d, d) * (U(B, 1, 1) < 0.6) * 0.6 + torch.diag_embed(torch.ones(B, d))
        self.A = A * (log_uniform(0.3, 3, B, d) * rel)[:, None]
        self.bowl, self.bowl_s = torch.randint(0, 5, (B, 1)), log_uniform(0.01, 1, B, 1)

    def _structured(self, rel: Tensor) -> None:
        B, d = self.B, self.d
        narrow = log_uniform(0.8, 6.0, B, WELLS, 1) * log_uniform(0.6, 1.6, B, WELLS, d)
        self.well_c, self.well_s = U(B, WELLS, d), narrow * rel[:, None] / max(1.0, d / 6) ** 0.5
        alive = U(B, WELLS) < torch.tensor([1.0, 0.8, 0.6, 0.5, 0.4])
        self.well_h = alive * log_uniform(0.3, 1.0, B, WELLS)
        pairs = max(3, d // 2 + 1)
        self.i = torch.randint(0, d, (B, pairs))
        self.j = (self.i + torch.randint(1, max(2, d), (B, pairs))) % d
        alive = U(B, pairs) < torch.linspace(1.0, 0.3, pairs)
        self.v, self.v_at = torch.randn(B, pairs, 3), U(B, pairs)
        self.v_w, self.m_w = log_uniform(0.2, 2, B, pairs) * alive, torch.randn(B, pairs) * alive
        self.m_f, self.m_p = log_uniform(0.5, 6, B, pairs, 2), U(B, pairs, 2) * 2 * math.pi
        self.cliff_w, self.cliff_at = torch.randn(B, 4, d) * rel[:, None], U(B, 4, d)
        self.cliff_k, self.cliff_h = log_uniform(4, 80, B, 4), torch.randn(B, 4) * (U(B, 4) < 0.7)

    def _components(self, x: Tensor) -> Tensor:
        """Return the seven families at warped points x: (B, P, 7)."""
        gp = (
            torch.cos(torch.baddbmm(self.phase[:, None], x, self.W.transpose(1, 2))) * self.amp[:, None]
        ).sum(-1)
        e = lambda t: t[:, None]  # noqa: E731 - broadcast over points
        dx = x - e(self.c)
        add = e(self.aw) * dx.abs() ** e(self.power) + e(self.trend) * x
        add = add + e(self.step) * torch.sigmoid(e(self.step_k) * (x - e(self.step_at)))
        add = add + e(self.saturate) * torch.exp(-e(self.rate) * x)
        relevance = e(self.axes.relevance)
        add = (add - e(self.rip_amp) * 0.3 * relevance * torch.cos(2 * math.pi * e(self.rip) * dx)).sum(-1)
        q = (torch.bmm(x - e(self.c2), self.A) ** 2).sum(-1)
        s = self.bowl_s
        shapes = (
            q,
            (q + 1e-6).sqrt(),
            (q + s).log(),
            -torch.exp(-q / s.sqrt() * 0.5),
            -torch.exp(-q.sqrt() / s.sqrt()),
        )
        q = torch.gather(torch.stack(shapes, -1), 2, self.bowl[:, :, None].expand(-1, x.shape[1], -1))[..., 0]
        q_sd = self._fix("bowl", lambda: q.std(1, keepdim=True))
        q = q - e(self.rip_amp)[..., 0] * 0.3 * q_sd * torch.cos(
            2 * math.pi * e(self.rip) * (x - e(self.c2))
        ).mean(-1)
        wells = -(
            e(self.well_h) * torch.exp(-(((x[:, :, None] - e(self.well_c)) * e(self.well_s)) ** 2).sum(-1))
        ).sum(-1)
        xi, xj = (torch.gather(x, 2, e(index).expand(-1, x.shape[1], -1)) for index in (self.i, self.j))
        v = e(self.v)
        valley = (
            e(self.v_w) * (xi - e(self.v_at) - v[..., 0] * (xj - 0.5) - 2 * v[..., 1] * (xj - 0.5) ** 2) ** 2
        )
        wave = lambda t, o: torch.cos(e(self.m_f[..., o]) * math.pi * t + e(self.m_p[..., o]))  # noqa: E731
        product = e(self.m_w) * wave(xi, 0) * wave(xj, 1)
        t = torch.einsum("bpd,bkd->bpk", x, self.cliff_w) - (self.cliff_w * self.cliff_at).sum(-1)[:, None]
        cliff = (e(self.cliff_h) * torch.sigmoid(e(self.cliff_k) * t)).sum(-1) + 0.15 * add
        return torch.stack([gp, add, q, wells, valley.sum(-1), product.sum(-1), cliff], -1)

    def _fix(self, name: str, compute) -> Tensor:
        if name not in self.fixed:
            self.fixed[name] = compute()
        return self.fixed[name]

    def __call__(self, x: Tensor) -> Tensor:
        """Return noise-free values (B, P) at snapped points."""
        C = self._components(self.axes.inner(x))
        mean = self._fix("mean", lambda: C.mean(1, keepdim=True))
        # A narrow well is invisible to uniform points: its own depth then sets the scale, or it would be a needle.
        depth = torch.zeros(self.B, 1, len(FAMILIES))
        depth[:, 0, 3] = 0.15 * self.well_h.amax(1)
        depth[:, 0, 2] = torch.where(self.bowl[:, 0] >= 3, 0.15, 0.0)
        sd = self._fix("sd", lambda: torch.maximum(C.std(1, keepdim=True), depth) + 1e-5)
        f = (((C - mean) / sd) * self.w[:, None]).sum(-1)
        m2 = self._fix("m2", lambda: f.mean(1, keepdim=True))
        s2 = self._fix("s2", lambda: f.std(1, keepdim=True).clamp(min=0.2))
        f = (f - m2) / s2
        cap = self._fix(
            "cap", lambda: torch.gather(f.sort(1).values, 1, (self.cap_at * (f.shape[1] - 1)).long())
        )
        f = torch.where(self.capped, torch.minimum(f, cap), f)
        return self._transformed(f)

    def _transformed(self, f: Tensor) -> Tensor:
        o, a = self.output, self.curve
        f = f.clamp(-30, 30)
        steep = torch.where(o == 1, torch.exp((a * f).clamp(max=30)), torch.exp((1.5 * a * f).clamp(max=30)))
        f = torch.where((o == 1) | (o == 4), steep, f)
        f = torch.where(o == 2, -torch.exp((-0.6 * a * f).clamp(max=30)), f)
        return torch.where(o == 3, torch.sinh((a * f).clamp(-30, 30)) / a, f)

    def fails(self, x: Tensor) -> Tensor:
        """Return which points have no value (B, P): beyond a plane, in a ball, in a corner, or above a bad level."""
        z = self.axes.inner(x)
        plane = torch.einsum("bpd,bd->bp", z, self.fail_w)
        ball = -((z - self.fail_c[:, None]) ** 2).sum(-1)
        two = torch.gather(
            z, 2, torch.cat([self.i[:, :1], self.j[:, :1]], 1)[:, None].expand(-1, x.shape[1], -1)
        )
        corner = two.amin(-1)
        single = two[..., 0]
        score = torch.stack([plane, ball, corner, single], -1)
        kind = (self.fail_kind - 1).clamp(min=0)
        score = torch.gather(score, 2, kind[:, :, None].expand(-1, x.shape[1], -1))[..., 0]
        limit = self._fix(
            "fail", lambda: torch.gather(score.sort(1).values, 1, (self.fail_at * (x.shape[1] - 1)).long())
        )
        return (self.fail_kind > 0) & (score > limit)

    def noise_sd(self, x: Tensor) -> Tensor:
        """Return the noise's standard deviation (B, P) in units of the function's own."""
        slope = torch.einsum("bpd,bd->bp", x - 0.5, self.noise_slope).clamp(-2, 2)
        return self.noise * torch.exp(slope)


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
