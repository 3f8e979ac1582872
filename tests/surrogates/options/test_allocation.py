"""Replicates by variance: the allocation against its formula and its optimality, and engines that use it."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.errors import EvaluationFailed
from trialogue.surrogates.options.allocation import MOST_REPEATS, allocate, next_repeat, shares


def test_shares_follow_the_formula() -> None:
    G, p = np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.25])
    weight = np.array([1 / np.sqrt(1.001), 2 / np.sqrt(1.001), 1 / np.sqrt(0.25 + 0.004)])
    assert shares(G, p) == pytest.approx(weight / weight.sum())


def test_whole_numbers_keep_the_sum_and_nothing_goes_where_nothing_is_learnt() -> None:
    given = allocate(np.array([1.0, 0.0, 3.0, 2.0]), np.array([0.5, 1.0, 0.9, 0.0]), 17)
    assert given.sum() == 17
    assert given[1] == given[3] == 0
    assert allocate(np.zeros(2), np.ones(2), 5).tolist() == [0, 0]


def test_no_other_split_has_a_smaller_variance() -> None:
    G, p, rng = np.array([0.3, 1.0, 2.5]), np.array([0.9, 0.5, 0.7]), np.random.default_rng(0)

    def variance(share: np.ndarray) -> float:
        return float(np.sum(G**2 / (p * share)))

    ours = variance(shares(G, p))
    assert all(ours <= variance(w) * (1 + 1e-3) for w in rng.dirichlet(np.ones(3), 2000))


def test_candidates_are_measured_twice_first_and_then_the_noisy_ones() -> None:
    A, B, C = b"a", b"b", b"c"
    many = [bytes([i]) for i in range(20)]
    y = -np.ones(20)
    assert next_repeat([A, *many], np.r_[1.0, y], []) == A
    twice = [A, A, B, B, C, C, *many[:3], *many[:3], *many]
    outcomes = np.r_[1.0, 1.0, 0.9, 0.5, 0.8, 0.8, -np.ones(26)]
    assert next_repeat(twice, outcomes, []) == B  # the only one with noise
    assert next_repeat([A, A, B], np.ones(3), []) is None  # more than its share is repeated already


def test_a_study_repeats_the_noisy_configuration_most() -> None:
    problem = tl.Problem("p", tl.SearchSpace([tl.Categorical("a", list("abcdefgh"))]))
    study = tl.Study(problem, seed=0, strategy="surrogate", engine=tl.EngineOptions(replicates="variance"))
    rng = np.random.default_rng(0)

    def measured(params: object) -> float:
        i = "abcdefgh".index(params["a"])  # type: ignore[index]
        if i == 7 and rng.random() < 0.5:
            raise EvaluationFailed("sometimes")
        return 0.1 * i + (0.5 if i == 1 else 0.01) * rng.normal()

    study.run(measured, n_trials=13)
    counts = {a: sum(t.params["a"] == a for t in study.trials) for a in "abcdefgh"}
    assert counts["b"] == max(counts.values()) >= 2
    assert sum(c - 1 for c in counts.values() if c) <= MOST_REPEATS * 14
    assert any("variance" in t.reason for t in study.trials)
