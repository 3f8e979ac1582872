"""Real surfaces to train on: scores of small models on generated data sets, recorded under their parameters' own names.

    python training/surfaces.py --out runs/surfaces.pt --tables 1600        # some twenty minutes of one core
    python training/surfaces.py --out runs/held_out.pt --tables 160 --held-out

A table is one data set x one model x one search space (a random subset of its parameters with random ranges), or one
made-up simulator: ``FIRST`` uniform configurations and ``NEAR`` around the best of them. Parameters exist under the
conditions of ``WHEN``. Written are coordinates, which of them exist, scores (smaller is better), words, usual values and
ranges as ``prompts/meanings.py`` finds them, as tensors padded to ``WIDEST`` parameters.
Held out: every data set that scikit-learn ships, the Friedman functions, gradient boosting (a whole model family), and
the simulators of ``benchmarks/``; ``--held-out`` records tables of the first two and of gradient boosting. Tables are drawn
one after another from ``(seed, index)``: more tables extend a corpus.
"""

import argparse
import sys
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))  # also where PYTHONSAFEPATH is set

from simulators import SIMULATORS, simulated
from subjects import Data, Score, cross_validated, data_set, network, server, shipped

import trialogue as tl
from trialogue.prompts.meanings import WORDS, meanings_of

FIRST, NEAR, WIDEST = 72, 24, 7


F, I, C = tl.Float, tl.Int, tl.Categorical  # noqa: E741
Number = tuple[str, float, float, bool]


def _number(
    rng: np.random.Generator, name: str, low: float, high: float, log: bool, whole: bool
) -> tl.Float | tl.Int:
    """Return a parameter whose range is moved and widened at random within [low, high]."""
    if log:
        a, b = np.log(low), np.log(high)
        cut = rng.uniform(0, 0.35, 2) * (b - a) * (rng.random(2) < 0.6)
        low, high = float(np.exp(a + cut[0])), float(np.exp(b - cut[1]))
    else:
        high = high - rng.uniform(0, 0.4) * (high - low) * (rng.random() < 0.6)
    if whole:
        low = max(1, round(low))
        return I(name, low, max(low + 1, round(high)), log=log)
    return F(name, float(f"{low:.3g}"), float(f"{high:.3g}"), log=log)


TREE = {
    "max_depth": (1, 50, True, True), "max_features": (0.02, 1.0, False, False), "min_samples_leaf": (1, 60, True, True),
    "min_samples_split": (2, 64, True, True), "min_weight_fraction_leaf": (0.0, 0.5, False, False),
    "min_impurity_decrease": (0.0, 0.5, False, False), "max_leaf_nodes": (2, 200, True, True),
    "ccp_alpha": (1e-5, 0.2, True, False),
}  # fmt: skip
NUMBERS: dict[str, dict[str, tuple[float, float, bool, bool]]] = {
    # name: low, high, logarithmic, whole
    "support vector machine": {"C": (1e-4, 1e4, True, False), "gamma": (1e-6, 30, True, False), "tol": (1e-5, 0.1, True, False),
                               "epsilon": (1e-3, 2, True, False), "coef0": (0.0, 5.0, False, False),
                               "degree": (2, 5, False, True)},
    "decision tree": TREE,
    "random forest": TREE | {"n_estimators": (2, 24, True, True), "max_samples": (0.1, 1.0, False, False)},
    "logistic regression": {"C": (1e-5, 1e4, True, False), "tol": (1e-6, 0.1, True, False), "max_iter": (3, 200, True, True)},
    "elastic net": {"alpha": (1e-4, 100, True, False), "l1_ratio": (0.0, 1.0, False, False),
                    "tol": (1e-5, 0.1, True, False), "max_iter": (5, 300, True, True)},
    "nearest neighbours": {"n_neighbors": (1, 60, True, True), "p": (1.0, 6.0, False, False),
                           "leaf_size": (10, 50, False, True)},
    "adaboost": {"n_estimators": (2, 25, True, True), "learning_rate": (0.01, 5, True, False)},
    "mlp": {"learning_rate_init": (1e-5, 1.0, True, False), "alpha": (1e-7, 10, True, False),
            "width": (4, 64, True, True), "batch_size": (8, 128, True, True), "momentum": (0.0, 0.99, False, False),
            "depth": (1, 3, False, True), "beta_1": (0.5, 0.99, False, False)},
    "torch training": {"learning_rate": (1e-5, 1.0, True, False), "weight_decay": (1e-6, 1.0, True, False),
                       "batch_size": (8, 128, True, True), "beta1": (0.5, 0.99, False, False),
                       "dropout": (0.0, 0.8, False, False), "hidden_size": (4, 128, True, True),
                       "num_layers": (1, 3, False, True), "momentum": (0.0, 0.99, False, False)},
    "sgdregressor": {"alpha": (1e-6, 1.0, True, False), "l1_ratio": (0.0, 1.0, False, False), "eta0": (1e-4, 0.3, True, False),
                     "power_t": (0.05, 0.9, False, False), "max_iter": (2, 60, True, True)},
    "vllm serving": {"max_num_seqs": (8, 1024, True, True), "max_num_batched_tokens": (512, 32768, True, True),
                     "gpu_memory_utilization": (0.5, 0.98, False, False), "block_size": (8, 128, True, True)},
}  # fmt: skip
HELD_OUT = "gradient boosting"
BOOSTING = TREE | {
    "learning_rate": (0.003, 1.0, True, False),
    "n_estimators": (3, 40, True, True),
    "subsample": (0.2, 1.0, False, False),
}
CHOICES = {
    "support vector machine": {"kernel": ["rbf", "linear", "poly", "sigmoid"]},
    "decision tree": {"criterion": ["gini", "entropy"]},
    "random forest": {"criterion": ["gini", "entropy"], "bootstrap": [True, False]},
    "nearest neighbours": {"weights": ["uniform", "distance"], "metric": ["minkowski", "chebyshev", "cosine"]},
    "mlp": {"activation": ["relu", "tanh", "logistic"], "solver": ["adam", "sgd"]},
    "torch training": {"optimizer": ["adamw", "sgd"]},
    "sgdregressor": {"penalty": ["l2", "elasticnet"], "schedule": ["constant", "invscaling"]},
    "vllm serving": {"enable_prefix_caching": [True, False], "enable_chunked_prefill": [True, False]},
}  # fmt: skip
WHEN: dict[str, dict[str, tuple[str, list[Any]]]] = {
    # what exists only with some choices of another parameter, where that one is in the space
    "support vector machine": {"gamma": ("kernel", ["rbf", "poly", "sigmoid"]), "coef0": ("kernel", ["poly", "sigmoid"]),
                               "degree": ("kernel", ["poly"])},
    "random forest": {"max_samples": ("bootstrap", [True])},
    "nearest neighbours": {"p": ("metric", ["minkowski"])},
    "mlp": {"momentum": ("solver", ["sgd"]), "beta_1": ("solver", ["adam"])},
    "torch training": {"momentum": ("optimizer", ["sgd"]), "beta1": ("optimizer", ["adamw"])},
    "sgdregressor": {"l1_ratio": ("penalty", ["elasticnet"]), "power_t": ("schedule", ["invscaling"])},
    "vllm serving": {"max_num_batched_tokens": ("enable_chunked_prefill", [True])},
}  # fmt: skip
FAMILIES = (*NUMBERS, *SIMULATORS, HELD_OUT)
SHARES = {
    "support vector machine": 5,
    "decision tree": 4,
    "random forest": 3,
    "mlp": 3,
    "torch training": 3,
    "elastic net": 2,
}


def search_space(rng: np.random.Generator, family: str, regression: bool) -> tl.SearchSpace:
    """Return two to ``WIDEST`` parameters of the family; a support vector machine always has its two.

    In half of the spaces of a family that has conditions, a parameter that decides and one that depends on it are in.
    """
    numbers, choices, when = NUMBERS.get(family, BOOSTING), CHOICES.get(family, {}), WHEN.get(family, {})
    names = [n for n in (*numbers, *choices) if n != ("criterion" if regression else "epsilon")]
    firsts = {"support vector machine": ["C", "gamma"], "nearest neighbours": ["n_neighbors"]}.get(
        family, names[:1]
    )
    if when and rng.random() < 0.5:
        child = str(rng.choice(list(when)))
        firsts = list(dict.fromkeys([*firsts, when[child][0], child]))
    least = min(len(names), max(2, len(firsts)))
    size = int(rng.integers(least, min(WIDEST, len(names)) + 1))
    rest = [n for n in rng.permutation(names).tolist() if n not in firsts]
    chosen = [n for n in [*firsts, *rest][:size]]
    if (
        family in OPTIMIZERS
        and {"momentum", BETA[family]} <= set(chosen)
        and OPTIMIZERS[family] not in chosen
    ):
        chosen[chosen.index("momentum")] = OPTIMIZERS[family]
    parents_first = sorted(rng.permutation(chosen).tolist(), key=lambda n: n in when)
    return tl.SearchSpace([_parameter(rng, family, n, chosen) for n in parents_first])


OPTIMIZERS = {"mlp": "solver", "torch training": "optimizer"}
BETA = {"mlp": "beta_1", "torch training": "beta1"}


def _parameter(
    rng: np.random.Generator, family: str, name: str, chosen: list[str]
) -> tl.Float | tl.Int | tl.Categorical:
    choices = CHOICES.get(family, {})
    parameter = (
        C(name, choices[name])
        if name in choices
        else _number(rng, name, *NUMBERS.get(family, BOOSTING)[name])
    )
    parent, values = WHEN.get(family, {}).get(name, ("", []))
    return replace(parameter, when={parent: values}) if parent in chosen else parameter


def scorer(rng: np.random.Generator, family: str, data: Data, names: tuple[str, ...]) -> Score:
    """Return the loss of one family's configurations on a data set (or on a server, which has none)."""
    from sklearn import ensemble, linear_model, neighbors, neural_network, svm, tree

    regression = data[2]
    if family == "torch training":
        return network(data, int(rng.integers(2**31)), int(rng.integers(20, 60)))
    kinds: dict[str, tuple[Any, Any, dict[str, Any], int]] = {
        "support vector machine": (svm.SVC, svm.SVR, {"max_iter": 4000}, 3),
        "decision tree": (tree.DecisionTreeClassifier, tree.DecisionTreeRegressor, {"random_state": 0}, 4),
        "random forest": (ensemble.RandomForestClassifier, ensemble.RandomForestRegressor,
                          {"random_state": 0} | ({} if "n_estimators" in names else {"n_estimators": 8}), 2),
        "logistic regression": (linear_model.LogisticRegression, None, {}, 3),
        "elastic net": (None, linear_model.ElasticNet, {}, 3),
        "sgdregressor": (None, linear_model.SGDRegressor, {"random_state": 0, "tol": None}
                         | ({} if "max_iter" in names else {"max_iter": 20}), 3),
        "nearest neighbours": (neighbors.KNeighborsClassifier, neighbors.KNeighborsRegressor, {}, 3),
        HELD_OUT: (ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor,
                   {"random_state": 0} | ({} if "n_estimators" in names else {"n_estimators": 15}), 2),
        "adaboost": (ensemble.AdaBoostClassifier, ensemble.AdaBoostRegressor, {"random_state": 0}, 2),
        "mlp": (neural_network.MLPClassifier, neural_network.MLPRegressor,
                {"random_state": 0, "max_iter": int(rng.integers(6, 16))}, 2),
    }  # fmt: skip
    classifier, regressor, fixed, folds = kinds[family]
    make = partial(_made, regressor if regression else classifier, fixed, family)
    return cross_validated(data, make, folds)


def _made(kind: Any, fixed: dict[str, Any], family: str, **params: Any) -> Any:
    if family == "random forest" and not params.get("bootstrap", True):
        params.pop("max_samples", None)
    if family == "mlp":
        params["hidden_layer_sizes"] = (params.pop("width", 24),) * params.pop("depth", 1)
        params.setdefault("solver", "sgd" if "momentum" in params else "adam")
    if family == "sgdregressor":
        params.setdefault("penalty", "elasticnet" if "l1_ratio" in params else "l2")
        params["learning_rate"] = params.pop("schedule", "invscaling")
    return kind(**fixed, **params)


def table(seed: int, index: int) -> dict[str, Any]:
    """Return one recorded table of the training part."""
    rng = np.random.default_rng([seed, index])
    names = FAMILIES[:-1]
    weights = np.array([SHARES.get(f, 1) for f in names], float)
    family = str(rng.choice(names, p=weights / weights.sum()))
    if family in SIMULATORS:
        return recorded(rng, family, *simulated(rng, family, WIDEST))
    regression = {"logistic regression": False, "elastic net": True, "sgdregressor": True}.get(
        family, bool(rng.random() < 0.5)
    )
    space = search_space(rng, family, regression)
    if family == "vllm serving":
        return recorded(rng, family, space, server(rng))
    return recorded(rng, family, space, scorer(rng, family, data_set(rng, regression), space.names))


def held_out_table(seed: int, index: int) -> dict[str, Any]:
    """Return one recorded table of the part that is not trained on: two in five are of the held-out family."""
    rng = np.random.default_rng([seed, index, 1])
    data = shipped(rng)
    known = [
        "support vector machine",
        "decision tree",
        "random forest",
        "nearest neighbours",
        "mlp",
        "torch training",
    ]
    family = HELD_OUT if index % 5 < 2 else str(rng.choice(known))
    space = search_space(rng, family, data[2])
    return recorded(rng, family, space, scorer(rng, family, data, space.names))


def recorded(rng: np.random.Generator, family: str, space: tl.SearchSpace, score: Score) -> dict[str, Any]:
    """Return a table: uniform configurations, then some near the best of them."""
    X = space.sample_rows(rng, FIRST)
    y = np.array([score(p) for p in space.decode(X)])
    near = _near(rng, space, X[np.argsort(y, kind="stable")[:6]])
    X, active = space.canonical(np.vstack([X, near]))
    y = np.r_[y, [score(p) for p in space.decode(near)]]
    meanings = meanings_of(tl.Problem(family, space))
    d = len(space)
    words, usual = np.full(WIDEST, -1), np.full((3, WIDEST), np.nan)
    if meanings is not None:
        words[:d] = [WORDS.index(w) if w else -1 for w in meanings.words]
        usual[:, :d] = meanings.usual
    more = WIDEST - d
    return {
        "X": np.pad(X, ((0, 0), (0, more))),
        "active": np.pad(active, ((0, 0), (0, more))),
        "y": y,
        "d": d,
        "depth": np.pad([len(p.when or {}) > 0 for p in space.parameters], (0, more)),
        "family": FAMILIES.index(family),
        "words": words,
        "usual": usual,
        "categorical": np.pad(space.is_categorical, (0, more)),
    }


def _near(rng: np.random.Generator, space: tl.SearchSpace, best: np.ndarray) -> np.ndarray:
    base = best[rng.integers(len(best), size=NEAR)]
    moved = rng.random(base.shape) < np.maximum(0.4, 1.5 * rng.random((NEAR, 1)))
    x = base + rng.normal(size=base.shape) * np.exp(rng.uniform(-4, -1.5, (NEAR, 1))) * moved
    return space.canonical(np.clip(x, 0, 1))[0]


def worth(y: np.ndarray) -> bool:
    """Return whether the table says anything: enough values, and enough different ones."""
    known = y[np.isfinite(y)]
    return len(known) > 0.4 * len(y) and len(np.unique(np.round(known, 9))) >= 8


def write(out: Path, tables: list[dict[str, Any]]) -> None:
    """Write the tables as one file of padded tensors."""
    stacked = {key: torch.tensor(np.stack([t[key] for t in tables])) for key in tables[0]}
    stacked |= {key: stacked[key].float() for key in ("X", "y", "usual")}
    torch.save(stacked, out)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--tables", type=int, default=900)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--held-out", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(1)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    started, tables = time.monotonic(), []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for index in range(a.tables):
            made = (held_out_table if a.held_out else table)(a.seed, index)
            if worth(made["y"]):
                tables.append(made)
            if index % 50 == 49:
                write(a.out, tables)
                print(
                    f"{index + 1} drawn, {len(tables)} kept, {time.monotonic() - started:.0f} s", flush=True
                )
    write(a.out, tables)


if __name__ == "__main__":
    main()
