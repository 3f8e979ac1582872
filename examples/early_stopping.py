"""Early stopping: a trial reports as it goes, and a pruner ends those that lag behind."""

import optuna

import trialogue as tl


def train(params: dict, run) -> float:
    """Return the loss after 20 made-up epochs: slow where the rate is small, unstable where it is large."""
    loss, rate = 1.0, params["rate"]
    for epoch in range(20):
        loss *= 1 - rate if rate < 0.3 else 0.7 + rate
        if run.report(epoch, loss):
            break
    return loss


space = tl.SearchSpace([tl.Float("rate", 1e-3, 1.0, log=True)])
study = tl.Study(
    tl.Problem("training", space), seed=0, pruner=optuna.pruners.MedianPruner(n_startup_trials=1)
)
study.run(train, n_trials=15)
print(sum(trial.state == "pruned" for trial in study.trials), "stopped early; best", study.best_trial.value)
