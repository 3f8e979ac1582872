"""The embedded model as a surrogate: the contract, sampling inside the space, and blocks beyond its dimension."""

import numpy as np
import pytest

import trialogue as tl
from tests.contracts.surrogate import SurrogateContract
from trialogue.prompts import number_dialect as nd
from trialogue.surrogates.alternatives.embedded import EmbeddedLM, expected_improvement


@pytest.fixture(scope="module")
def lm() -> EmbeddedLM:
    return EmbeddedLM()


class TestEmbeddedLM(SurrogateContract):
    def make(self):
        return EmbeddedLM()


def numbers(space: tl.SearchSpace, n: int, seed: int = 0) -> nd.NumberHistory:
    X = space.sample_rows(np.random.default_rng(seed), n)
    _, active = space.canonical(X)
    loss = ((X - 0.3) ** 2).sum(1)
    return nd.NumberHistory(X, active, loss, np.zeros(n, bool), space.is_categorical)


def mixed() -> tl.SearchSpace:
    return tl.SearchSpace([
        tl.Float("x", 0, 1),
        tl.Categorical("k", ["a", "b", "c"]),
        tl.Int("n", 1, 5, when={"k": ["a"]}),
        tl.Float("g", 1e-3, 1, log=True, when={"k": ["b"]}),
    ])  # fmt: skip


def test_samples_are_canonical_points_of_a_conditional_space(lm):
    space, rng = mixed(), np.random.default_rng(0)
    context = lm.condition(space, numbers(space, 12), rng)
    X = context.sample(np.full(8, nd.OPTIMUM), rng)
    assert X.shape == (3 * 8, 4)
    for params in space.decode(X):
        assert space.validate(params)


def test_scores_are_distributions(lm):
    space = mixed()
    context = lm.condition(space, numbers(space, 12), np.random.default_rng(0))
    X = space.sample_rows(np.random.default_rng(1), 9)
    p = context.scores(X, space.canonical(X)[1])
    assert p.shape == (9, nd.BINS + 1)
    np.testing.assert_allclose(p.sum(1), 1.0, atol=1e-9)
    assert (expected_improvement(p) >= 0).all()


def test_more_parameters_than_the_model_knows_are_shown_in_blocks(lm):
    space = tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(20)])
    context = lm.condition(space, numbers(space, 15), np.random.default_rng(0))
    X = context.sample(np.full(4, nd.OPTIMUM), np.random.default_rng(1))
    assert X.shape == (12, 20)
    incumbent = context.history.X[np.argmin(context.history.relative())]
    unchanged = np.isclose(X, space.canonical(incumbent[None])[0]).sum(1)
    assert (unchanged >= 20 - lm.dialect.slots).all()


def test_it_learns_in_context_where_a_parabola_is_low(lm):
    space = tl.SearchSpace([tl.Float("x", 0, 1)])
    posterior = lm.condition(space, numbers(space, 14), np.random.default_rng(0))
    near, far = np.array([[0.3]]), np.array([[0.9]])
    on = np.ones((1, 1), bool)
    centres = np.arange(nd.BINS + 1)
    assert posterior.scores(near, on) @ centres < posterior.scores(far, on) @ centres


def test_the_callers_number_of_threads_is_kept(lm):
    import torch

    before = torch.get_num_threads()
    space = mixed()
    lm.condition(space, numbers(space, 6), np.random.default_rng(0))
    assert torch.get_num_threads() == before
