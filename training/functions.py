"""The functions of the synthetic prior on the unit cube.

Notation: B functions at once · P points · d parameters. Smaller is better.
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


def U(*shape: int) -> Tensor:
    return torch.rand(*shape)


def log_uniform(low: float, high: float, *shape: int) -> Tensor:
    return torch.exp(U(*shape) * (math.log(high) - math.log(low)) + math.log(low))


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
