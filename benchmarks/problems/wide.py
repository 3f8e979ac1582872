"""Harder cases of six to ten parameters: real scikit-learn fits of a few milliseconds, and public functions.

The kernel machines weigh each feature by a parameter of its own, as automatic relevance determination does, so that
every parameter matters. Sources of the functions: Surjanovic & Bingham, Virtual Library of Simulation.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, GradientBoostingRegressor
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import ElasticNet, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

import trialogue as tl

from .base import Case, Outcome
from .hyperparameters import case
from .synthetic import _case, ackley, hartmann6, levy, rosenbrock

F, I, C = tl.Float, tl.Int, tl.Categorical
Params = Mapping[str, Any]


def _weighted(p: Params, features: int, model: Any) -> Any:
    """Return the model behind a scaling of the first features by their own weights, the others by one shared weight."""
    w = np.full(features, p["w_rest"])
    own = [p[k] for k in sorted(p) if k.startswith("w") and k != "w_rest"]
    w[: len(own)] = own
    return make_pipeline(FunctionTransformer(lambda X: X * w), model)


def _weights(n: int) -> list[Any]:
    return [*(F(f"w{i}", 0.01, 10.0, log=True) for i in range(n)), F("w_rest", 0.01, 10.0, log=True)]


def _nystroem(p: Params) -> Any:
    features = Nystroem(
        p["kernel"], gamma=p["gamma"], n_components=p["components"], coef0=0.5, degree=2, random_state=0
    )
    line = SGDClassifier(
        loss=p["loss"], penalty="elasticnet", alpha=p["alpha"], l1_ratio=p["l1_ratio"], learning_rate=p["schedule"], eta0=p["eta0"],
        max_iter=15, tol=None, random_state=0,
    )  # fmt: skip
    return make_pipeline(SelectKBest(f_classif, k=p["features"]), features, line)


def _process(p: Params) -> Any:
    lengths = [p[f"length{i}"] for i in range(6)] + [p["length_rest"]] * 4
    kernel = ConstantKernel(p["amplitude"]) * RBF(lengths) + WhiteKernel(p["noise"])
    return GaussianProcessRegressor(kernel, optimizer=None)


def _boosted_trees(p: Params) -> Any:
    tree = DecisionTreeClassifier(max_depth=p["max_depth"], min_samples_leaf=p["min_samples_leaf"], max_features=p["max_features"],
                                  criterion=p["criterion"], ccp_alpha=p["ccp_alpha"], random_state=0)  # fmt: skip
    return AdaBoostClassifier(
        tree, n_estimators=p["n_estimators"], learning_rate=p["learning_rate"], random_state=0
    )


def _bagged_neighbours(p: Params) -> Any:
    near = KNeighborsClassifier(p["n_neighbors"], weights=p["weights"], p=p["p"])
    return BaggingClassifier(near, p["n_estimators"], max_samples=p["max_samples"], max_features=p["max_features"], bootstrap=p["bootstrap"],
                             bootstrap_features=p["bootstrap_features"], random_state=0)  # fmt: skip


def _perceptron(p: Params) -> Any:
    return MLPClassifier((p["first"], p["second"]), alpha=p["alpha"], learning_rate_init=p["learning_rate_init"], activation=p["activation"],
                         batch_size=p["batch_size"], beta_1=1 - p["one_less_beta_1"], beta_2=1 - p["one_less_beta_2"], max_iter=p["max_iter"],
                         random_state=0)  # fmt: skip


def _polynomial(p: Params) -> Any:
    expand = PolynomialFeatures(p["degree"], interaction_only=p["interaction_only"], include_bias=False)
    squash = FunctionTransformer(lambda X: np.tanh(X / p["squash"]) * p["squash"])
    return make_pipeline(
        squash,
        expand,
        ElasticNet(alpha=p["alpha"], l1_ratio=p["l1_ratio"], max_iter=p["max_iter"], tol=p["tol"]),
    )


def wide_hyperparameter_cases() -> list[Case]:
    svm = [F("C", 1e-2, 1e3, log=True)]
    boosting = [F("learning_rate", 1e-3, 1.0, log=True), I("n_estimators", 5, 60, log=True), I("max_depth", 1, 8), F("subsample", 0.2, 1.0),
                F("max_features", 0.1, 1.0), I("min_samples_leaf", 1, 40, log=True), F("min_impurity_decrease", 1e-6, 0.3, log=True),
                C("loss", ["squared_error", "absolute_error", "huber", "quantile"]), F("alpha", 0.5, 0.99)]  # fmt: skip
    return [
        case("svr-weighted-friedman", "friedman", [*svm, F("epsilon", 1e-3, 1.0, log=True), *_weights(6)],
             lambda p: _weighted(p, 8, SVR(C=p["C"], epsilon=p["epsilon"], gamma=0.1))),
        case("svc-weighted-made", "made", [*svm, C("class_weight", [None, "balanced"]), *_weights(6)],
             lambda p: _weighted(p, 16, SVC(C=p["C"], class_weight=p["class_weight"], gamma=0.1)), unseen=True),
        case("nystroem-digits", "digits", [C("kernel", ["rbf", "poly", "sigmoid"]), F("gamma", 1e-5, 1.0, log=True), I("components", 5, 120, log=True),
             I("features", 3, 60, log=True), C("loss", ["hinge", "log_loss", "perceptron"]), F("alpha", 1e-7, 1.0, log=True), F("l1_ratio", 0, 1),
             C("schedule", ["constant", "invscaling", "adaptive"]), F("eta0", 1e-4, 10, log=True)], _nystroem),
        case("process-diabetes", "diabetes", [F("amplitude", 1e-2, 1e2, log=True), F("noise", 1e-3, 3.0, log=True),
             *(F(f"length{i}", 0.1, 100, log=True) for i in range(6)), F("length_rest", 0.1, 100, log=True)], _process),
        case("boosted-trees-made", "made", [I("max_depth", 1, 10), I("min_samples_leaf", 1, 60, log=True), F("max_features", 0.05, 1.0),
             C("criterion", ["gini", "entropy"]), F("ccp_alpha", 1e-5, 0.1, log=True), I("n_estimators", 2, 30, log=True),
             F("learning_rate", 1e-2, 3.0, log=True)], _boosted_trees),
        case("bagged-neighbours-digits", "digits", [I("n_neighbors", 1, 60, log=True), C("weights", ["uniform", "distance"]), F("p", 1.0, 2.0, step=1.0),
             I("n_estimators", 1, 12, log=True), F("max_samples", 0.25, 1.0), F("max_features", 0.02, 1.0, log=True), C("bootstrap", [True, False]),
             C("bootstrap_features", [True, False])], _bagged_neighbours, unseen=True),
        case("perceptron-made-many", "made-many", [I("first", 2, 64, log=True), I("second", 2, 64, log=True), F("alpha", 1e-7, 1e1, log=True),
             F("learning_rate_init", 1e-4, 0.3, log=True), C("activation", ["relu", "tanh", "logistic", "identity"]), I("batch_size", 32, 200, log=True),
             F("one_less_beta_1", 0.01, 0.9, log=True), F("one_less_beta_2", 1e-4, 0.5, log=True), I("max_iter", 1, 15, log=True)], _perceptron),
        case("polynomial-friedman", "friedman", [I("degree", 1, 3), C("interaction_only", [False, True]), F("squash", 0.3, 30.0, log=True),
             F("alpha", 1e-4, 10, log=True), F("l1_ratio", 0, 1), I("max_iter", 2, 200, log=True), F("tol", 1e-5, 0.1, log=True)], _polynomial),
        case("boosting9-friedman", "friedman", boosting, lambda p: GradientBoostingRegressor(random_state=0, **p), unseen=True),
    ]  # fmt: skip


def powell(x: np.ndarray) -> float:
    a, b, c, d = x.reshape(-1, 4).T
    return float(np.sum((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4))


def schwefel(x: np.ndarray) -> float:
    return float(418.9829 * len(x) - np.sum(x * np.sin(np.sqrt(np.abs(x)))))


def dixon_price(x: np.ndarray) -> float:
    i = np.arange(2, len(x) + 1)
    return float((x[0] - 1) ** 2 + np.sum(i * (2 * x[1:] ** 2 - x[:-1]) ** 2))


def borehole(p: Params) -> float:
    """Return the flow of water through a borehole, m³ a year."""
    ratio = np.log(p["r"] / p["rw"])
    inner = 1 + 2 * p["L"] * p["Tu"] / (ratio * p["rw"] ** 2 * p["Kw"]) + p["Tu"] / p["Tl"]
    return float(2 * np.pi * p["Tu"] * (p["Hu"] - p["Hl"]) / (ratio * inner))


def _borehole_cost() -> Case:
    """Find a borehole that yields 120 m³ a year at little cost (the cost is ours: wide, deep and conductive is dear)."""
    space = tl.SearchSpace([
        F("rw", 0.05, 0.15), F("r", 100, 50000, log=True), F("Tu", 63070, 115600), F("Hu", 990, 1110), F("Tl", 63.1, 116),
        F("Hl", 700, 820), F("L", 1120, 1680), F("Kw", 1500, 15000, log=True),
    ])  # fmt: skip

    def evaluate(p: Params) -> Outcome:
        miss = np.log(borehole(p) / 120.0)
        cost = (
            (p["rw"] / 0.1) ** 2 + (1680 / p["L"]) + 0.6 * (p["Kw"] / 8000) ** 1.5 + (p["Hu"] - p["Hl"]) / 300
        )
        return Outcome(float(20 * miss**2 + cost + 0.3 * np.cos(np.log(p["r"])) + (p["Tl"] - 80) ** 2 / 2000))

    return Case(tl.Problem("borehole8", space), "synthetic", evaluate)


def _mixed(
    name: str, f: Callable[[np.ndarray], float], offsets: list[float], *, unseen: bool = False
) -> Case:
    """Return f over four floats, two integers, an ordered and an unordered choice, each in units of [-4, 4] less an offset."""
    labels = {"a": -2.4, "b": 1.6, "c": 0.2, "d": 3.1}
    space = tl.SearchSpace(
        [*(F(f"x{i}", -4, 4) for i in range(4)), I("m", -8, 8), I("n", 1, 64, log=True), C("o", [0, 1, 2, 3, 4, 5], ordered=True),
         C("c", list(labels))]
    )  # fmt: skip

    def evaluate(p: Params) -> Outcome:
        x = [
            p["x0"],
            p["x1"],
            p["x2"],
            p["x3"],
            p["m"] / 2,
            8 * np.log(p["n"]) / np.log(64) - 4,
            1.6 * p["o"] - 4,
        ]
        return Outcome(f(np.array([*x, labels[p["c"]]]) - np.array(offsets)))

    return Case(tl.Problem(name, space), "synthetic", evaluate, unseen)


def wide_synthetic_cases() -> list[Case]:
    shift8 = np.array([3.1, -2.7, 0.8, -4.4, 5.2, 1.9, -0.6, 2.4])
    return [
        _case("ackley8-shifted", lambda x: ackley(x - shift8), -8, 10, 8),
        _case("rosenbrock6", lambda x: rosenbrock(x - 0.4), -2, 3, 6),
        _case("hartmann6-in-10", lambda x: hartmann6(x[[1, 3, 4, 6, 8, 9]]), 0, 1, 10),
        _case("schwefel6", schwefel, -500, 500, 6),
        _case("dixon-price7", lambda x: dixon_price(x + 0.7), -4, 5, 7, unseen=True),
        _case("levy8", lambda x: levy(x + shift8 / 2), -7, 6, 8, unseen=True),
        _case("powell8", lambda x: powell(x - 0.15 * shift8), -4, 5, 8),
        _borehole_cost(),
        _mixed("levy8-mixed", levy, [0.6, -1.3, 2.0, -0.4, 0.5, 1.0, -1.8, -0.8]),
        _mixed("rosenbrock8-mixed", lambda x: np.log1p(rosenbrock(x / 2 + 1)), [-0.7, 0.4, 1.1, -0.2, 0.5, 0.3, 0.8, 0.2], unseen=True),
    ]  # fmt: skip
