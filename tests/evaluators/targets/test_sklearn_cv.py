"""Cross-validation targets: real scores, the library's defaults, limits and fidelities."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.evaluator import EvaluatorContract
from sklearn import model_selection, svm
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.programs.call import Evaluate, measure
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.sklearn_cv import DATASETS, CrossValidation, fresh_subsets
from trialogue.evaluators.targets.sklearn_spaces import SPACES


class TestCrossValidation(EvaluatorContract):
    reports = True

    @pytest.fixture
    def problem(self) -> Problem:
        return CrossValidation("wine", "decision_tree", folds=3).problem

    @pytest.fixture
    def evaluate(self, tmp_path: Path) -> Evaluate:
        return CrossValidation("wine", "decision_tree", folds=3)


def test_the_score_is_scikit_learns_own() -> None:
    evaluate = CrossValidation("wine", "svm")
    params = {"kernel": "rbf", "C": 2.0, "gamma": 0.1}
    X, y = load_wine(return_X_y=True)
    splits = model_selection.StratifiedKFold(5, shuffle=True, random_state=0)
    pipe = make_pipeline(StandardScaler(), svm.SVC(**params))
    expected = model_selection.cross_val_score(pipe, X, y, cv=splits)
    found = measure(evaluate, params, evaluate.problem, Run())
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(expected.mean())
    assert found.sem == (pytest.approx(expected.std(ddof=1) / np.sqrt(5)),)


@pytest.mark.parametrize("model", SPACES)
@pytest.mark.parametrize("dataset", ["wine", "diabetes"])
def test_every_model_evaluates_its_default_and_a_random_configuration(dataset: str, model: str) -> None:
    evaluate = CrossValidation(dataset, model, folds=2)
    problem = evaluate.problem
    assert problem.space.has_defaults
    cheap = {"max_iter": 10, "n_estimators": 10, "width": 8, "depth": 1}
    seen = []
    for params in [problem.space.default(), *problem.space.sample(np.random.default_rng(0), 1)]:
        chosen = {**params, **{k: v for k, v in cheap.items() if k in params}}
        found = measure(evaluate, chosen, problem, Run())
        assert isinstance(found, Measurement)
        assert found.metrics["fit_s"] > 0
        seen.append(found.value)
    assert seen[0] > 0.3


def test_objectives_have_their_direction() -> None:
    assert CrossValidation("digits").problem.signs.tolist() == [1.0]
    assert CrossValidation("diabetes").problem.signs.tolist() == [-1.0]
    assert "1797" in CrossValidation("digits").problem.description
    assert CrossValidation("digits").problem.context["n_features"] == 64


def test_a_limit_on_fit_seconds_is_an_outcome_constraint() -> None:
    evaluate = CrossValidation("wine", "knn", max_fit_s=1e-9)
    found = measure(evaluate, evaluate.problem.space.default(), evaluate.problem, Run())
    assert isinstance(found, Measurement)
    assert not evaluate.problem.feasible(found)


def test_a_lower_fidelity_fits_on_fewer_rows() -> None:
    evaluate = CrossValidation("digits", "knn", folds=2)
    full, small = (
        measure(evaluate, evaluate.problem.space.default(), evaluate.problem, Run(fidelity=f))
        for f in (1.0, 0.02)
    )
    assert isinstance(full, Measurement)
    assert isinstance(small, Measurement)
    assert small.value < full.value


def test_fresh_subsets_give_every_row_its_turn_before_any_comes_again() -> None:
    drawn = list(itertools.islice(fresh_subsets(10, 4, seed=3), 5))
    assert all(len(set(subset.tolist())) == 4 for subset in drawn)
    in_order = np.concatenate(drawn).tolist()
    assert sorted(in_order[:10]) == sorted(in_order[10:]) == list(range(10))


def test_fresh_subsets_teach_more_than_one_that_is_kept() -> None:
    problem = CrossValidation("digits", "mlp").problem
    params = {**problem.space.default(), "width": 32}
    kept, fresh = (
        measure(CrossValidation("digits", "mlp", 2, subsets=kind), params, problem, Run(fidelity=0.05))
        for kind in ("fixed", "fresh")
    )
    assert isinstance(kept, Measurement)
    assert isinstance(fresh, Measurement)
    assert fresh.value > kept.value + 0.05


BAD: list[tuple[dict[str, Any], str]] = [
    ({"dataset": "mnist"}, "`dataset` must be one of digits, wine"),
    ({"model": "xgboost"}, "`model` must be one of svm"),
    ({"subsets": "fresh", "model": "svm"}, "'fresh' with model 'mlp'"),
    ({"folds": 1}, r"`folds` must be a whole number in \[2, 20\]"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_what_does_not_exist_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSpecification, match=message):
        CrossValidation(**options)
    assert set(DATASETS) == {"digits", "wine", "breast_cancer", "diabetes"}
