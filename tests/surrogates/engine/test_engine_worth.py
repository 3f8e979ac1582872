"""Replicates, prices, feasibility in the design, subsets: what a measurement is worth and what it costs."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, Params
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Problem
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.models.embedding import Embedding
from trialogue.surrogates.models.gp import Fitted, Priors
from trialogue.surrogates.models.outcome import Settings
from trialogue.surrogates.optim.acquisition import known_noise
from trialogue.surrogates.optim.trust_region import trust_side

ARMS = tl.SearchSpace([tl.Categorical("a", list("abcdef")), tl.Categorical("b", list("uvwxy"))])
UNIT = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)])


def arms(noise: float, seed: int, *, stated: bool = True, trials: int = 24) -> tuple[list[str], float]:
    """Return the origins of the trials, and how far the configuration that looks best is from the best."""
    draw = np.random.default_rng(seed)
    table = draw.normal(size=(6, 5))

    def value(p: Params) -> float:
        return float(table["abcdef".index(str(p["a"])), "uvwxy".index(str(p["b"]))])

    problem = Problem("arms", ARMS)
    engine, history, origins = GaussianEngine(problem), History(problem), []
    for i in range(trials):
        rng = np.random.default_rng([seed, i])
        suggestion = engine.condition(history, rng).suggest(1, rng)[0]
        origins.append(suggestion.origin)
        noisy = value(suggestion.params) + noise * draw.normal()
        measured = Measurement(noisy, [noise] if stated else None)
        history = history.extended(finished=[FinishedTrial(i, suggestion.params, measured)])
    belief = engine.condition(history, np.random.default_rng(0))
    looks = [a.z_mean for a in belief.assess([t.params for t in history.finished])]
    return origins, value(history.finished[int(np.argmax(looks))].params) - float(table.min())


def test_a_noisy_choice_is_measured_again() -> None:
    origins, _ = arms(0.5, 0)
    assert "replicate" in origins


def test_nothing_is_measured_again_while_noise_is_unknown() -> None:
    origins, _ = arms(0.5, 0, stated=False)
    assert "replicate" not in origins


def test_noise_is_known_from_repetitions_or_from_standard_errors() -> None:
    unknown = np.full(4, np.nan)
    z = np.array([0.0, 1.0, 2.0, 4.0])
    assert known_noise([b"a", b"b", b"c", b"d"], z, unknown) is None
    assert known_noise([b"a", b"b", b"c", b"c"], z, unknown) == pytest.approx(2.0)
    assert known_noise([b"a", b"b", b"c", b"d"], z, np.full(4, 0.3)) == pytest.approx(0.09)
    assert known_noise([b"a", b"a", b"c", b"d"], np.zeros(4), unknown) is None


def test_expected_improvement_per_second_prefers_what_is_cheap() -> None:
    problem = Problem("p", UNIT)
    drawn = UNIT.sample(np.random.default_rng(3), 8)
    spent = []
    for price in ("", "seconds"):
        trials = [
            FinishedTrial(i, p, Measurement(float(np.sin(9 * p["y"])), seconds=float(np.exp(6 * p["x"]))))
            for i, p in enumerate(drawn)
        ]
        history = History(problem).extended(finished=trials)
        rng = np.random.default_rng(0)
        engine = GaussianEngine(problem, Settings(price=price))
        spent.append(engine.condition(history, rng).suggest(1, rng)[0].params["x"])
    assert spent[1] < 0.2
    assert spent[1] < spent[0]


def test_the_design_keeps_away_from_failures() -> None:
    """With nothing but failures on one side, design points go to the other."""
    problem = Problem("p", UNIT)
    failed = [FailedTrial(i, {"x": 0.5 + 0.1 * i, "y": 0.5}, "crash", "no") for i in range(5)]
    history = History(problem).extended(failed=failed)
    rng = np.random.default_rng(0)
    suggestion = GaussianEngine(problem).condition(history, rng).suggest(1, rng)[0]
    assert suggestion.origin == "initial_design"
    x = suggestion.params["x"]
    assert isinstance(x, float)
    assert x < 0.4


def test_a_long_history_states_the_error_of_its_subset() -> None:
    problem = Problem("p", UNIT)
    drawn = UNIT.sample(np.random.default_rng(0), 500)
    trials = [FinishedTrial(i, p, Measurement(p["x"] ** 2 + p["y"])) for i, p in enumerate(drawn)]
    belief = GaussianEngine(problem).condition(
        History(problem).extended(finished=trials), np.random.default_rng(0)
    )
    assert any("trained on 320 of 500 rows" in note for note in belief.notes)


def test_extending_the_cholesky_factor_is_refactorizing() -> None:
    rng = np.random.default_rng(0)
    embedding = Embedding(UNIT)
    Z, new, at = rng.uniform(size=(9, 2)), rng.uniform(size=(3, 2)), rng.uniform(size=(5, 2))
    theta = Priors.default(2).mean
    fitted = Fitted.build(theta, embedding.group, Z, np.sin(5 * Z[:, 0]), np.zeros(9))
    y = np.r_[fitted.y, fitted.predict(new)[0]]
    again = Fitted.build(theta, embedding.group, np.vstack([Z, new]), y, np.zeros(12))
    extended = fitted.with_fantasies(new)
    np.testing.assert_allclose(extended.L, np.tril(again.L), atol=1e-8)
    for a, b in zip(extended.predict(at), again.predict(at), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)


def test_the_trust_region_shrinks_with_failures_and_grows_with_success() -> None:
    start = trust_side(np.array([0.0]), 30)
    assert trust_side(np.zeros(40), 30) < start
    assert trust_side(np.arange(1.0, 9.0), 30) > start


def test_a_study_can_ask_for_improvement_per_second() -> None:
    study = tl.Study(Problem("p", UNIT), strategy="surrogate:per-second", seed=0)
    for _ in range(6):
        trial = study.ask()
        x = trial.params["x"]
        assert isinstance(x, float)
        study.tell(trial, Measurement(x, seconds=1.0 + x))
    assert len(study.trials) == 6


def test_a_study_runs_replicates() -> None:
    """A noisy finite space: the ledger takes a configuration twice when the engine wants it again."""
    problem = Problem("p", tl.SearchSpace([tl.Categorical("a", list("abcdef")), tl.Int("k", 1, 5)]))
    study, draw = tl.Study(problem, seed=0), np.random.default_rng(0)
    for _ in range(20):
        trial = study.ask()
        clean = "abcdef".index(str(trial.params["a"])) % 3 + 0.1 * float(str(trial.params["k"]))
        study.tell(trial, Measurement(clean + 0.4 * draw.normal(), [0.4]))
    seen = [problem.space.key(t.params) for t in study.trials]
    assert len(set(seen)) < len(seen)
