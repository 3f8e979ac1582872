from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from tests.contracts.surrogate import SurrogateContract
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.spaces.parameters import Float
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.surrogates.alternatives.by_name import alternative
from trialogue.surrogates.alternatives.forest import ForestSurrogate, Trees
from trialogue.surrogates.alternatives.gaussian import GaussianSurrogate, InfiniteNetworkSurrogate
from trialogue.surrogates.alternatives.networks import (
    DeepEnsembleSurrogate,
    DeepKernelSurrogate,
    HamiltonianSurrogate,
    LaplaceSurrogate,
)
from trialogue.surrogates.alternatives.portfolio import Portfolio, SurrogateOutcome
from trialogue.surrogates.alternatives.tpe import ParzenSurrogate
from trialogue.surrogates.contracts import Surrogate, TrainingData
from trialogue.surrogates.engine.engine import GaussianEngine


class TestGaussian(SurrogateContract):
    tolerance = 1e-3

    def make(self) -> Surrogate:
        return GaussianSurrogate()


class TestInfiniteNetwork(SurrogateContract):
    tolerance = 1e-3

    def make(self) -> Surrogate:
        return InfiniteNetworkSurrogate()


class TestForest(SurrogateContract):
    def make(self) -> Surrogate:
        return ForestSurrogate()


class TestParzen(SurrogateContract):
    learned = 0.25

    def make(self) -> Surrogate:
        return ParzenSurrogate()


@pytest.mark.slow
class TestBotorch(SurrogateContract):
    tolerance = 1e-2

    def make(self) -> Surrogate:
        return alternative("botorch")


@pytest.mark.slow
class TestDeepEnsemble(SurrogateContract):
    tolerance = 1e-3

    def make(self) -> Surrogate:
        return DeepEnsembleSurrogate()


@pytest.mark.slow
class TestLaplace(SurrogateContract):
    tolerance = 1e-3

    def make(self) -> Surrogate:
        return LaplaceSurrogate()


@pytest.mark.slow
class TestDeepKernel(SurrogateContract):
    tolerance = 1e-3

    def make(self) -> Surrogate:
        return DeepKernelSurrogate()


@pytest.mark.slow
class TestHamiltonian(SurrogateContract):
    tolerance = 1e-2

    def make(self) -> Surrogate:
        return HamiltonianSurrogate(samples=6, burn=12, leaps=8)


class TestPortfolio(SurrogateContract):
    tolerance = 1e-3

    def make(self) -> Surrogate:
        return Portfolio([GaussianSurrogate(), InfiniteNetworkSurrogate()])


@dataclass(frozen=True)
class Oracle:
    """A scripted surrogate: knows the objective up to scale, to be chosen, or is sure of nonsense, to be refused."""

    knows: bool
    name: str = "oracle"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> Any:
        slope, offset = np.polyfit(steps(data.X), data.y, 1)
        return Known(slope, offset if self.knows else offset + 9.0)


@dataclass(frozen=True)
class Known:
    slope: float
    offset: float

    def predict(self, X: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.slope * steps(X) + self.offset, np.full(len(X), 0.02)


def steps(X: np.ndarray) -> np.ndarray:
    return np.sign(np.sin(40 * X[:, 0]) * np.sin(40 * X[:, 1]))


@pytest.mark.parametrize("knows", [True, False])
def test_the_portfolio_leaves_the_engines_own_model_only_for_a_better_one(knows, monkeypatch):
    problem = Problem(
        "p", SearchSpace([Float(f"x{i}", 0.0, 1.0) for i in range(2)]), [Objective("y", "maximize")]
    )
    X = np.random.default_rng(1).random((30, 2))
    trials = [
        FinishedTrial(i, problem.space.decode(x[None])[0], Measurement(float(steps(x[None])[0])))
        for i, x in enumerate(X)
    ]
    monkeypatch.setattr(
        "trialogue.surrogates.alternatives.portfolio.bowl", lambda embedding, Z: np.zeros(len(Z))
    )
    engine = GaussianEngine(problem, surrogate=Portfolio([Oracle(knows)]))
    belief = engine.condition(History(problem).extended(finished=trials), np.random.default_rng(0))
    assert isinstance(belief.model.objectives[0], SurrogateOutcome) == knows


def test_trees_walked_together_fall_into_the_leaves_that_scikit_learn_finds():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 5)), rng.random(30)
    estimators = ExtraTreesRegressor(8, bootstrap=True, random_state=0).fit(X, y).estimators_
    Z = rng.random((40, 5))
    value, impurity = Trees.of(estimators).leaves(Z)
    assert np.allclose(value, [tree.predict(Z) for tree in estimators])
    assert np.allclose(impurity, [tree.tree_.impurity[tree.apply(Z)] for tree in estimators])
