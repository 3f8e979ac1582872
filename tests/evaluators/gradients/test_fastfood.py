"""Fastfood: the product of its five matrices, columns of length 1, orthogonal in expectation, and the paper's toy."""

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard

from trialogue.evaluators.gradients.fastfood import Fastfood, hadamard_transform
from trialogue.serving.errors import InvalidInput


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def matrix(P: Fastfood) -> np.ndarray:
    return torch.stack([P(z) for z in torch.eye(P.d)], 1).double().numpy()


def test_the_transform_is_the_product_with_a_hadamard_matrix() -> None:
    x = torch.randn(3, 16, generator=stream())
    assert hadamard_transform(x).numpy() == pytest.approx(x.numpy() @ hadamard(16), abs=1e-5)


def test_a_block_is_the_product_of_its_five_matrices() -> None:
    P = Fastfood(8, 8, stream(3))
    H, order = hadamard(8), P._order[0].numpy()
    G, B = np.diag(P._gaussian[0].numpy()), np.diag(P._signs[0].numpy())
    assert sorted(order) == list(range(8))
    assert matrix(P) == pytest.approx(H @ G @ np.eye(8)[order] @ H @ B, abs=1e-6)


@pytest.mark.parametrize(("D", "d"), [(1024, 16), (1024, 10), (1000, 10)])
def test_columns_have_length_one_and_are_orthogonal_in_expectation(D: int, d: int) -> None:
    grams = np.array([(M := matrix(Fastfood(D, d, stream(seed)))).T @ M for seed in range(60)])
    exact = D % 16 == 0
    assert np.diagonal(grams, axis1=1, axis2=2) == pytest.approx(1.0, abs=1e-5 if exact else 0.02)
    error = grams.std(0).max() / np.sqrt(60)
    assert np.abs(grams.mean(0) - np.eye(d)).max() < 4.5 * error + (0 if exact else 0.01)
    assert grams.std(0).max() < 2 / np.sqrt(D)


def test_it_is_differentiable_and_holds_three_numbers_per_weight() -> None:
    P, z = Fastfood(100_000, 300, stream()), torch.zeros(300, requires_grad=True)
    weight = torch.randn(100_000, generator=stream(1))
    (P(z) @ weight).backward()
    assert z.grad is not None
    assert z.grad[7] == pytest.approx(float(P(torch.eye(300)[7]) @ weight), rel=1e-4)
    held = sum(t.numel() for t in (P._signs, P._order, P._gaussian))
    assert held < 3 * (100_000 + 512)


@pytest.mark.parametrize("kind", ["fastfood", "dense"])
def test_the_sources_toy_has_dimension_ten(kind: str) -> None:
    """A thousand weights, of which each hundred shall sum to 1, 2, … 10: ten numbers are enough, nine are not."""
    A, goal = np.kron(np.eye(10), np.ones(100)), np.arange(1.0, 11.0)
    losses = {}
    for d in (5, 9, 10, 12):
        dense = torch.randn(1000, d, generator=stream(1)).double().numpy()
        P = dense if kind == "dense" else matrix(Fastfood(1000, d, stream(1)))
        z, *_ = np.linalg.lstsq(A @ P, goal, rcond=None)
        losses[d] = np.sum((A @ P @ z - goal) ** 2)
    scores = {d: np.exp(-loss) for d, loss in losses.items()}
    assert min(d for d, score in scores.items() if score >= 0.9) == 10


@pytest.mark.parametrize(("D", "d"), [(4, 5), (4, 0)])
def test_more_directions_than_weights_are_refused(D: int, d: int) -> None:
    with pytest.raises(InvalidInput, match="1 <= d <= D"):
        Fastfood(D, d, stream())
