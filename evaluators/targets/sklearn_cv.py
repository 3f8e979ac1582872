"""Cross-validation of scikit-learn models on real data sets that ship with it: small, honest targets without a
network.

Splits are the same for every trial; ``run.seed`` seeds the model only. One thread, so that timings mean something. Asked
for data called ``test``, it scores the last part of one more, trained on the others; ``tuning`` is the rest, among itself.
Fresh subsets in every epoch: Okanovic et al. 2023, "Repeated random sampling" (RS2), without replacement.
Data: digits, wine, breast_cancer (accuracy, maximized) and diabetes (root-mean-square error, minimized).
"""

import itertools
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn import (
    datasets,
    ensemble,
    exceptions,
    model_selection,
    neighbors,
    neural_network,
    pipeline,
    svm,
    tree,
)
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ..errors import EvaluationFailed, InvalidSpecification
from ..problems.measurement import Measurement
from ..problems.problem import Constraint, Objective, Problem
from ..programs.run import Run
from ..splits import Split, by_similarity, by_time
from .sklearn_spaces import SPACES

DATASETS = {
    "digits": "1797 images of handwritten digits, 8 × 8 grey values, 10 classes",
    "wine": "178 wines, 13 chemical measurements, 3 cultivars",
    "breast_cancer": "569 tumours, 30 measurements of cell nuclei, 2 classes",
    "diabetes": "442 patients, 10 measurements, progression of the disease after a year",
}
_REGRESSION = frozenset({"diabetes"})
_TITLES = {
    "svm": "support vector machine",
    "random_forest": "random forest",
    "gradient_boosting": "histogram gradient boosting",
    "decision_tree": "decision tree",
    "mlp": "multi-layer perceptron",
    "knn": "k nearest neighbours",
}
_SPLIT_SEED = 0
MLP_EPOCHS = 100
SPLITS = ("random", "similarity", "time")
_PARTS = ("", "tuning", "test")
_SCALED = frozenset({"svm", "mlp", "knn"})
"""Models that measure distances or descend gradients, which need features of like size."""

_MAX_SVM_ITERATIONS = 50_000
"""Some corners of the space (a steep polynomial and a large C) do not converge within hours; this is half a second."""


@dataclass(frozen=True)
class CrossValidation:
    """Mean score over ``folds`` of ``model`` on ``dataset``; a callable for ``Study.run``.

    ``split``: folds at ``"random"``, by ``"similarity"`` (clusters) or by ``"time"`` (the order of the rows).
    ``max_fit_s``: optional limit on the mean seconds to fit one fold, which becomes an outcome constraint. A fidelity
    below 1 fits on that fraction of each training fold: on always the same rows, or with ``subsets="fresh"`` (for
    ``"mlp"``) in every epoch on new ones, without repetition until all had their turn. Raises InvalidSpecification for
    names that do not exist.
    """

    dataset: str = "digits"
    model: str = "gradient_boosting"
    folds: int = 5
    max_fit_s: float | None = None
    subsets: Literal["fixed", "fresh"] = "fixed"
    split: str = "random"

    def __post_init__(self) -> None:
        for what, choices in {"dataset": tuple(DATASETS), "model": tuple(SPACES), "split": SPLITS}.items():
            value = getattr(self, what)
            if not isinstance(value, str) or value not in choices:
                raise InvalidSpecification(f"`{what}` must be one of {', '.join(choices)}, got {value!r}.")
        if (self.dataset, self.split) == ("wine", "time"):
            raise InvalidSpecification(
                "`split` of 'wine' must not be 'time': its rows stand class by class; use 'random' or 'similarity'."
            )
        if isinstance(self.folds, bool) or not isinstance(self.folds, int) or not 2 <= self.folds <= 20:
            raise InvalidSpecification(f"`folds` must be a whole number in [2, 20], got {self.folds!r}.")
        if self.subsets not in ("fixed", "fresh") or (self.subsets == "fresh" and self.model != "mlp"):
            raise InvalidSpecification(
                f"`subsets` must be 'fixed', or 'fresh' with model 'mlp', which has epochs, got {self.subsets!r}."
            )

    @property
    def is_regression(self) -> bool:
        """Whether the target is a number."""
        return self.dataset in _REGRESSION

    @property
    def objective(self) -> Objective:
        """Accuracy, or root-mean-square error."""
        if self.is_regression:
            return Objective(
                "rmse", "minimize", description=f"root-mean-square error, mean of {self.folds} folds"
            )
        return Objective(
            "accuracy", "maximize", description=f"share classified correctly, mean of {self.folds} folds"
        )

    @property
    def problem(self) -> Problem:
        """The problem, with the library's own defaults as the default configuration."""
        X, _ = _data(self.dataset)
        limits = [] if self.max_fit_s is None else [Constraint("fit_s", upper=self.max_fit_s, unit="s")]
        return Problem(
            f"{self.model}-{self.dataset}",
            SPACES[self.model](self.is_regression, X.shape[1]),
            [self.objective],
            limits,
            f"Tune a {_TITLES[self.model]} (scikit-learn) on: {DATASETS[self.dataset]}.",
            {"n_samples": len(X), "n_features": X.shape[1], "folds": self.folds, "library": "scikit-learn"},
        )

    def __call__(self, params: Mapping[str, Any], run: Run) -> Measurement:
        """Return the mean score over folds and its standard error; reports the running mean after each fold."""
        X, y = _data(self.dataset)
        scores: list[float] = []
        seconds: list[float] = []
        with threadpool_limits(1), warnings.catch_warnings():
            for kind in (exceptions.ConvergenceWarning, RuntimeWarning):  # a bad fit scores what it scores
                warnings.simplefilter("ignore", kind)
            for fold, (train, test) in enumerate(self._splits(X, y, run.data)):
                start = time.perf_counter()
                model = self._fitted(params, run, X[train], y[train])
                seconds.append(time.perf_counter() - start)
                scores.append(self._score(model.predict(X[test]), y[test]))
                if run.report(fold + 1, float(np.mean(scores))):
                    break
        sem = float(np.std(scores, ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else None
        fit_s = float(np.mean(seconds))
        limits = {} if self.max_fit_s is None else {"fit_s": fit_s}
        return Measurement(float(np.mean(scores)), sem, constraints=limits, metrics={"fit_s": fit_s})

    def _fitted(
        self, params: Mapping[str, Any], run: Run, X: np.ndarray, y: np.ndarray
    ) -> Any:  # Any: estimators
        rows = _fraction(np.arange(len(X)), run.fidelity)
        model = self._model(params, run.seed, len(rows))
        if self.subsets == "fixed" or run.fidelity >= 1 or params["solver"] == "lbfgs":  # which has no epochs
            return model.fit(X[rows], y[rows])
        scaler, network = (step for _, step in model.steps)
        X = scaler.fit_transform(X)
        classes = {} if self.is_regression else {"classes": np.unique(y)}
        for subset in itertools.islice(fresh_subsets(len(X), len(rows), run.seed), MLP_EPOCHS):
            network.partial_fit(X[subset], y[subset], **classes)
            classes = {}
        return model

    def _splits(self, X: np.ndarray, y: np.ndarray, part: str) -> Split:
        """Return (training rows, test rows) of each fold of all rows, or of a part of them by name."""
        if part not in _PARTS:
            raise EvaluationFailed(
                f"the data of a cross-validation are tuning or test, got {part!r}.", kind="invalid"
            )
        if not part:
            return self._folds(X, y, self.folds)
        rest, test_rows = self._folds(X, y, self.folds + 1)[-1]
        if part == "test":
            return [(rest, test_rows)]
        return [(rest[train], rest[test]) for train, test in self._folds(X[rest], y[rest], self.folds)]

    def _folds(self, X: np.ndarray, y: np.ndarray, folds: int) -> Split:
        if self.split == "similarity":
            return by_similarity(X, folds)
        if self.split == "time":
            return by_time(np.arange(len(X)), folds)
        kind = model_selection.KFold if self.is_regression else model_selection.StratifiedKFold
        return list(kind(folds, shuffle=True, random_state=_SPLIT_SEED).split(X, y))

    def _score(self, predicted: np.ndarray, y: np.ndarray) -> float:
        if self.is_regression:
            return float(np.sqrt(np.mean((predicted - y) ** 2)))
        return float(np.mean(predicted == y))

    def _model(self, params: Mapping[str, Any], seed: int, rows: int) -> Any:  # Any: scikit-learn estimators
        settings = dict(params)
        if "batch_size" in settings:
            settings["batch_size"] = min(settings["batch_size"], rows)
        if "n_neighbors" in settings:
            settings["n_neighbors"] = min(settings["n_neighbors"], rows)
        estimator = _estimator(self.model, self.is_regression, settings, seed)
        return pipeline.make_pipeline(StandardScaler(), estimator) if self.model in _SCALED else estimator


def fresh_subsets(n: int, size: int, seed: int) -> Iterator[np.ndarray]:
    """Yield subsets of ``size`` of n rows without end, none twice in a subset, and each again only after all others."""
    rng, waiting = np.random.default_rng(seed), np.empty(0, dtype=int)
    while True:
        if len(waiting) < size:
            others = np.setdiff1d(np.arange(n), waiting)
            waiting = np.concatenate([waiting, rng.permutation(others), rng.permutation(waiting)])
        yield waiting[:size]
        waiting = waiting[size:]


def _data(name: str) -> tuple[np.ndarray, np.ndarray]:
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def _fraction(rows: np.ndarray, fidelity: float) -> np.ndarray:
    """Return a fraction of the rows, always the same ones, the smaller within the larger."""
    if fidelity >= 1:
        return rows
    order = np.random.default_rng(_SPLIT_SEED).permutation(rows)
    return order[: max(20, round(fidelity * len(rows)))]


def _estimator(model: str, regression: bool, params: dict[str, Any], seed: int) -> Any:
    if model == "svm":
        capped = {**params, "max_iter": _MAX_SVM_ITERATIONS}
        return svm.SVR(**capped) if regression else svm.SVC(**capped, random_state=seed)
    if model == "knn":
        kind = neighbors.KNeighborsRegressor if regression else neighbors.KNeighborsClassifier
        return kind(**params)
    if model == "mlp":
        width, depth = params.pop("width"), params.pop("depth")
        params["hidden_layer_sizes"] = (width,) * depth
        kind = neural_network.MLPRegressor if regression else neural_network.MLPClassifier
        return kind(**params, max_iter=MLP_EPOCHS, random_state=seed)
    if model == "random_forest":
        kind = ensemble.RandomForestRegressor if regression else ensemble.RandomForestClassifier
        return kind(**params, n_jobs=1, random_state=seed)
    if model == "decision_tree":
        kind = tree.DecisionTreeRegressor if regression else tree.DecisionTreeClassifier
        return kind(**params, random_state=seed)
    boosting: Any = (
        ensemble.HistGradientBoostingRegressor if regression else ensemble.HistGradientBoostingClassifier
    )
    return boosting(**params, early_stopping=False, random_state=seed)
