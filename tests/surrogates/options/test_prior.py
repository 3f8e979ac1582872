"""Beliefs of users: densities that integrate to one, draws that follow them, and trust that evidence takes away."""

import numpy as np
import pytest
from contracts.engine import EngineContract

import trialogue as tl
from trialogue.agent.ledger.ledger import Ledger
from trialogue.evaluators.errors import InvalidSpace
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.options.prior import BelievedDensity, sampled_scores, trust

SPACE = tl.SearchSpace(
    [
        tl.Float("rate", 1e-5, 1.0, log=True, prior={"mean": 1e-3, "sd": 3}),
        tl.Int("layers", 1, 8, prior={"mean": 3, "sd": 1}),
        tl.Categorical("act", ["relu", "tanh", "gelu"], prior=[6, 1, 3]),
        tl.Float("free", 0, 1),
    ],
    where=["layers < 7 or free < 0.5"],
)


class TestEngineWithBeliefs(EngineContract):
    def make(self, problem):
        return GaussianEngine(problem)


def test_every_density_integrates_to_one_over_the_unit_interval() -> None:
    u = (np.arange(24_000) + 0.5) / 24_000
    for j in range(3):
        X = np.full((len(u), 4), 0.5)
        X[:, j] = SPACE.parameters[j].snap(u)
        rows = BelievedDensity(tl.SearchSpace([SPACE.parameters[j]])).log_density(
            X[:, [j]], np.ones((len(u), 1), bool)
        )
        assert np.mean(np.exp(rows)) == pytest.approx(1.0, rel=0.1 if j == 1 else 1e-3)  # Int: bins of 1/8


def test_draws_follow_the_density_and_its_relations() -> None:
    X = BelievedDensity(SPACE).draw(np.random.default_rng(0), 2000)
    assert SPACE.satisfies_rows(X).all()
    params = SPACE.decode(X)
    logs = np.log([float(str(p["rate"])) for p in params])
    assert np.exp(np.median(logs)) == pytest.approx(1e-3, rel=0.15)
    share = np.mean([p["act"] == "relu" for p in params])
    assert share == pytest.approx(0.9 * 0.6 + 0.1 / 3, abs=0.04)


def test_inactive_parameters_are_not_believed_anything_of() -> None:
    space = tl.SearchSpace(
        [
            tl.Categorical("kind", ["a", "b"]),
            tl.Float("x", 0, 1, when={"kind": "a"}, prior={"mean": 0.1, "sd": 0.05}),
        ]
    )
    X, active = space.encode([{"kind": "b"}, {"kind": "a", "x": 0.1}, {"kind": "a", "x": 0.9}])
    inactive, believed, doubted = BelievedDensity(space).log_density(X, active)
    assert inactive == 0.0
    assert believed > 1.0
    assert doubted < -2.0


def test_trust_is_half_without_evidence_none_against_it_and_falls_with_the_trials() -> None:
    rng = np.random.default_rng(0)
    flat = np.zeros((2, 50)), np.ones((2, 50)), np.zeros(50)
    same, worse = sampled_scores(*flat, rng), sampled_scores(flat[0] - 9, *flat[1:], rng)
    assert trust(same, sampled_scores(*flat, rng), ended=1) == pytest.approx(0.5, abs=0.1)
    assert trust(worse, same, ended=1) == 0.0
    assert trust(same, worse, ended=2) == 1.0
    assert trust(same, worse, ended=30) == 0.1  # the source: of N trials (N / 10) / n, here N = 30


def test_the_first_trial_is_what_is_believed_most() -> None:
    study = tl.Study(tl.Problem("p", SPACE), seed=0)
    first, second = study.ask(), study.ask()
    assert {**first.params, "free": 0} == {"rate": 1e-3, "layers": 3, "act": "relu", "free": 0}
    assert second.reason == "drawn from what is believed of the parameters"


def distance(params: dict) -> float:
    return sum((params[n] - 0.8) ** 2 for n in "xy")


@pytest.mark.parametrize("mean", [0.8, 0.2])
def test_a_right_prior_helps_and_a_wrong_one_is_unlearnt(mean: float) -> None:
    space = tl.SearchSpace([tl.Float(n, 0, 1, prior={"mean": mean, "sd": 0.1}) for n in "xy"])
    study = tl.Study(tl.Problem("p", space), seed=1, strategy="surrogate")
    study.run(distance, n_trials=14)
    assert min(t.value for t in study.trials[:1] if t.value is not None) == pytest.approx(
        2 * (mean - 0.8) ** 2
    )
    assert float(study.best_trial.value or 0.0) < 0.01


def test_a_prior_that_means_nothing_is_refused() -> None:
    for wrong in ({"mean": 0.1}, {"mean": 2, "sd": 1}, {"mean": 0.1, "sd": 0}, 3, {"mean": "a", "sd": 1}):
        with pytest.raises(InvalidSpace, match="prior"):
            tl.Float("x", 0.01, 1, prior=wrong)  # pyright: ignore[reportArgumentType] - what is refused
    with pytest.raises(InvalidSpace, match="a factor above 1"):
        tl.Float("x", 0.01, 1, log=True, prior={"mean": 0.1, "sd": 0.5})
    for weights in ([1], [1, 0], "ab", [1, -2]):
        with pytest.raises(InvalidSpace, match="2 positive weights"):
            tl.Categorical("c", ["a", "b"], prior=weights)  # pyright: ignore[reportArgumentType]


def test_a_prior_comes_back_from_its_table_and_may_change_with_a_resumed_study() -> None:
    assert tl.SearchSpace.from_dict(SPACE.to_dict()) == SPACE
    ledger = Ledger(None)
    tl.Study(tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)])), storage=ledger)
    prior = {"mean": 0.3, "sd": 0.1}
    resumed = tl.Study(tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1, prior=prior)])), storage=ledger)
    assert resumed.ask().params == {"x": 0.3}
