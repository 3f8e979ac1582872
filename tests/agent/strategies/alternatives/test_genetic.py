"""The genetic algorithm: the contract of strategies, and children that come nearer than random draws do."""

import numpy as np
import pytest
from contracts.strategy import StrategyContract

import trialogue as tl
from trialogue.agent.strategies.alternatives.genetic import GeneticStrategy, mutated


class TestGenetic(StrategyContract):
    @pytest.fixture
    def make(self):
        return GeneticStrategy


def test_a_mutation_changes_a_gene_at_least_and_stays_in_the_cube() -> None:
    rng = np.random.default_rng(0)
    x = np.full(4, 0.97)
    for _ in range(50):
        y = mutated(x, rng)
        assert (y != x).any()
        assert ((y >= 0) & (y <= 1)).all()


def test_children_come_nearer_than_random_draws() -> None:
    problem = tl.Problem("p", tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(5)]))
    best = {}
    for strategy in ("genetic", "random"):
        study = tl.Study(problem, strategy=strategy, seed=0)
        study.run(lambda p: sum((float(v or 0) - 0.3) ** 2 for v in p.values()), n_trials=100)
        best[strategy] = study.best_trial.value
    assert best["genetic"] < 0.5 * best["random"]
