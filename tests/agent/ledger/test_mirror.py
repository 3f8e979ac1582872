"""Our rows in Optuna's tables are what Optuna itself would have written."""

import math
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from contracts.study import problem
from optuna.trial import TrialState

import trialogue as tl
from trialogue.agent.ledger import mirror
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study


def test_a_trial_reads_the_same_as_one_that_optuna_wrote(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    study = Study(problem(), name="ours", storage=url, strategy="random")
    trial = study.ask(fixed={"kernel": "rbf"})
    trial.report(0, 0.25)
    trial.report(1, math.inf)
    trial.report(2, math.nan)
    trial.report(0, 0.5)
    study.tell(trial, 0.75)
    (ours,) = optuna.load_study(study_name="ours", storage=url).trials
    theirs = optuna.create_study(study_name="theirs", storage=url, direction="maximize")
    distributions = problem().space.distributions()
    template = optuna.create_trial(
        state=TrialState.RUNNING,
        params=dict(trial.params),
        distributions={n: distributions[n] for n in trial.params},
        user_attrs=ours.user_attrs,
    )
    storage = theirs._storage
    trial_id = storage.create_new_trial(theirs._study_id, template_trial=template)
    for step, value in ((0, 0.5), (1, math.inf), (2, math.nan)):
        storage.set_trial_intermediate_value(trial_id, step, value)
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.75])
    (written,) = theirs.get_trials()
    for name in ("number", "state", "values", "params", "distributions", "user_attrs", "system_attrs"):
        assert getattr(ours, name) == getattr(written, name), name
    assert str(ours.intermediate_values) == str(written.intermediate_values)
    assert ours.datetime_start is not None
    assert written.datetime_complete is not None
    assert abs((ours.datetime_start - written.datetime_complete).total_seconds()) < 60


def test_the_declared_tables_are_optuna_s(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/study.db")
    with ledger.database.read() as connection:
        inspector = sa.inspect(connection)
        for table in mirror.TABLES.tables.values():
            found = {c["name"]: c["type"].compile() for c in inspector.get_columns(table.name)}
            assert {c.name for c in table.columns} <= set(found), table.name
    assert {"trials", "trial_params", "trial_values"} <= set(mirror.TABLES.tables)


@pytest.mark.parametrize("limits", [{"upper": 2.0}, {"lower": 1.0}, {"lower": 1.0, "upper": 2.0}])
def test_constraints_are_feasible_below_zero_as_optuna_wants(
    limits: dict[str, float], tmp_path: Path
) -> None:
    limited = tl.Problem("p", problem().space, constraints=[tl.Constraint("s", **limits)])
    url = f"sqlite:///{tmp_path}/study.db"
    study = Study(limited, storage=url, strategy="random")
    for value in (0.5, 1.5, 2.5):
        study.tell(study.ask(), tl.Measurement(1.0, constraints={"s": value}))
    theirs = [t.constraints["s"] <= 0 for t in optuna.load_study(study_name="p", storage=url).trials]
    assert theirs == [limited.feasible(t.measurement) for t in study.trials if t.measurement]


def test_limits_stand_where_the_dashboard_looks(tmp_path: Path) -> None:
    limited = tl.Problem("p", problem().space, constraints=["size <= 3", "speed >= 1"])
    url = f"sqlite:///{tmp_path}/study.db"
    study = Study(limited, storage=url, strategy="random")
    study.tell(study.ask(), tl.Measurement(0.5, constraints={"size": 4.0, "speed": 2.0}))
    (theirs,) = optuna.load_study(study_name="p", storage=url).trials
    assert theirs.constraints["size"] == 1.0
    assert theirs.system_attrs["constraints"] == [1.0, -1.0]
