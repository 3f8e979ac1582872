"""Harder conditional cases: several branches of different size, and conditions on conditional parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import ElasticNet, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

import trialogue as tl

from .base import Case, Outcome
from .hyperparameters import case
from .synthetic import ackley, rosenbrock

F, I, C = tl.Float, tl.Int, tl.Categorical
Params = Mapping[str, Any]


def _regressor(p: Params) -> Any:
    kind = p["model"]
    if kind == "net":
        model: Any = ElasticNet(alpha=p["net_alpha"], l1_ratio=p["l1_ratio"], max_iter=300)
    elif kind == "svr":
        model = SVR(C=p["C"], gamma=p["gamma"], epsilon=p["epsilon"])
    elif kind == "ridge":
        model = KernelRidge(alpha=p["ridge_alpha"], kernel=p["kernel"], gamma=p.get("ridge_gamma"), degree=p.get("degree", 3),
                            coef0=p.get("coef0", 1.0))  # fmt: skip
    elif kind == "neighbours":
        model = KNeighborsRegressor(p["n_neighbors"], weights=p["weights"], p=p["power"])
    else:
        model = ExtraTreesRegressor(
            p["n_estimators"], max_features=p["max_features"], min_samples_leaf=p["min_samples_leaf"], random_state=0
        )  # fmt: skip
    squash = FunctionTransformer(lambda X: np.tanh(X / p["squash"]) * p["squash"])
    expand = (
        [PolynomialFeatures(2, interaction_only=p["interaction_only"], include_bias=False)]
        if p["expand"]
        else []
    )
    return make_pipeline(squash, *expand, model)


REGRESSORS = [
    F("squash", 0.3, 30, log=True), C("expand", [False, True]), C("interaction_only", [False, True], when={"expand": [True]}),
    C("model", ["neighbours", "net", "trees", "svr", "ridge"]),
    F("net_alpha", 1e-4, 10, log=True, when={"model": ["net"]}), F("l1_ratio", 0, 1, when={"model": ["net"]}),
    F("C", 1e-2, 1e3, log=True, when={"model": ["svr"]}), F("gamma", 1e-5, 1, log=True, when={"model": ["svr"]}),
    F("epsilon", 1e-3, 1, log=True, when={"model": ["svr"]}),
    F("ridge_alpha", 1e-5, 10, log=True, when={"model": ["ridge"]}), C("kernel", ["linear", "rbf", "polynomial"], when={"model": ["ridge"]}),
    F("ridge_gamma", 1e-5, 1, log=True, when={"kernel": ["rbf", "polynomial"]}), I("degree", 2, 4, when={"kernel": ["polynomial"]}),
    F("coef0", 0, 3, when={"kernel": ["polynomial"]}),
    I("n_neighbors", 1, 60, log=True, when={"model": ["neighbours"]}), C("weights", ["uniform", "distance"], when={"model": ["neighbours"]}),
    F("power", 1, 4, when={"model": ["neighbours"]}),
    I("n_estimators", 2, 15, log=True, when={"model": ["trees"]}), F("max_features", 0.1, 1, when={"model": ["trees"]}),
    I("min_samples_leaf", 1, 40, log=True, when={"model": ["trees"]}),
]  # fmt: skip


def _reduced(p: Params) -> Any:
    steps = {
        "none": [], "pca": [PCA(p.get("components", 2), whiten=p.get("whiten", False), random_state=0)],
        "select": [SelectKBest(f_classif, k=p.get("features", 1))], "lda": [LinearDiscriminantAnalysis(solver="eigen", shrinkage=p.get("shrinkage"))],
    }[p["reduction"]]  # fmt: skip
    kind = p["classifier"]
    if kind == "svm":
        model: Any = SVC(C=p["C"], gamma=p["gamma"])
    elif kind == "tree":
        model = DecisionTreeClassifier(
            max_depth=p["max_depth"], min_samples_leaf=p["min_samples_leaf"], random_state=0
        )
    elif kind == "bayes":
        model = GaussianNB(var_smoothing=p["smoothing"])
    elif kind == "line":
        model = SGDClassifier(alpha=p["alpha"], loss=p["loss"], max_iter=10, tol=None, random_state=0)
    else:
        model = KNeighborsClassifier(p["n_neighbors"], weights=p["weights"])
    return make_pipeline(*steps, model)


REDUCED = [
    C("reduction", ["none", "pca", "select", "lda"]), I("components", 1, 30, log=True, when={"reduction": ["pca"]}),
    C("whiten", [False, True], when={"reduction": ["pca"]}), I("features", 1, 40, log=True, when={"reduction": ["select"]}),
    F("shrinkage", 0.001, 1, log=True, when={"reduction": ["lda"]}),
    C("classifier", ["tree", "bayes", "svm", "line", "neighbours"]),
    F("C", 1e-3, 1e3, log=True, when={"classifier": ["svm"]}), F("gamma", 1e-6, 10, log=True, when={"classifier": ["svm"]}),
    I("max_depth", 1, 12, when={"classifier": ["tree"]}), I("min_samples_leaf", 1, 60, log=True, when={"classifier": ["tree"]}),
    F("smoothing", 1e-9, 1, log=True, when={"classifier": ["bayes"]}),
    F("alpha", 1e-7, 1, log=True, when={"classifier": ["line"]}), C("loss", ["hinge", "log_loss", "modified_huber"], when={"classifier": ["line"]}),
    I("n_neighbors", 1, 60, log=True, when={"classifier": ["neighbours"]}), C("weights", ["uniform", "distance"], when={"classifier": ["neighbours"]}),
]  # fmt: skip


def _layers() -> Case:
    """A network's shape in closed form: as many widths as layers; a schedule with parameters of its own."""
    space = tl.SearchSpace([
        C("layers", [1, 2, 3, 4], ordered=True), I("width1", 8, 512, log=True), I("width2", 8, 512, log=True, when={"layers": [2, 3, 4]}),
        I("width3", 8, 512, log=True, when={"layers": [3, 4]}), I("width4", 8, 512, log=True, when={"layers": [4]}),
        F("rate", 1e-5, 1e-1, log=True), C("schedule", ["constant", "step", "cosine"]), F("drop", 0.05, 0.9, when={"schedule": ["step"]}),
        I("every", 2, 50, log=True, when={"schedule": ["step"]}), F("warmup", 0, 0.3, when={"schedule": ["cosine"]}), F("dropout", 0, 0.7),
    ])  # fmt: skip

    def evaluate(p: Params) -> Outcome:
        widths = [np.log2(p[f"width{i}"]) for i in range(1, p["layers"] + 1)]
        loss = {1: 0.55, 2: 0.25, 3: 0.12, 4: 0.2}[p["layers"]]
        loss += np.mean([(w - 7.5 + 0.8 * i) ** 2 for i, w in enumerate(widths)]) * 0.06
        loss += 0.18 * (np.log10(p["rate"]) + 2.6 + 0.25 * p["layers"]) ** 2
        size = sum(2.0**w for w in widths) / 600
        loss += 0.9 * (p["dropout"] - min(0.15 * size, 0.5)) ** 2
        if p["schedule"] == "step":
            loss += 0.08 + 0.3 * (p["drop"] - 0.35) ** 2 + 0.03 * (np.log2(p["every"]) - 3.5) ** 2
        return Outcome(float(loss + {"constant": 0.18, "step": 0, "cosine": 2.5 * (p.get("warmup", 0) - 0.08) ** 2}[p["schedule"]]))  # fmt: skip

    return Case(tl.Problem("layers-and-schedules", space), "conditional", evaluate)


def _solvers() -> Case:
    """Five solvers with two to five parameters each on shared ones; the best one is worth it only when tuned."""
    space = tl.SearchSpace([
        C("solver", ["direct", "krylov", "multigrid", "splitting", "learned"]), F("tolerance", 1e-9, 1e-1, log=True), I("block", 1, 256, log=True),
        C("pivot", ["none", "partial", "full"], when={"solver": ["direct"]}), F("drop", 1e-8, 1, log=True, when={"solver": ["direct"]}),
        C("preconditioner", ["none", "jacobi", "ilu"], when={"solver": ["krylov"]}), F("fill", 0, 10, when={"preconditioner": ["ilu"]}),
        I("restart", 5, 200, log=True, when={"solver": ["krylov"]}),
        I("levels", 2, 9, when={"solver": ["multigrid"]}), F("damping", 0.1, 1.9, when={"solver": ["multigrid"]}), I("sweeps", 1, 12, when={"solver": ["multigrid"]}),
        C("cycle", ["v", "w", "f"], when={"solver": ["multigrid"]}), F("rho", 1e-3, 1e3, log=True, when={"solver": ["splitting"]}),
        F("over_relaxation", 1, 1.95, when={"solver": ["splitting"]}), I("hidden", 4, 256, log=True, when={"solver": ["learned"]}),
    ])  # fmt: skip

    def evaluate(p: Params) -> Outcome:
        t = np.log10(p["tolerance"])
        shared = 0.05 * (t + 5) ** 2 + 0.12 * abs(np.log2(p["block"]) - 5)
        own = {
            "direct": lambda: 1.6 + 0.4 * (p["pivot"] != "partial") + 0.06 * (np.log10(p["drop"]) + 5) ** 2,
            "krylov": lambda: 1.1 + {"none": 1.5, "jacobi": 0.8, "ilu": 0.1 * (p.get("fill", 0) - 4) ** 2 / 2}[p["preconditioner"]]
            + 0.2 * (np.log2(p["restart"]) - 5) ** 2 / 2,
            "multigrid": lambda: 0.3 + 0.25 * abs(p["levels"] - 6) + 4 * (p["damping"] - 0.8) ** 2 + 0.15 * abs(p["sweeps"] - 3)
            + {"v": 0.3, "w": 0.0, "f": 0.1}[p["cycle"]],
            "splitting": lambda: 0.9 + 0.3 * (np.log10(p["rho"]) - 0.7) ** 2 + 2 * (p["over_relaxation"] - 1.6) ** 2,
            "learned": lambda: 1.3 + 0.05 * (np.log2(p["hidden"]) - 6) ** 2,
        }[p["solver"]]()  # fmt: skip
        return Outcome(float(shared + own))

    return Case(tl.Problem("five-solvers", space), "conditional", evaluate, unseen=True)


def _nested() -> Case:
    """Conditions two deep over rough functions: the branch that looks worst at its centre holds the optimum."""
    space = tl.SearchSpace([
        C("engine", ["plain", "tuned", "hybrid"]), F("s", -2, 2),
        F("a1", -3, 3, when={"engine": ["plain"]}), F("a2", -3, 3, when={"engine": ["plain"]}),
        C("mode", ["fast", "exact"], when={"engine": ["tuned", "hybrid"]}),
        *(F(f"b{i}", -2, 2, when={"mode": ["fast"]}) for i in range(3)), *(F(f"c{i}", -2, 2, when={"mode": ["exact"]}) for i in range(2)),
        I("depth", 0, 9, when={"engine": ["hybrid"]}), F("mix", 0, 1, when={"engine": ["hybrid"]}),
    ])  # fmt: skip

    def evaluate(p: Params) -> Outcome:
        value = 0.3 * (p["s"] - 0.9) ** 2
        if p["engine"] == "plain":
            return Outcome(float(value + 1.5 + 0.3 * ackley(np.array([p["a1"] - 0.5, p["a2"] + 1]))))
        if p["mode"] == "fast":
            value += 0.5 + 0.35 * np.log1p(rosenbrock(np.array([p["b0"], p["b1"], p["b2"]]) + 0.3))
        else:
            value += 1.0 + 0.4 * abs(p["c0"] - 1.2) + 0.4 * abs(p["c1"] + 0.7) - 0.6 * (p["s"] > 0)
        if p["engine"] == "hybrid":
            value += 0.12 * abs(p["depth"] - 7) + 2 * (p["mix"] - 0.85) ** 2 - 0.7
        return Outcome(float(value))

    return Case(tl.Problem("nested-engines", space), "conditional", evaluate)


def branching_cases() -> list[Case]:
    return [
        case("regressors-friedman", "friedman", REGRESSORS, _regressor, family="conditional"),
        case("regressors-diabetes", "diabetes", REGRESSORS, _regressor, family="conditional", unseen=True),
        case("reduced-digits", "digits", REDUCED, _reduced, family="conditional"),
        case("reduced-made-many", "made-many", REDUCED, _reduced, family="conditional", unseen=True),
        _layers(), _solvers(), _nested(),
    ]  # fmt: skip
