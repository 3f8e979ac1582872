"""Stochastic-gradient Hamiltonian Monte Carlo: the contract, R-hat against its definition, and chains that agree."""

import numpy as np
import pytest
import torch
from contracts.surrogate import SurrogateContract
from torch.func import vmap

import trialogue as tl
from trialogue.surrogates.alternatives.networks import (
    StochasticHamiltonianSurrogate,
    potential_scale_reduction,
)
from trialogue.surrogates.contracts import Surrogate, TrainingData


class TestStochasticHamiltonian(SurrogateContract):
    learned = 0.35

    def make(self) -> Surrogate:
        return StochasticHamiltonianSurrogate()


def test_split_r_hat_is_1_for_equal_chains_and_large_for_chains_apart_or_drifting() -> None:
    rng = np.random.default_rng(0)
    equal = rng.normal(size=(4, 400))
    assert potential_scale_reduction(equal) == pytest.approx(1.0, abs=0.02)
    assert potential_scale_reduction(equal + np.arange(4)[:, None]) > 1.4
    assert potential_scale_reduction(equal + np.linspace(-2, 2, 400)) > 1.3
    halves = np.array([[0.0, 2.0, 1.0, 3.0]])  # two halves: variances 2 and 2, means 1 and 2
    assert potential_scale_reduction(halves) == pytest.approx(np.sqrt((0.5 * 2 + 0.5) / 2))


def test_four_chains_agree_on_what_they_predict() -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)])
    rng = np.random.default_rng(0)
    X, active = space.canonical(space.sample_rows(rng, 40))
    data = TrainingData(space, X, active, np.sin(5 * X[:, 0]) + X[:, 1], np.full(40, np.nan))
    prepared, net, states = StochasticHamiltonianSurrogate().chains_of(data, rng)
    at = torch.as_tensor(prepared.embedding.embed(*space.canonical(space.sample_rows(rng, 20))))
    with torch.no_grad():
        found = vmap(vmap(net.forward, in_dims=(0, None)), in_dims=(0, None))(states, at).numpy()
    assert np.median([potential_scale_reduction(found[:, :, i]) for i in range(20)]) < 1.2
