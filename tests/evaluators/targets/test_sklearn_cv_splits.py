"""Folds by similarity and by time ask for more than random ones; a part is kept for the test."""

import numpy as np
import pytest

from trialogue.evaluators.errors import EvaluationFailed, InvalidSpecification
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.sklearn_cv import CrossValidation

KNN = {"dataset": "breast_cancer", "model": "knn", "folds": 3}


def score(split: str, data: str = "") -> float:
    target = CrossValidation(**KNN, split=split)
    return target(target.problem.space.default(), Run(data=data)).value


def test_what_is_unlike_the_training_rows_is_harder():
    assert score("similarity") < score("random")
    assert score("similarity") < score("time")


def test_random_folds_are_what_they_were():
    assert score("random") == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("split", ["random", "similarity", "time"])
def test_the_test_part_is_none_of_the_tuning_rows(split):
    target = CrossValidation(**KNN, split=split)
    X = np.arange(60.0)[:, None] ** 2
    y = np.arange(60) % 3
    ((rest, kept),) = target._splits(X, y, "test")
    tuning = {int(row) for fold in target._splits(X, y, "tuning") for rows in fold for row in rows}
    assert set(kept.tolist()) & tuning == set()
    assert tuning == set(rest.tolist())


def test_other_data_and_other_splits_are_refused():
    with pytest.raises(EvaluationFailed, match="tuning or test"):
        score("random", "2024")
    with pytest.raises(InvalidSpecification, match="`split` must be one of"):
        score("clusters")
    with pytest.raises(InvalidSpecification, match="class by class"):
        CrossValidation("wine", "knn", split="time")
