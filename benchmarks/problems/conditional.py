"""Conditional spaces: the kernel decides which parameters there are, or the model, or the optimizer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer
from sklearn.svm import SVC

import trialogue as tl

from .base import Case, Outcome
from .hyperparameters import case
from .synthetic import ackley

F, I, C = tl.Float, tl.Int, tl.Categorical


def _model(p: Mapping[str, Any]) -> Any:
    kind = p["model"]
    if kind == "svm":
        return SVC(C=p["C"], gamma=p["gamma"])
    if kind == "knn":
        return KNeighborsClassifier(p["n_neighbors"], weights=p["weights"])
    if kind == "logistic":
        return LogisticRegression(C=p["inverse_strength"], max_iter=100)
    if kind == "forest":
        return RandomForestClassifier(
            p["n_estimators"],
            max_features=p["max_features"],
            min_samples_leaf=p["min_samples_leaf"],
            random_state=0,
        )
    return GradientBoostingClassifier(
        learning_rate=p["learning_rate"], n_estimators=30, max_depth=p["max_depth"], random_state=0
    )


MODELS = [
    C("model", ["logistic", "svm", "knn", "forest", "boosting"]),
    F("inverse_strength", 1e-5, 1e3, log=True, when={"model": ["logistic"]}),
    F("C", 1e-3, 1e3, log=True, when={"model": ["svm"]}), F("gamma", 1e-6, 1e1, log=True, when={"model": ["svm"]}),
    I("n_neighbors", 1, 60, log=True, when={"model": ["knn"]}), C("weights", ["uniform", "distance"], when={"model": ["knn"]}),
    I("n_estimators", 3, 30, log=True, when={"model": ["forest"]}), F("max_features", 0.05, 1.0, when={"model": ["forest"]}),
    I("min_samples_leaf", 1, 50, log=True, when={"model": ["forest"]}),
    F("learning_rate", 1e-3, 1.0, log=True, when={"model": ["boosting"]}), I("max_depth", 1, 5, when={"model": ["boosting"]}),
]  # fmt: skip


def _pipeline(p: Mapping[str, Any]) -> Any:
    steps = {"none": [], "minmax": [MinMaxScaler()], "quantile": [QuantileTransformer(n_quantiles=50)],
             "pca": [PCA(p.get("components", 0.9), random_state=0)]}[p["preprocessing"]]  # fmt: skip
    return make_pipeline(*steps, _model(p))


def _svm(p: Mapping[str, Any]) -> SVC:
    return SVC(
        C=p["C"],
        kernel=p["kernel"],
        gamma=p.get("gamma", "scale"),
        degree=p.get("degree", 3),
        coef0=p.get("coef0", 0.0),
        max_iter=4000,
    )


def _optimizer(p: Mapping[str, Any]) -> MLPClassifier:
    own = {k: p[k] for k in ("momentum", "nesterovs_momentum", "beta_1", "beta_2", "power_t") if k in p}
    if "beta_2" in own:
        own["beta_2"] = 1.0 - own["beta_2"]
    return MLPClassifier((p["hidden"],), solver=p["solver"], alpha=p["alpha"], learning_rate_init=p.get("learning_rate_init", 1e-3), max_iter=10,
                         random_state=0, **own)  # fmt: skip


KERNELS = [C("kernel", ["linear", "rbf", "poly", "sigmoid"]), F("C", 1e-4, 1e3, log=True),
           F("gamma", 1e-6, 1e1, log=True, when={"kernel": ["rbf", "poly", "sigmoid"]}), I("degree", 2, 5, when={"kernel": ["poly"]}),
           F("coef0", -1.0, 2.0, when={"kernel": ["poly", "sigmoid"]})]  # fmt: skip


def _tree_function() -> Case:
    space = tl.SearchSpace([
        C("a", ["left", "right"]), C("b", [0, 1], when={"a": ["left"]}),
        F("u", -2, 3, when={"a": ["left"]}), F("v", 0, 1, when={"a": ["right"]}), F("w", 0, 1, when={"a": ["right"]}), F("r", 0, 1),
    ])  # fmt: skip

    def evaluate(p: Mapping[str, Any]) -> Outcome:
        if p["a"] == "left":
            return Outcome(0.4 * ackley(np.array([p["u"] - 1.2, 3 * (p["r"] - 0.3)])) + 0.5 * p["b"] + 0.3)
        return Outcome(
            3 * (p["v"] - 0.8) ** 2 + 4 * (p["w"] - 0.25) ** 2 + 2 * abs(p["r"] - 0.7) ** 1.5 + 0.1
        )

    return Case(tl.Problem("branching-functions", space), "conditional", evaluate, unseen=True)


def conditional_cases() -> list[Case]:
    return [
        case("svm-kernels-made", "made", KERNELS, _svm, family="conditional"),
        case("svm-kernels-cancer", "cancer", KERNELS, _svm, family="conditional", unseen=True),
        case("models-digits", "digits", MODELS, _model, family="conditional"),
        case("pipeline-made-many", "made-many", [C("preprocessing", ["none", "minmax", "quantile", "pca"]),
             I("components", 2, 30, when={"preprocessing": ["pca"]}), *MODELS], _pipeline, family="conditional"),
        case("mlp-optimizers-made", "made", [C("solver", ["adam", "sgd", "lbfgs"]), I("hidden", 4, 64, log=True), F("alpha", 1e-7, 1e1, log=True),
             F("learning_rate_init", 1e-4, 1.0, log=True, when={"solver": ["adam", "sgd"]}), F("momentum", 0.0, 0.99, when={"solver": ["sgd"]}),
             C("nesterovs_momentum", [True, False], when={"solver": ["sgd"]}), F("beta_1", 0.5, 0.99, when={"solver": ["adam"]}),
             F("beta_2", 1e-4, 0.5, log=True, when={"solver": ["adam"]})], _optimizer, family="conditional"),
        _tree_function(),
    ]  # fmt: skip
