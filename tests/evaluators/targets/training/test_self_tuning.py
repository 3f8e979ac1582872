"""The self-tuning target: rates and h are inverse, an interval continues, and a study learns a schedule."""

from pathlib import Path

import pytest
import torch

import trialogue as tl
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.training.self_tuning import Training, evaluate, rates, target, unconstrained

PARAMS = {"drop_input": 0.2, "drop_hidden": 0.5, "width": 16}


def test_rates_come_back_from_their_unconstrained_form() -> None:
    assert rates(unconstrained(PARAMS)) == pytest.approx({"drop_input": 0.2, "drop_hidden": 0.5}, abs=1e-5)


def test_an_interval_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    training = Training(PARAMS, 0, self_tuning=True)
    training.go(60)
    training.save(tmp_path)
    again = Training(PARAMS, 1, self_tuning=True)
    again.load(tmp_path)
    assert again.steps == 60
    for own, other in zip(training.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(own, other)


def test_a_fixed_training_does_not_move_its_rates() -> None:
    training = Training(PARAMS, 0, self_tuning=False)
    training.go(60)
    assert rates(training.tuner.h) == pytest.approx({"drop_input": 0.2, "drop_hidden": 0.5}, abs=1e-5)
    assert evaluate(PARAMS, Run(fidelity=0.1)).metrics == {}


def test_a_study_learns_a_schedule(tmp_path: Path) -> None:
    study = tl.Study(target().problem, strategy="stn", storage=None)
    study.run(target(), n_trials=4, workdir=tmp_path)
    schedule = [t.params["drop_hidden"] for t in study.trials]
    assert schedule[0] == 0.05
    assert len(set(schedule)) > 2, "the interval after the warm-up moves it"
