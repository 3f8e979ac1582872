"""The exact denoiser of a Markov chain, and what samplers make of it."""

from itertools import product

import numpy as np
import pytest

from trialogue.evaluators.targets.diffusion import masked


def test_the_denoiser_is_exact() -> None:
    moves, start = masked.chain()
    tokens = np.full((1, masked.L), masked.K)
    tokens[0, 3], tokens[0, 6] = 2, 5
    weights = np.zeros(masked.K)
    for a, b in product(range(masked.K), repeat=2):  # the two masks between what is known
        weights[a] += moves[2, a] * moves[a, b] * moves[b, 5]
    assert masked.denoised(tokens)[0, 4] == pytest.approx(weights / weights.sum())
    assert masked.denoised(np.full((1, masked.L), masked.K))[0, 7] == pytest.approx(start)


def test_first_hitting_calls_once_per_token_and_leaves_no_mask() -> None:
    tokens, calls = masked.first_hitting(50, 1, 1.0, 64, np.random.default_rng(0))
    assert calls == masked.L
    assert tokens.max() < masked.K


def test_noise_of_32_bits_lowers_the_entropy_only_where_changes_are_rare() -> None:
    low, high = np.log(2.0**24), np.log(2.0**53)
    assert masked.drawn_entropy(1e-6, low) < masked.drawn_entropy(1e-6, high) - 0.3
    assert masked.drawn_entropy(1e-2, low) == pytest.approx(masked.drawn_entropy(1e-2, high), abs=1e-3)


def test_a_temperature_of_the_gumbel_noise_is_the_categorical_distribution() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    draws = np.argmax(np.log(shares) + masked.gumbel((100_000, 3), 64, np.random.default_rng(0)), 1)
    assert np.bincount(draws) / 1e5 == pytest.approx(shares, abs=0.01)
