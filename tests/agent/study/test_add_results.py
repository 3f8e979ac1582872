from pathlib import Path

import optuna
import pytest
from contracts.study import limited, problem

import trialogue as tl
from trialogue.agent.study import add_results
from trialogue.evaluators.errors import InvalidMeasurement


def test_rows_of_a_csv_file_that_fit_are_read(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(
        "kernel,C,gamma,objective,fit_s,note\nrbf,1,0.1,0.5,1.0,x\nlinear,2.5,,0.6,3.0,y\ncubic,1,,0.1,1,z\nlinear,1,,oops,1,\n"
    )
    found = add_results.from_csv(limited(), file)
    assert [dict(params) for params, _ in found.rows] == [
        {"kernel": "rbf", "C": 1.0, "gamma": 0.1},
        {"kernel": "linear", "C": 2.5},
    ]
    assert [m.constraints for _, m in found.rows] == [{"fit_s": 1.0}, {"fit_s": 3.0}]
    assert [number for number, _ in found.left_out] == [4, 5]
    study = tl.Study(limited(), strategy="random")
    study.add_many(found.rows, source="table.csv")
    assert study.best_trial.number == 0
    assert study.trials[0].source == "table.csv"


def test_a_csv_file_without_the_objective_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("kernel,C\nlinear,1\n")
    with pytest.raises(InvalidMeasurement, match=r"'accuracy'"):
        add_results.from_csv(problem(), file)


def test_finished_trials_of_an_optuna_study_are_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    theirs = optuna.create_study(study_name="theirs", storage=url, direction="maximize")
    distributions = problem().space.distributions()
    for params in ({"kernel": "linear", "C": 1.0}, {"kernel": "rbf", "C": 1.0, "gamma": 0.5}, {"C": 3.0}):
        used = {name: distributions[name] for name in params}
        theirs.add_trial(optuna.create_trial(params=params, distributions=used, value=params["C"]))
    theirs.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL))
    found = add_results.from_optuna(problem(), theirs)
    assert len(found.rows) == 2
    assert [number for number, _ in found.left_out] == [2]
    assert "kernel" in found.left_out[0][1]
