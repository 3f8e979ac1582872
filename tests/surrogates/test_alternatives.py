import pytest

from tests.contracts.surrogate import SurrogateContract
from trialogue.surrogates.alternatives import alternative
from trialogue.surrogates.contracts import Surrogate
from trialogue.surrogates.forest import ForestSurrogate
from trialogue.surrogates.gaussian import GaussianSurrogate, InfiniteNetworkSurrogate
from trialogue.surrogates.networks import (
    DeepEnsembleSurrogate,
    DeepKernelSurrogate,
    HamiltonianSurrogate,
    LaplaceSurrogate,
)
from trialogue.surrogates.tpe import ParzenSurrogate


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
