"""Real scikit-learn tasks, small enough to be evaluated on the spot: cross-validated error of common models.

The value is 1 - accuracy or a scaled mean squared error over fixed folds; the same parameters give the same value.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_classification,
    make_friedman1,
)
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import ElasticNet, LogisticRegression, SGDClassifier
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

import trialogue as tl

from .base import Case, Outcome

Build = Callable[[Mapping[str, Any]], Any]  # any estimator


@cache
def data(name: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return X, y and whether it is a classification task; at most 400 rows, standardized."""
    if name == "friedman":
        X, y = make_friedman1(300, n_features=8, noise=1.0, random_state=1)
    elif name == "made":
        X, y = make_classification(
            360, 16, n_informative=6, n_redundant=3, flip_y=0.06, class_sep=0.7, random_state=3
        )
    elif name == "made-many":
        X, y = make_classification(
            300, 40, n_informative=7, n_classes=3, n_clusters_per_class=2, random_state=5
        )
    else:
        load = {
            "digits": load_digits,
            "cancer": load_breast_cancer,
            "wine": load_wine,
            "diabetes": load_diabetes,
        }[name]
        X, y = load(return_X_y=True)
    pick = np.random.default_rng(0).permutation(len(X))[:400]
    classification = name not in ("friedman", "diabetes")
    X = StandardScaler().fit_transform(X[pick])
    y = y[pick] if classification else (y[pick] - y[pick].mean()) / y[pick].std()
    return X, y, classification


def cross_validated_error(model: Any, name: str, folds: int = 3) -> float:
    """Return the mean error over fixed folds: misclassification with a small part of the log loss, or squared error."""
    X, y, classification = data(name)
    splitter = (StratifiedKFold if classification else KFold)(folds, shuffle=True, random_state=7)
    errors = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for train, test in splitter.split(X, y):
            model.fit(X[train], y[train])
            predicted = model.predict(X[test])
            error = np.mean(predicted != y[test]) if classification else np.mean((predicted - y[test]) ** 2)
            errors.append(min(float(error), 50.0))
    return float(np.mean(errors))


def case(
    name: str,
    dataset: str,
    parameters: list[Any],
    build: Build,
    *,
    unseen: bool = False,
    family: str = "hyperparameters",
) -> Case:
    space = tl.SearchSpace(parameters)
    seen: dict[str, Outcome] = {}

    def evaluate(params: Mapping[str, Any]) -> Outcome:
        key = space.key(params)
        if key not in seen:
            seen[key] = Outcome(cross_validated_error(build(params), dataset))
        return seen[key]

    return Case(tl.Problem(name, space), family, evaluate, unseen)


F, I, C = tl.Float, tl.Int, tl.Categorical


def hyperparameter_cases() -> list[Case]:
    svm = [F("C", 1e-3, 1e3, log=True), F("gamma", 1e-6, 1e1, log=True)]
    boosting = [F("learning_rate", 1e-3, 1.0, log=True), I("n_estimators", 5, 80, log=True), I("max_depth", 1, 8),
                F("subsample", 0.2, 1.0), F("max_features", 0.1, 1.0), I("min_samples_leaf", 1, 40, log=True)]  # fmt: skip
    mlp = [F("alpha", 1e-7, 1e1, log=True), F("learning_rate_init", 1e-4, 0.3, log=True), I("hidden", 4, 64, log=True),
           I("layers", 1, 3), C("activation", ["relu", "tanh", "logistic"]), I("batch_size", 16, 128, log=True)]  # fmt: skip

    def perceptron(p: Mapping[str, Any]) -> dict[str, Any]:
        return {"alpha": p["alpha"], "learning_rate_init": p["learning_rate_init"], "activation": p["activation"], "batch_size": p["batch_size"],
                "hidden_layer_sizes": (p["hidden"],) * p["layers"], "max_iter": 12, "random_state": 0}  # fmt: skip

    forest = [I("n_estimators", 3, 40, log=True), I("max_depth", 1, 20, log=True), F("max_features", 0.05, 1.0),
              I("min_samples_leaf", 1, 50, log=True), C("criterion", ["gini", "entropy"]), C("bootstrap", [True, False])]  # fmt: skip
    tree = [I("max_depth", 1, 20), F("min_samples_split", 0.005, 0.5, log=True), I("min_samples_leaf", 1, 60, log=True),
            F("ccp_alpha", 1e-5, 0.1, log=True), C("criterion", ["gini", "entropy", "log_loss"])]  # fmt: skip
    return [
        case("svm-digits", "digits", svm, lambda p: SVC(**p)),
        case("svm-made-many", "made-many", svm, lambda p: SVC(**p)),
        case("svr-friedman", "friedman", [*svm, F("epsilon", 1e-3, 1.0, log=True)], lambda p: SVR(**p)),
        case("gbdt-made", "made", boosting, lambda p: GradientBoostingClassifier(random_state=0, **p)),
        case("gbdt-diabetes", "diabetes", boosting, lambda p: GradientBoostingRegressor(random_state=0, **p), unseen=True),
        case("mlp-digits", "digits", mlp, lambda p: MLPClassifier(**perceptron(p))),
        case("mlp-friedman", "friedman", mlp, lambda p: MLPRegressor(**perceptron(p)), unseen=True),
        case("forest-made-many", "made-many", forest, lambda p: RandomForestClassifier(random_state=0, **p)),
        case("forest-cancer", "cancer", forest, lambda p: RandomForestClassifier(random_state=0, **p), unseen=True),
        case("tree-made", "made", tree, lambda p: DecisionTreeClassifier(random_state=0, **p)),
        case("knn-digits", "digits", [I("n_neighbors", 1, 60, log=True), C("weights", ["uniform", "distance"]), F("p", 1.0, 6.0)],
             lambda p: KNeighborsClassifier(**p)),
        case("enet-diabetes", "diabetes", [F("alpha", 1e-4, 1e2, log=True), F("l1_ratio", 0.0, 1.0)], lambda p: ElasticNet(**p)),
        case("logistic-made-many", "made-many", [F("C", 1e-5, 1e3, log=True), F("tol", 1e-6, 1e-1, log=True), I("max_iter", 5, 200, log=True),
             C("class_weight", [None, "balanced"])], lambda p: LogisticRegression(**p), unseen=True),
        case("sgd-cancer", "cancer", [F("alpha", 1e-7, 1e1, log=True), F("eta0", 1e-5, 1e1, log=True), F("power_t", 0.0, 1.0),
             C("loss", ["hinge", "log_loss", "modified_huber"]), C("learning_rate", ["constant", "invscaling", "adaptive"]), F("l1_ratio", 0.0, 1.0)],
             lambda p: SGDClassifier(penalty="elasticnet", max_iter=30, random_state=0, **p)),
        case("ridge-friedman", "friedman", [F("alpha", 1e-6, 1e2, log=True), F("gamma", 1e-5, 1e1, log=True), C("kernel", ["rbf", "laplacian"])],
             lambda p: KernelRidge(**p), unseen=True),
        case("extra-diabetes", "diabetes", [I("n_estimators", 3, 40, log=True), I("max_depth", 1, 16), F("max_features", 0.1, 1.0),
             I("min_samples_leaf", 1, 50, log=True), I("min_samples_split", 2, 60, log=True)],
             lambda p: ExtraTreesRegressor(random_state=0, **p)),
        case("knn-cancer", "cancer", [I("n_neighbors", 1, 80, log=True), C("weights", ["uniform", "distance"]), F("p", 1.0, 6.0),
             C("algorithm", ["ball_tree", "kd_tree"])], lambda p: KNeighborsClassifier(**p), unseen=True),
    ]  # fmt: skip
