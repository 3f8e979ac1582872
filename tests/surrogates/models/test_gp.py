import numpy as np
import pytest
import torch
from scipy.optimize import check_grad

import trialogue as tl
from trialogue.surrogates.models.embedding import Embedding
from trialogue.surrogates.models.gp import (
    Fitted,
    Priors,
    Task,
    cholesky,
    fit_map,
    negative_log_posterior,
    sample_thetas,
)
from trialogue.surrogates.models.mean import BIAS, Bowl

SPACE = tl.SearchSpace(
    [
        tl.Categorical("kernel", ["a", "b", "c"]),
        tl.Float("x", 0, 1),
        tl.Float("g", 0, 1, when={"kernel": ["a", "b"]}),
        tl.Int("k", 1, 5),
    ]
)
EMBEDDING = Embedding(SPACE)


def rows(n: int, seed: int = 0) -> np.ndarray:
    X, active = SPACE.canonical(SPACE.sample_rows(np.random.default_rng(seed), n))
    return EMBEDDING.embed(X, active)


def task(n: int = 12) -> Task:
    Z = rows(n)
    y = np.sin(4 * Z[:, 3]) + Z[:, 0]
    return Task(EMBEDDING.squared_distances(Z), y - y.mean(), np.zeros(n), Priors.default(len(SPACE)))


def test_the_gradient_is_that_of_the_value() -> None:
    t = task()
    for seed in range(3):
        theta = t.priors.mean + 0.5 * np.random.default_rng(seed).standard_normal(len(t.priors.mean))
        error = check_grad(
            lambda v: negative_log_posterior(v, t)[0],
            lambda v: negative_log_posterior(v, t)[1],
            theta,
            epsilon=1e-6,
        )
        assert error < 1e-3 * (1 + np.abs(negative_log_posterior(theta, t)[1]).max())


def test_the_posterior_agrees_with_gpytorch() -> None:
    """A dense reference in float64; the tolerance is that of GPyTorch's own jitter."""
    from gpytorch.kernels import MaternKernel, ScaleKernel

    Z, at, theta = rows(10), rows(6, seed=4), Priors.default(len(SPACE)).mean
    y = np.cos(3 * Z[:, 3])
    fitted = Fitted.build(theta, EMBEDDING.group, Z, y, np.zeros(10))
    kernel = ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=Z.shape[1])).double()
    kernel.base_kernel.lengthscale = torch.as_tensor(np.exp(theta[:-2])[EMBEDDING.group])
    kernel.outputscale = float(np.exp(theta[-2]))
    with torch.no_grad():
        both = torch.as_tensor(np.vstack([Z, at]))
        K = kernel(both).to_dense().numpy() + BIAS
    noisy = K[:10, :10] + np.exp(theta[-1]) * np.eye(10)
    mean = K[10:, :10] @ np.linalg.solve(noisy, y)
    covariance = K[10:, 10:] - K[10:, :10] @ np.linalg.solve(noisy, K[:10, 10:])
    found_mean, found_variance = fitted.predict(at)
    np.testing.assert_allclose(found_mean, mean, atol=1e-6)
    np.testing.assert_allclose(found_variance, np.diag(covariance), atol=1e-6)


def test_features_add_a_bayesian_linear_model() -> None:
    """Far from all rows only the linear part is left: its coefficients are those of ridge regression on the rows."""
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)])
    bowl = Bowl(Embedding(space), 0.0, 2.0, 1.0, 3.0)
    Z = np.random.default_rng(0).uniform(size=(30, 2))
    theta = np.array([-4.0, -4.0, np.log(1e-2), np.log(1e-3)])
    y = bowl.features(Z) @ np.arange(1.0, 1.0 + bowl.features(Z).shape[1])
    fitted = Fitted.build(theta, np.arange(2), Z, y, np.zeros(30), features=bowl.features)
    at = np.random.default_rng(1).uniform(size=(5, 2))
    phi, here = bowl.features(Z), bowl.features(at)
    ridge = here @ np.linalg.solve(phi.T @ phi / 1.1e-2 + np.eye(phi.shape[1]), phi.T @ y / 1.1e-2)
    np.testing.assert_allclose(fitted.predict(at)[0], ridge, atol=0.05)


def test_it_interpolates_as_noise_vanishes() -> None:
    Z, theta = rows(8), Priors.default(len(SPACE)).mean.copy()
    theta[-1] = np.log(1e-6)
    y = np.arange(8.0)
    mean, variance = Fitted.build(theta, EMBEDDING.group, Z, y, np.zeros(8)).predict(Z)
    np.testing.assert_allclose(mean, y, atol=1e-2)
    assert variance.max() < 1e-4


def test_leave_one_out_is_what_leaving_one_out_gives() -> None:
    Z, theta = rows(7), Priors.default(len(SPACE)).mean
    y = np.sin(5 * Z[:, 3])
    mean, variance = Fitted.build(theta, EMBEDDING.group, Z, y, np.zeros(7)).leave_one_out()
    for i in range(7):
        rest = np.arange(7) != i
        m, v = Fitted.build(theta, EMBEDDING.group, Z[rest], y[rest], np.zeros(6)).predict(Z[[i]])
        assert mean[i] == pytest.approx(m[0], abs=1e-6)
        assert variance[i] == pytest.approx(v[0] + np.exp(theta[-1]), abs=1e-6)


def test_inactive_coordinates_add_no_distance_and_the_embedding_inverts() -> None:
    a, b = {"kernel": "c", "x": 0.2, "k": 3}, {"kernel": "c", "x": 0.2, "k": 3}
    X, active = SPACE.encode([a, b])
    D = EMBEDDING.squared_distances(EMBEDDING.embed(X, active))
    assert D[2, 0, 1] == 0.0
    one = SPACE.encode([{"kernel": "a", "x": 0.2, "g": g, "k": 3} for g in (0.0, 0.9)] + [a])
    D = EMBEDDING.squared_distances(EMBEDDING.embed(*one))
    assert D[2, 0, 2] == pytest.approx(1.0)
    assert D[2, 1, 2] == pytest.approx(1.0)
    X, active = SPACE.canonical(SPACE.sample_rows(np.random.default_rng(0), 50))
    back, on = EMBEDDING.invert(EMBEDDING.embed(X, active))
    np.testing.assert_allclose(back, X)
    assert (on == active).all()


def test_cholesky_repairs_what_is_not_positive_definite() -> None:
    L, jitter = cholesky(np.ones((5, 5)))
    assert jitter > 0
    assert np.isfinite(L).all()


def test_sampled_hyperparameters_stay_within_their_bounds() -> None:
    t = task(6)
    mode = fit_map(t, [t.priors.mean])
    low, high = np.array(t.priors.bounds).T
    for theta in sample_thetas(t, mode, np.random.default_rng(0), n=5):
        assert (theta >= low).all()
        assert (theta <= high).all()
