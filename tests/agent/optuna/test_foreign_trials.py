"""Trials that plain Optuna makes or ends in a study of ours show up in it."""

from pathlib import Path

import optuna
import pytest
from contracts.study import problem

import trialogue as tl
from trialogue.agent.errors import ResultConflict
from trialogue.agent.study.study import Study

optuna.logging.set_verbosity(optuna.logging.WARNING)


def plain(storage: str | optuna.storages.BaseStorage, name: str = "svm") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler(seed=1))


def objective(trial: optuna.Trial) -> float:
    kernel = trial.suggest_categorical("kernel", ["linear", "rbf"])
    C = trial.suggest_float("C", 1e-3, 1e3, log=True)
    if kernel == "rbf":
        trial.suggest_float("gamma", 1e-5, 1e1, log=True)
    return C


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def make(url: str, **options: object) -> Study:
    return Study(problem(), name="svm", storage=url, strategy="random", **options)  # pyright: ignore[reportArgumentType]


def test_plain_optuna_s_trials_are_trials_of_ours(url: str) -> None:
    study = make(url)
    first = study.ask()
    plain(url).optimize(objective, n_trials=5)
    study.tell(first, 0.5)
    assert [t.number for t in study.trials] == [0, 1, 2, 3, 4, 5]
    assert {t.source for t in study.trials[1:]} == {"optuna"}
    assert [t.value for t in study.trials[1:]] == pytest.approx([t.params["C"] for t in study.trials[1:]])
    assert study.best_trial.value == max(t.value for t in study.trials if t.value is not None)
    assert len(study.refresh()) == 6
    assert study.ask().number == 6
    assert [t.number for t in plain(url).trials] == list(range(7))


def test_they_count_as_knowledge_and_not_against_the_budget(url: str) -> None:
    study = make(url, budget=tl.Budget(trials=2))
    plain(url).optimize(objective, n_trials=3)
    assert [t.number for t in study.ask(5)] == [3, 4]


def test_one_that_runs_comes_when_it_has_ended(url: str) -> None:
    study, theirs = make(url), plain(url)
    running = theirs.ask()
    objective(running)
    other = study.ask()
    assert [t.number for t in study.trials] == [1]
    theirs.tell(running, 0.25)
    assert [(t.number, t.value) for t in study.trials] == [(0, 0.25), (1, None)]
    study.tell(other, 1.0)
    assert study.ask().number == 2


def test_failures_and_pruned_trials_come_with_their_reason(url: str) -> None:
    study, theirs = make(url), plain(url)

    def pruned(trial: optuna.Trial) -> float:
        objective(trial)
        trial.report(0.125, 3)
        raise optuna.TrialPruned

    def broken(trial: optuna.Trial) -> float:
        objective(trial)
        trial.set_user_attr("failure", "out of memory")
        raise ValueError

    theirs.optimize(pruned, n_trials=1)
    theirs.optimize(broken, n_trials=1, catch=ValueError)
    stopped, failed = study.trials
    assert (stopped.state, stopped.value) == ("pruned", 0.125)
    assert failed.failure is not None
    assert "out of memory" in failed.failure.reason


def test_what_does_not_fit_is_left_out_once_and_said(url: str) -> None:
    study = make(url)
    plain(url).optimize(lambda trial: trial.suggest_float("other", 0, 1), n_trials=2)
    assert study.trials == ()
    assert study.trials == ()
    notes = [e.data["text"] for e in study.events() if e.kind == "note"]
    assert len(notes) == 2
    assert "left out" in notes[0]
    assert study.ask().number == 2


def test_a_trial_of_ours_that_is_told_through_optuna_has_ended(url: str) -> None:
    study = make(url)
    asked, other = study.ask(2)
    plain(url).tell(asked.number, 0.75)
    assert (study.trial(asked.number).state, study.trial(asked.number).value) == ("finished", 0.75)
    study.tell(asked, 0.75)  # the same result again is fine
    plain(url).tell(other.number, 0.5)
    with pytest.raises(ResultConflict):  # seen at the moment of telling
        study.tell(other, 0.25)
    assert [t.value for t in plain(url).trials] == [0.75, 0.5]
    assert study.trial(other.number).value == 0.5
    assert study.reap() == []


def test_measured_limits_are_turned_back(url: str) -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1)])
    study = Study(tl.Problem("limited", space, constraints=["size <= 3"]), storage=url, strategy="random")

    def limited(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("size", 1.0 if x > 0.5 else -1.0)
        return x

    plain(url, "limited").optimize(limited, n_trials=6)
    sizes = {t.params["x"] > 0.5: t.measurement.constraints["size"] for t in study.trials if t.measurement}
    assert sizes == {True: 4.0, False: 2.0}


def test_the_same_configuration_again_is_a_replicate(url: str) -> None:
    study, theirs = make(url), plain(url)
    for value in (1.0, 2.0):
        theirs.enqueue_trial({"kernel": "linear", "C": 1.0})
        theirs.optimize(lambda trial, v=value: (objective(trial), v)[1], n_trials=1)
    assert [t.replicate for t in study.trials] == [0, 1]
    lines = {line.name: line for line in study.ledger.summaries()}
    assert lines["svm"].trials == 2


@pytest.mark.postgres
@pytest.mark.slow
def test_it_is_the_same_on_postgres(postgres_url: str) -> None:
    from trialogue.agent.ledger.ledger import Ledger

    ledger = Ledger(postgres_url)
    if ledger.has("svm"):
        ledger.delete("svm")
    study = Study(problem(), name="svm", storage=ledger, strategy="random")
    held, theirs = study.ask(1, receipt="adoption-1")[0], plain(ledger.database.optuna_storage())
    running = theirs.ask()
    objective(running)
    theirs.optimize(objective, n_trials=2)
    theirs.tell(held.number, 0.25)
    assert [t.number for t in study.trials] == [0, 2, 3]
    theirs.tell(running, 0.5)
    assert [(t.number, t.value) for t in study.trials][:2] == [(0, 0.25), (1, 0.5)]
    assert [t.number for t in study.ask(1, receipt="adoption-1")] == [0]  # the same request: the same trial
    assert study.ask().number == 4
    ledger.delete("svm")
