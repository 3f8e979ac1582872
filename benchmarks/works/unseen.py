"""Protocols on data measured: splits by similarity and by time, phases, data cards, soups of a study's trials."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from problems.synthetic import hartmann3
from safetensors.numpy import save_file
from sklearn.ensemble import RandomForestRegressor

import trialogue as tl
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.digits import accuracy, adam, copied, digits, fit
from trialogue.evaluators.targets.networks import generator, mlp
from trialogue.evaluators.targets.sklearn_cv import CrossValidation

MODELS = ("knn", "svm", "decision_tree", "random_forest")
DATASETS = ("wine", "breast_cancer")


def splits() -> tuple[str, bool]:
    """Score four models at their defaults, on random folds, on clusters left out, and forward in the order of the rows."""
    scores: dict[str, list[float]] = {split: [] for split in ("random", "similarity", "time")}
    for dataset in DATASETS:
        for model in MODELS:
            for split, found in scores.items():
                if (dataset, split) == ("wine", "time"):  # rows in the order of their classes
                    continue
                target = CrossValidation(dataset, model, split=split)
                found.append(target(target.problem.space.default(), Run()).value)
    random, similar, later = (np.array(found) for found in scores.values())
    best = [[MODELS[int(s[i : i + 4].argmax())] for i in (0, 4)] for s in (random, similar)]
    words = (
        f"accuracy {random.mean():.3f} random, {similar.mean():.3f} on clusters left out, {later.mean():.3f} forward in "
        f"row order (breast_cancer, {random[4:].mean():.3f} random); best of four models on {' and '.join(DATASETS)}: "
        f"{best[0]} random, {best[1]} on clusters"
    )
    return words, bool((similar <= random).mean() >= 0.75 and similar.mean() < random.mean())


def phases() -> tuple[str, bool]:
    """Tune by 15 random trials on one part of the rows, evaluate the winner on the other: a cluster, or drawn at random."""
    protocol = tl.StudyProtocol(data={"tuning": ["tuning"], "test": ["test"]})
    optimism: dict[str, list[float]] = {"random": [], "similarity": []}
    for split, found in optimism.items():
        for dataset in DATASETS:
            for model in ("knn", "decision_tree", "svm"):
                target = CrossValidation(dataset, model, folds=4, split=split)
                study = tl.Study(target.problem, strategy="random", protocol=protocol)
                study.run(target, 15)
                score = study.test(target).optimism
                assert score is not None
                found.append(score)
    said = [f"{np.mean(f):+.3f} ± {np.std(f, ddof=1) / np.sqrt(len(f)):.3f} {s}" for s, f in optimism.items()]
    drawn = np.array(optimism["random"])
    return f"optimism of the tuned accuracy, six studies each: {', '.join(said)}", bool(
        drawn.mean() > 2 * drawn.std(ddof=1) / np.sqrt(len(drawn))
    )


def cards() -> tuple[str, bool]:
    """Twenty sets of 60 trials of Hartmann's function in three dimensions, from narrow to wide; what a forest that is
    trained on each knows of 500 random points, beside what the cards say."""
    problem = tl.Problem("hartmann3", tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(3)]))
    rng = np.random.default_rng(0)
    unseen = rng.random((500, 3))
    truth = np.array([hartmann3(x) for x in unseen])
    told: dict[str, list[float]] = {"diversity": [], "coverage": [], "utility": []}
    known: list[float] = []
    for _ in range(20):
        centre, width = rng.random(3), rng.uniform(0.1, 1.0)
        X = np.clip(centre + width * (rng.random((60, 3)) - 0.5), 0, 1)
        y = np.array([hartmann3(x) for x in X])
        trials = [
            FinishedTrial(i, problem.space.decode(x[None, :])[0], tl.Measurement(float(v)))
            for i, (x, v) in enumerate(zip(X, y, strict=True))
        ]
        card = tl.data_card(History(problem).extended(finished=trials))
        for name, values in told.items():
            values.append(getattr(card, name))
        predicted = RandomForestRegressor(50, random_state=0).fit(X, y).predict(unseen)
        known.append(_rank_correlation(predicted, truth))
    found = {name: _rank_correlation(values, known) for name, values in told.items()}
    words = ", ".join(f"{name} {value:+.2f}" for name, value in found.items())
    return f"rank correlation with what is known of the whole space: {words}", found["diversity"] > 0.5


def _rank_correlation(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    first, second = (np.argsort(np.argsort(x)) for x in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def soups() -> tuple[str, bool]:
    """Fine-tune digits from one start by eight random trials; the soup against the best trial on test images, six seeds."""
    gaps = [_soup_gap(seed) for seed in range(6)]
    sem = np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    return f"soup less best trial {np.mean(gaps):+.2f} ± {sem:.2f} points", bool(np.mean(gaps) > 2 * sem)


def _soup_gap(seed: int) -> float:
    train, choose, test = digits()
    stream = generator(seed)
    base = mlp([64, 128, 10], stream)
    fit(base, train.shifted(stream), adam(base.parameters(), 2e-3), stream, epochs=5)

    def loaded(weights: Mapping[str, Any]) -> torch.nn.Sequential:
        network = copied(base)
        network.load_state_dict({name: torch.from_numpy(w.copy()) for name, w in weights.items()})
        return network

    def fine_tune(params: Mapping[str, Any], run: Run) -> float:
        network = copied(base)
        optimizer = adam(network.parameters(), params["lr"], params["decay"])
        fit(network, train.first(300), optimizer, generator(run.seed), epochs=params["epochs"], batch=32)
        save_file({n: w.numpy() for n, w in network.state_dict().items()}, run.workdir / "m.safetensors")
        return accuracy(network, choose)

    space = tl.SearchSpace(
        [
            tl.Float("lr", 1e-3, 1e-2, log=True),
            tl.Float("decay", 1e-4, 1e-1, log=True),
            tl.Int("epochs", 3, 12),
        ]
    )
    problem = tl.Problem("digits", space, [tl.Objective("accuracy", "maximize")])
    with TemporaryDirectory() as folder:
        study = tl.Study(problem, strategy="random", seed=seed)
        study.run(fine_tune, 8, workdir=folder)
        soup = study.soup(lambda weights: accuracy(loaded(weights), choose), folder)
        single = study.soup(lambda weights: accuracy(loaded(weights), choose), folder, most=1)
        assert Path(folder).is_dir()
    return accuracy(loaded(soup.weights), test) - accuracy(loaded(single.weights), test)
