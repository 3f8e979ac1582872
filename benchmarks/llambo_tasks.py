"""LLAMBO's own 24 tasks: its published GPT-3.5 runs against a default with a GP, and trialogue without any other model.

    python benchmarks/llambo_tasks.py --data ../shared/data/llambo --out runs/llambo.jsonl  # an hour of one core
    python benchmarks/llambo_tasks.py --out runs/llambo.jsonl --report

All methods get the same five initial points and 25 further trials. LLAMBO's configurations are scored again with the
installed scikit-learn. ``default+gp``: the library default is trial 6, then Optuna's GP. ``trialogue``: the embedded
planner with the knowledge base and the referee; ``knowledge``: the same without the neural model, which is the default;
``surrogate``: neither. Parameters that LLAMBO searched on a logit scale are searched linearly here, by all methods.
Regret per task = (best - incumbent) / (best - worst), best and worst over all scores of the methods compared.
"""

import argparse
import json
import logging
import pickle
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

DATA_SETS = ("breast", "diabetes", "digits", "griewank", "iris", "ktablet", "rosenbrock", "wine")
REGRESSION = {"diabetes", "griewank", "ktablet", "rosenbrock"}
MODELS = ("RandomForest", "DecisionTree", "SVM")
METHODS = ("llambo", "default+gp", "surrogate", "knowledge", "trialogue")
TRIALS = 30
Params = dict[str, Any]
Objective = Callable[[Params], float]


def objective(data: Path, data_set: str, model: str, seed: int) -> Objective:
    """Return LLAMBO's score of a configuration, larger is better."""
    with (data / f"{data_set}.pickle").open("rb") as file:
        parts = pickle.load(file)
    X, y = np.asarray(parts["train_x"]), np.asarray(parts["train_y"])
    regression = data_set in REGRESSION

    @cache
    def scored(key: tuple[tuple[str, Any], ...]) -> float:
        from sklearn.model_selection import cross_val_score

        np.random.seed(seed)
        scoring = "neg_mean_squared_error" if regression else "accuracy"
        return float(
            np.mean(
                cross_val_score(estimator(model, regression, dict(key)), X, target, scoring=scoring, cv=5)
            )
        )

    target = (y - y.mean()) / y.std() if regression else y
    return lambda params: scored(tuple(sorted(params.items())))


def estimator(model: str, regression: bool, params: Params) -> Any:
    from sklearn import ensemble, svm, tree

    if model == "SVM":
        return (svm.SVR if regression else svm.SVC)(**params, **({} if regression else {"random_state": 0}))
    if model == "RandomForest":
        kind = ensemble.RandomForestRegressor if regression else ensemble.RandomForestClassifier
        return kind(n_estimators=10, random_state=0, **params)
    return (tree.DecisionTreeRegressor if regression else tree.DecisionTreeClassifier)(
        random_state=0, **params
    )


def library_default(model: str, data_set: str, n_features: int) -> Params:
    """Return the control's default, as stated with the data, clipped to the box."""
    if model == "SVM":
        return {"C": 1.0, "gamma": 1e-3, "tol": 1e-3}
    share = 0.99
    if model == "RandomForest" and data_set not in REGRESSION:
        share = n_features**-0.5
    return {
        "max_depth": 15, "min_samples_leaf": 0.01, "min_samples_split": 0.01, "min_weight_fraction_leaf": 0.01,
        "min_impurity_decrease": 0.0, "max_features": min(max(share, 0.01), 0.99),
    }  # fmt: skip


def problem_of(data: Path, data_set: str, model: str) -> Any:
    import trialogue as tl

    parameters = []
    for name, (kind, scale, (low, high)) in json.loads((data / "spaces.json").read_text())[model].items():
        make = tl.Int if kind == "int" else tl.Float
        parameters.append(make(name, low, high, log=scale == "log"))
    measure = "negative mean squared error" if data_set in REGRESSION else "accuracy"
    with (data / f"{data_set}.pickle").open("rb") as file:
        rows, columns = np.asarray(pickle.load(file)["train_x"]).shape
    task = "regression" if data_set in REGRESSION else "classification"
    return tl.Problem(
        f"{model}-{data_set}", tl.SearchSpace(parameters), objectives=[tl.Objective(measure, "maximize")],
        description=f"{model} for {task}, mean score of 5-fold cross-validation",
        context={"n_samples": rows, "n_features": columns},
    )  # fmt: skip


def published(data: Path, data_set: str, model: str, seed: int) -> list[Params]:
    import csv

    with (data / "runs" / data_set / model / f"{seed}.csv").open() as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    names = json.loads((data / "spaces.json").read_text())[model]
    return [{n: int(float(r[n])) if names[n][0] == "int" else float(r[n]) for n in names} for r in rows]


def run_study(problem: Any, f: Objective, first: list[Params], seed: int, **options: Any) -> list[float]:
    import trialogue as tl

    study = tl.Study(problem, seed=seed, budget=tl.Budget(trials=TRIALS), **options)
    scores = [f(p) for p in first]
    for params, score in zip(first, scores, strict=True):
        study.add(problem.space.clip(params), score)
    for _ in range(TRIALS - len(first)):
        trial = study.ask()
        scores.append(f(dict(trial.params)))
        study.tell(trial, scores[-1])
    return scores


def run_default_gp(
    problem: Any, f: Objective, first: list[Params], seed: int, default: Params
) -> list[float]:
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)
    distributions = problem.space.distributions()
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.GPSampler(seed=seed, n_startup_trials=5)
    )
    scores = []
    for params in first:
        clipped = problem.space.clip(params)
        scores.append(f(params))
        study.add_trial(
            optuna.trial.create_trial(params=clipped, distributions=distributions, value=scores[-1])
        )
    study.enqueue_trial(default)
    for _ in range(TRIALS - len(first)):
        trial = study.ask(distributions)
        scores.append(f(dict(trial.params)))
        study.tell(trial, scores[-1])
    return scores


def run(data: Path, data_set: str, model: str, seed: int, method: str) -> list[float]:
    f, configurations = objective(data, data_set, model, seed), published(data, data_set, model, seed)
    problem = problem_of(data, data_set, model)
    first = configurations[:5]
    if method == "llambo":
        return [f(p) for p in configurations]
    if method == "default+gp":
        default = library_default(model, data_set, problem.context["n_features"])
        return run_default_gp(problem, f, first, seed, default)
    options = {"surrogate": {"strategy": "surrogate"}, "knowledge": {}, "trialogue": {"planner": "embedded"}}
    return run_study(problem, f, first, seed, **options[method])


def units(a: argparse.Namespace) -> Iterator[tuple[str, str, int, str]]:
    for seed in range(a.seeds):
        for method in a.methods:
            for data_set in DATA_SETS:
                for model in MODELS:
                    yield data_set, model, seed, method


def finished(out: Path) -> dict[tuple[str, str, int, str], list[float]]:
    if not out.exists():
        return {}
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return {(r["data_set"], r["model"], r["seed"], r["method"]): r["scores"] for r in rows}


def report(results: dict[tuple[str, str, int, str], list[float]], methods: list[str]) -> None:
    """Print mean regret per trial, and paired differences to ours with intervals over tasks."""
    tasks = [(d, m) for d in DATA_SETS for m in MODELS]
    seeds = [s for s in range(5) if all((d, m, s, k) in results for d, m in tasks for k in methods)]
    print(f"{len(tasks)} tasks, seeds {seeds}, methods {', '.join(methods)}; mean normalised regret")
    at = (5, 6, 8, 10, 15, 20, 30)
    table: dict[str, np.ndarray] = {k: np.zeros((len(tasks), len(at))) for k in methods}
    for i, (d, m) in enumerate(tasks):
        scores = {k: np.array([results[d, m, s, k] for s in seeds]) for k in methods}
        best, worst = max(v.max() for v in scores.values()), min(v.min() for v in scores.values())
        for k, v in scores.items():
            incumbent = np.maximum.accumulate(v, 1)[:, [t - 1 for t in at]]
            table[k][i] = ((best - incumbent) / max(best - worst, 1e-12)).mean(0)
    print("trial".ljust(12) + "".join(f"{t:>8}" for t in at))
    for k in methods:
        print(k.ljust(12) + "".join(f"{v:8.3f}" for v in table[k].mean(0)))
    rng = np.random.default_rng(0)
    for ours in [k for k in ("trialogue", "knowledge") if k in methods]:
        for other in methods:
            if other == ours:
                continue
            for t in (10, 30):
                d = table[ours][:, at.index(t)] - table[other][:, at.index(t)]
                means = d[rng.integers(len(d), size=(10_000, len(d)))].mean(1)
                low, high = np.quantile(means, [0.025, 0.975])
                print(f"{ours} - {other} at {t}: {d.mean():+.3f} [{low:+.3f}, {high:+.3f}]")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", type=Path, default=Path("../shared/data/llambo"))
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--methods", nargs="+", default=list(METHODS))
    p.add_argument("--report", action="store_true")
    a = p.parse_args()
    warnings.simplefilter("ignore")
    done = finished(a.out)
    if not a.report:
        a.out.parent.mkdir(parents=True, exist_ok=True)
        for unit in units(a):
            if unit in done:
                continue
            done[unit] = run(a.data, *unit)
            row = dict(zip(("data_set", "model", "seed", "method"), unit, strict=True)) | {
                "scores": done[unit]
            }
            with a.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
    report(done, a.methods)


if __name__ == "__main__":
    main()
