"""What the recorded surfaces are surfaces of: data sets, cross-validation, a small network, a made-up model server.

Everything is drawn from the generator that is passed in. Knows nothing of search spaces and tables.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

Params = Mapping[str, Any]
Data = tuple[np.ndarray, np.ndarray, bool]
"""X (n, p), y (n,), and whether y is a number."""
DIVERGED = 1e4
"""Squared errors of standardised responses beyond this are failures."""
Score = Callable[[Params], float]
"""The loss of a configuration; inf where it fails."""


def data_set(rng: np.random.Generator, regression: bool, rows: tuple[int, int] = (90, 220)) -> Data:
    """Return X (n, p), y (n,) and whether y is a number: standardised mostly, with irrelevant columns and noise."""
    from sklearn import datasets

    n, seed = int(rng.integers(*rows)), int(rng.integers(2**31))
    p = int(rng.integers(3, 16))
    if regression:
        X = rng.normal(size=(n, p))
        y = _response(rng, X)
    else:
        kinds = {
            "classes": lambda: datasets.make_classification(
                n, p + 2, n_informative=max(2, p // 2), n_redundant=min(2, p // 3), n_classes=int(rng.integers(2, 4)),
                n_clusters_per_class=1, class_sep=float(rng.uniform(0.4, 1.6)), flip_y=float(rng.uniform(0, 0.2)),
                random_state=seed,
            ),
            "moons": lambda: datasets.make_moons(n, noise=float(rng.uniform(0.1, 0.5)), random_state=seed),
            "circles": lambda: datasets.make_circles(
                n, noise=float(rng.uniform(0.05, 0.3)), factor=0.5, random_state=seed),
            "blobs": lambda: datasets.make_blobs(
                n, p, centers=int(rng.integers(3, 8)), cluster_std=float(rng.uniform(2, 6)), random_state=seed),
            "shells": lambda: datasets.make_gaussian_quantiles(
                n_samples=n, n_features=min(p, 6), n_classes=3, random_state=seed),
            "cut": lambda: _cut(rng, n, p),
        }  # fmt: skip
        X, y = kinds[str(rng.choice(list(kinds)))]()
        X = np.hstack([X, rng.normal(size=(n, int(rng.integers(0, 5))))])
    X = (X - X.mean(0)) / X.std(0)
    if rng.random() < 0.2:
        X = X * np.exp(rng.normal(size=X.shape[1]) * 1.5)
    return X, y, regression


def _response(rng: np.random.Generator, X: np.ndarray) -> np.ndarray:
    """Return standardised responses: linear, waves, steps or products of a few columns, and noise."""
    n, p = X.shape
    w = rng.normal(size=p) * (rng.random(p) < 0.6)
    parts = [
        X @ w,
        np.cos(X @ rng.normal(size=(p, 8)) * rng.uniform(0.3, 1.2) + rng.uniform(0, 6, 8)) @ rng.normal(size=8),
        (X @ rng.normal(size=(p, 5)) > rng.normal(size=5)) @ rng.normal(size=5),
        X[:, rng.integers(p)] * X[:, rng.integers(p)],
    ]  # fmt: skip
    mix = rng.dirichlet([0.4] * 4)
    y = np.sum([a * q / (q.std() + 1e-9) for a, q in zip(mix, parts, strict=True)], axis=0)
    y = y / (y.std() + 1e-9) + rng.exponential(0.4) * rng.normal(size=n)
    return (y - y.mean()) / y.std()


def _cut(rng: np.random.Generator, n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    X = rng.normal(size=(n, p))
    response = _response(rng, X)
    return X, np.digitize(response, np.quantile(response, [0.5] if rng.random() < 0.6 else [0.33, 0.66]))


def cross_validated(data: Data, make: Callable[..., Any], folds: int) -> Score:
    """Return the loss of a configuration: share of errors, or mean squared error, over fixed folds; inf if it fails."""
    from sklearn.model_selection import KFold, StratifiedKFold

    X, y, regression = data
    parts = list((KFold if regression else StratifiedKFold)(folds, shuffle=True, random_state=0).split(X, y))

    def score(params: Params) -> float:
        losses = []
        for train, test in parts:
            try:
                told = make(**params).fit(X[train], y[train]).predict(X[test])
            except (ValueError, FloatingPointError):
                return np.inf
            losses.append(np.mean((told - y[test]) ** 2) if regression else np.mean(told != y[test]))
        return float(np.mean(losses)) if np.mean(losses) < DIVERGED else np.inf

    return score


def shipped(rng: np.random.Generator) -> Data:
    """Return 200 rows of a data set that scikit-learn ships, or of a Friedman function, standardised."""
    from sklearn import datasets

    kind, seed = (
        str(rng.choice(["iris", "wine", "breast_cancer", "digits", "diabetes", "friedman1", "friedman2"])),
        0,
    )
    if kind.startswith("friedman"):
        X, y = getattr(datasets, f"make_{kind}")(200, noise=0.5, random_state=seed)
    else:
        X, y = getattr(datasets, f"load_{kind}")(return_X_y=True)
    rows = rng.permutation(len(X))[:200]
    X, y = X[rows][:, X[rows].std(0) > 0], y[rows]
    regression = kind in ("diabetes", "friedman1", "friedman2")
    return (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std() if regression else y, regression


def network(data: Data, seed: int, steps: int) -> Score:
    """Return the validation loss of a small network trained for a fixed number of steps."""
    X, y, regression = data
    cut = len(X) * 2 // 3
    inputs = torch.tensor(X, dtype=torch.float32)
    target = torch.tensor(y, dtype=torch.float32 if regression else torch.long)
    outputs = 1 if regression else int(y.max()) + 1

    def score(p: Params) -> float:
        torch.manual_seed(seed)
        width, layers = [inputs.shape[1]] + [p.get("hidden_size", 32)] * p.get("num_layers", 1), []
        for a, b in itertools.pairwise(width):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU(), torch.nn.Dropout(p.get("dropout", 0.0))]
        net = torch.nn.Sequential(*layers, torch.nn.Linear(width[-1], outputs))
        optimizer = _optimizer(net, p)
        for _ in range(steps):
            rows = torch.randint(0, cut, (p.get("batch_size", 32),))
            loss = _network_loss(net(inputs[rows]), target[rows], regression)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            value = float(_network_loss(net.eval()(inputs[cut:]), target[cut:], regression))
        return value if np.isfinite(value) and value < 1e4 else np.inf

    return score


def _optimizer(net: torch.nn.Module, p: Params) -> torch.optim.Optimizer:
    """Return AdamW, or SGD where it is chosen or where nothing but a momentum is given."""
    rate, decay = p.get("learning_rate", 3e-3), p.get("weight_decay", 0.01)
    if p.get("optimizer", "sgd" if "momentum" in p else "adamw") == "sgd":
        return torch.optim.SGD(net.parameters(), rate, momentum=p.get("momentum", 0.9), weight_decay=decay)
    return torch.optim.AdamW(net.parameters(), rate, betas=(p.get("beta1", 0.9), 0.999), weight_decay=decay)


def _network_loss(out: torch.Tensor, target: torch.Tensor, regression: bool) -> torch.Tensor:
    if regression:
        return torch.nn.functional.mse_loss(out[:, 0], target)
    return torch.nn.functional.cross_entropy(out, target)


def server(rng: np.random.Generator) -> Score:
    """Return the latency or the throughput of a made-up model server: a cache, a step time and a queue."""
    tokens_each, load = np.exp(rng.uniform(np.log(200), np.log(3000))), np.exp(rng.uniform(1, 6))
    cache = np.exp(rng.uniform(np.log(2e4), np.log(4e5)))
    base, per_token, per_request = rng.uniform(5, 30), rng.uniform(0.002, 0.03), rng.uniform(0.01, 0.2)
    shared, latency, over = rng.uniform(0, 0.5), rng.random() < 0.5, rng.uniform(0.94, 0.99)

    def score(p: Params) -> float:
        memory = p.get("gpu_memory_utilization", 0.9)
        if memory > over:
            return np.inf
        room = cache * (memory - 0.4) / 0.5 / tokens_each * (1 - 0.002 * p.get("block_size", 16))
        seats = p.get("max_num_seqs", 128)
        running = min(seats, load, max(room, 1))
        lost = max(0.0, min(seats, load) / max(room, 1) - 1)  # preemption: work done twice
        budget = p.get("max_num_batched_tokens", 4096)
        chunk = min(budget, tokens_each * 2)
        saved = 1 - shared * p.get("enable_prefix_caching", True)
        step = (
            base
            + per_token * chunk * saved * (1.0 if p.get("enable_chunked_prefill", True) else 1.4)
            + per_request * running
        )
        steps = tokens_each * saved * running / budget + tokens_each * 0.3
        throughput = running / (step * steps) * 1e3 / (1 + 0.5 * lost)
        return (
            float(step * (1 + lost) + max(0.0, load - running) * step * 0.1)
            if latency
            else -float(throughput)
        )

    return score
