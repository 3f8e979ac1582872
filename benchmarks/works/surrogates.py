"""Surrogates: what they lack for a function, and how many dimensions a search needs."""

from dataclasses import replace

import numpy as np
import torch
from problems.synthetic import synthetic_cases
from scipy.stats import ncx2, rankdata
from torch.func import vmap

import trialogue as tl
from trialogue.api.dimension.measured import dimensions, gain, smallest
from trialogue.api.study_files.study_file import Specification
from trialogue.api.study_files.tables import StudyTable
from trialogue.evaluators.gradients.fastfood import Fastfood
from trialogue.surrogates.alternatives.by_name import alternative
from trialogue.surrogates.alternatives.networks import (
    StochasticHamiltonianSurrogate,
    potential_scale_reduction,
)
from trialogue.surrogates.contracts import TrainingData
from trialogue.surrogates.options.inductive_bias import bits, bits_needed

MATTER, PARAMETERS = 4, 24


def inductive_bias() -> tuple[str, bool]:
    """A known value from samples; and the differences in bits against those in error of the two surrogates."""
    df, nc, scale = 9.0, 4.0, 0.05
    target = float(ncx2.ppf(np.exp(-3.29), df, nc, scale=scale))
    nats = bits(np.asarray(ncx2.rvs(df, nc, scale=scale, size=10_000, random_state=0)), target) * np.log(2)
    bit_gaps, error_gaps = [], []
    for case in synthetic_cases()[:6]:
        space = case.problem.space
        X, active = space.canonical(space.sample_rows(np.random.default_rng(0), 140))
        y = np.array([case.evaluate(p).value for p in space.decode(X)], float)
        half = TrainingData(space, X[:40], active[:40], y[:40], np.full(40, np.nan))
        found = bits_needed(half, np.random.default_rng(0))
        errors = []
        for name in ("gp", "infinite-network"):
            mean, _ = alternative(name).fit(half, np.random.default_rng(0)).predict(X[40:], active[40:])
            errors.append(np.log(np.mean((mean - y[40:]) ** 2)))
        bit_gaps.append(found["gp"] - found["infinite-network"])
        error_gaps.append(errors[0] - errors[1])
    agree = int(np.sum(np.sign(bit_gaps) == np.sign(error_gaps)))
    rank = float(np.corrcoef(rankdata(bit_gaps), rankdata(error_gaps))[0, 1])
    words = (
        f"3.29 nats recovered as {nats:.2f}; fewer bits and smaller error agree on {agree} of {len(bit_gaps)} functions "
        f"(rank correlation of the differences {rank:.2f})"
    )
    return words, abs(nats - 3.29) < 0.1 and agree >= 5


def intrinsic_dimension() -> tuple[str, bool]:
    """d90 of a function of 24 parameters, of which four numbers matter, in a rotated subspace."""
    turned = np.linalg.qr(np.random.default_rng(5).standard_normal((PARAMETERS, MATTER)))[0]
    space = tl.SearchSpace([tl.Float(f"x{i}", 0, 1, default=0.5) for i in range(PARAMETERS)])
    goal = np.array([0.5, -0.5, 0.4, 0.3])

    def loss(params: dict[str, float]) -> float:
        x = np.array([params[f"x{i}"] for i in range(PARAMETERS)]) - 0.5
        return float(np.sum((x @ turned - goal) ** 2))

    stated = Specification("few", tl.Problem("few", space), StudyTable(), evaluate=loss)
    gains = {d: gain(stated, d, 30, range(2)) for d in dimensions(PARAMETERS)}
    d90 = smallest(gains)
    parts = ", ".join(f"{d}: {g:.2f}" for d, g in gains.items())
    dense, structured = sums_dimension("dense"), sums_dimension("fastfood")
    return (
        f"gain over the default by dimension after 30 trials: {parts}; d90 = {d90}; of 1,000 weights in ten sums, the "
        f"source's toy: {dense} (dense P), {structured} (Fastfood)",
        d90 is not None and MATTER <= d90 < PARAMETERS and dense == structured == 10,
    )


def sums_dimension(kind: str) -> int:
    """Return d90 of a thousand weights of which each hundred shall sum to 1, 2, … 10, by least squares in z, at most 20."""
    A, goal = torch.eye(10).repeat_interleave(100, 1).double(), torch.arange(1.0, 11.0).double()
    for d in range(1, 21):
        stream = torch.Generator().manual_seed(d)
        structured = Fastfood(1000, d, stream) if kind == "fastfood" else None
        P = (
            torch.stack([structured(z) for z in torch.eye(d)], 1)
            if structured
            else torch.randn(1000, d, generator=stream)
        ).double()
        z = torch.linalg.lstsq(A @ P, goal[:, None]).solution
        if torch.exp(-((A @ P @ z)[:, 0] - goal).square().sum()) >= 0.9:
            return d
    return 20


def networks() -> tuple[str, bool]:
    """R-hat of four chains, as they are and 40 times as long; and errors in 24 dimensions on a function of a random network
    and on a quadratic."""
    space = tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(PARAMETERS)])
    rng = np.random.default_rng(0)
    X, active = space.canonical(space.sample_rows(rng, 360))
    first, last = rng.standard_normal((PARAMETERS, 30)), rng.standard_normal(30)
    functions = {"network": np.tanh((X - 0.5) @ first) @ last, "quadratic": np.sum((X - 0.4) ** 2, axis=1)}
    parts, ahead, reductions = [], True, {1: [], 40: []}
    for name, y in functions.items():
        data = TrainingData(space, X[:60], active[:60], y[:60], np.full(60, np.nan))
        errors = {}
        for kind in ("gp", "infinite-network", "sghmc"):
            mean, _ = alternative(kind).fit(data, np.random.default_rng(0)).predict(X[60:], active[60:])
            errors[kind] = float(np.sqrt(np.mean((mean - y[60:]) ** 2)) / y.std())
        ahead &= errors["infinite-network"] < errors["gp"]
        parts.append(f"{name} " + ", ".join(f"{kind} {e:.2f}" for kind, e in errors.items()))
        for times, told in reductions.items():
            told.append(_reduction(data, X[60:80], active[60:80], times))
    short, long = (", ".join(f"{r:.2f}" for r in told) for told in reductions.values())
    words = (
        f"median split R-hat of predictions {short}, of chains 40 times as long {long}; error over sd, 60 rows in "
        f"{PARAMETERS} dimensions: {'; '.join(parts)}"
    )
    return words, ahead and max(reductions[1]) < 1.2


def _reduction(data: TrainingData, X: np.ndarray, active: np.ndarray, times: int) -> float:
    """Return the median split R-hat of predictions at rows X of chains that are so many times as long as usual."""
    usual = StochasticHamiltonianSurrogate()
    chains = replace(usual, burn=usual.burn * times, thin=usual.thin * times)
    prepared, net, states = chains.chains_of(data, np.random.default_rng(0))
    Z = torch.as_tensor(prepared.embedding.embed(X, active))
    with torch.no_grad():
        values = vmap(vmap(net.forward, in_dims=(0, None)), in_dims=(0, None))(states, Z).numpy()
    return float(np.median([potential_scale_reduction(values[:, :, i]) for i in range(len(X))]))
