"""Random search over boxes: the contract of strategies, and every configuration as likely as any other."""

import pytest
from contracts.strategy import StrategyContract

import trialogue as tl
from trialogue.agent.strategies.alternatives.volumes import VolumeStrategy
from trialogue.serving.errors import InvalidInput


class TestVolumes(StrategyContract):
    @pytest.fixture
    def make(self):
        return VolumeStrategy


def test_a_large_branch_gets_as_many_trials_as_it_has_configurations() -> None:
    tree = tl.Tree(
        [tl.Or("a", {"small": [], "large": [tl.Int("n", 0, 19), tl.Categorical("c", ["x", "y"])]})]
    )
    study = tl.Study(tl.Problem("p", tree.space), strategy="random:ariel", seed=0)
    study.run(lambda p: 0.0, n_trials=41)
    assert sum(t.params["a"] == "small" for t in study.trials) == 1  # there are 41, and none comes twice


def test_a_listed_space_is_refused_when_the_study_is_made() -> None:
    listed = tl.SearchSpace([tl.Int("n", 0, 3)], allowed=[{"n": 0}, {"n": 3}])
    for chosen in ({"strategy": "random:ariel"}, {"engine": tl.EngineOptions(design="ariel")}):
        with pytest.raises(InvalidInput, match=r"no tree|needs a space of decisions"):
            tl.Study(tl.Problem("p", listed), **{"strategy": "surrogate"} | chosen)
