"""The loop in your own hands: ask, evaluate anywhere, tell."""

import trialogue as tl

space = tl.SearchSpace([tl.Float("x", -5, 10), tl.Float("y", 0, 15)])
study = tl.Study(tl.Problem("branin", space), seed=0)


def branin(x: float, y: float) -> float:
    """Return Branin's function: three minima of 0.398."""
    from math import cos, pi

    return (y - 5.1 * x**2 / (4 * pi**2) + 5 * x / pi - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10


for _ in range(20):
    trial = study.ask()
    study.tell(trial, branin(**trial.params))
    print(f"{trial.number:>3} {trial.source:<16} {study.trial(trial.number).value:8.3f}")

print("best", study.best_trial.value, dict(study.best_trial.params))
