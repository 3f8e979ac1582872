"""Successive halving: best full-fidelity loss for the same effort, with and without a ladder."""

import numpy as np

import trialogue as tl

SEEDS, EFFORT, EPOCHS = 2, 10 * 27, 27
KINDS = ("asha:random", "asha", "hyperband:random", "hyperband", "random", "surrogate")


def ladders() -> tuple[str, bool]:
    """Regret at full fidelity on trainings whose early losses say something, but not all, of the last."""
    found = {kind: [_regret(kind, seed) for seed in range(SEEDS)] for kind in KINDS}
    means = {kind: float(np.mean(values)) for kind, values in found.items()}
    words = (
        f"loss above the least after {EFFORT} epochs, 27 for a whole training, 4 parameters, {SEEDS} seeds: "
    )
    words += ", ".join(f"{kind} {mean:.4f}" for kind, mean in means.items())
    return words, means["asha:random"] < means["random"] and means["asha"] < means["surrogate"]


def training(params: dict[str, float]) -> float:
    """The loss of a training: what it converges to, and a part that falls with epochs, faster at large rates."""
    x = np.array([params[f"x{i}"] for i in range(3)])
    final = float(np.sum((x - np.array([0.3, 0.6, 0.8])) ** 2) + (np.log10(params["rate"]) + 2) ** 2 / 10)
    speed = 2 * params["rate"] ** 0.25
    return final + float(np.exp(-speed * params["epochs"]))


def _regret(kind: str, seed: int) -> float:
    space = tl.SearchSpace(
        [
            *(tl.Float(f"x{i}", 0, 1) for i in range(3)),
            tl.Float("rate", 1e-4, 1.0, log=True),
            tl.Int("epochs", 1, EPOCHS, log=True),
        ]
    )
    study = tl.Study(tl.Problem("training", space, fidelity=tl.Fidelity("epochs")), strategy=kind, seed=seed)
    effort, whole = 0, None if "asha" in kind or "hyperband" in kind else {"epochs": EPOCHS}
    begun: dict[int, int] = {}
    while effort < EFFORT:
        trial = study.ask(fixed=whole)
        epochs = int(str(trial.params["epochs"]))
        effort += epochs - (0 if trial.parent is None else begun[trial.parent])
        begun[trial.number] = epochs
        study.tell(trial, training(dict(trial.params)))  # pyright: ignore[reportArgumentType] - all are numbers
    return float(study.best_trial.value or 0.0)
