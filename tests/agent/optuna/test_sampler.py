import optuna
import pytest
from contracts.study import space

import trialogue as tl
from trialogue.agent.optuna.sampler import TrialogueSampler


def _objective(trial: optuna.Trial) -> float:
    kernel = trial.suggest_categorical("kernel", ["linear", "rbf"])
    c = trial.suggest_float("C", 1e-3, 1e3, log=True)
    gamma = trial.suggest_float("gamma", 1e-5, 1e1, log=True) if kernel == "rbf" else 1.0
    if trial.number == 2:
        raise ValueError("no luck")
    return c * gamma


def test_optuna_s_own_loop_runs_on_our_strategy() -> None:
    study = optuna.create_study(sampler=TrialogueSampler(space(), strategy="random", seed=4))
    study.optimize(_objective, n_trials=6, catch=(ValueError,))
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 3
    expected = tl.Study(tl.Problem("p", space()), strategy="random", seed=4)
    assert [t.params for t in study.trials] == [expected.ask().params for _ in range(6)]
    assert study.trials[0].user_attrs["source"] == "random"


@pytest.mark.slow
def test_the_surrogate_proposes_after_the_design_and_constraints_count() -> None:
    small = tl.SearchSpace([tl.Float("x", 0.0, 1.0), tl.Float("y", 0.0, 1.0)])
    sampler = TrialogueSampler(small, seed=1, constraints=["too_big"])
    study = optuna.create_study(sampler=sampler, direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("too_big", x + y - 1.2)
        return x + y

    study.optimize(objective, n_trials=14)
    assert study.trials[-1].user_attrs["source"] == "surrogate"
    assert "predicted_mean" in study.trials[-1].user_attrs
    assert study.best_value > 1.0
