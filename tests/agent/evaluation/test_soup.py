"""A soup is the mean of checkpoints that do not make each other worse."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import trialogue as tl
from trialogue.serving.errors import InvalidInput

TARGET = np.array([1.0, 1.0])
PROBLEM = tl.Problem("tuned", tl.SearchSpace([tl.Float("x", 0, 1)]), [tl.Objective("loss")])


def loss(weights):
    return float(np.sum((weights["w"] - TARGET) ** 2))


def trained(tmp_path, points):
    """A study whose trials leave these weights behind."""
    left = iter(points)

    def evaluate(params, run):
        point = next(left)
        weights = {"w": np.array(point, np.float32), "steps": np.array([7])}
        save_file(weights, run.workdir / "model.safetensors")
        return float(np.sum((np.array(point[:2]) - TARGET) ** 2))

    study = tl.Study(PROBLEM, strategy="random")
    study.run(evaluate, len(points), workdir=tmp_path)
    return study


def test_errors_that_cancel_are_averaged_away(tmp_path):
    study = trained(tmp_path, [(1.2, 1.0), (0.7, 1.0), (9.0, 9.0)])
    soup = study.soup(loss, tmp_path)
    assert soup.trials == (0, 1)
    assert soup.score == pytest.approx(0.05**2, abs=1e-6)
    assert soup.best == pytest.approx(0.04, abs=1e-6)
    assert np.allclose(soup.weights["w"], (0.95, 1.0))
    assert soup.weights["w"].dtype == np.float32
    assert soup.weights["steps"] == 7


def test_where_averaging_fails_the_soup_is_the_best_trial(tmp_path):
    soup = trained(tmp_path, [(1.0, 1.1), (5.0, 1.0)]).soup(loss, tmp_path)
    assert (soup.trials, soup.score) == ((0,), soup.best)


def test_a_checkpoint_without_a_score_is_the_worst(tmp_path):
    study = trained(tmp_path, [(1.2, 1.0), (0.7, 1.0), (9.0, 9.0)])
    soup = study.soup(lambda weights: loss(weights) if 0.01 < loss(weights) < 0.08 else np.nan, tmp_path)
    assert soup.trials == (0,)
    assert soup.score == pytest.approx(0.04, abs=1e-6)


def test_a_soup_is_noted_in_the_study_and_can_be_saved(tmp_path):
    study = trained(tmp_path, [(1.2, 1.0), (0.7, 1.0)])
    soup = study.soup(loss, tmp_path, most=1)
    assert soup.tried == 1
    assert str(soup) in str(study.events()[-1].data)
    soup.save(tmp_path / "soup.safetensors")
    assert np.array_equal(load_file(tmp_path / "soup.safetensors")["w"], soup.weights["w"])


def test_without_checkpoints_the_cure_is_told(tmp_path):
    study = tl.Study(PROBLEM)
    study.add({"x": 0.5}, 1.0)
    with pytest.raises(InvalidInput, match="has none; write one to"):
        study.soup(loss, tmp_path)


def test_networks_of_other_shapes_are_refused(tmp_path):
    study = trained(tmp_path, [(1.0, 1.0), (1.0, 1.0, 1.0)])

    def rough(weights):
        return float(weights["w"].sum())

    with pytest.raises(InvalidInput, match="only networks of one shape"):
        study.soup(rough, tmp_path)
