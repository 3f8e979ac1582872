"""CPU of one ask and tell at long histories: means over 20 consecutive pairs with new data, 6-d mixed space, one thread."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from optimizers import make
from problems.base import Case, Outcome

import trialogue as tl

SPACE = tl.SearchSpace(
    [
        tl.Float("a", 1e-4, 1.0, log=True),
        tl.Float("b", 0.0, 1.0),
        tl.Float("c", -2.0, 2.0),
        tl.Int("k", 1, 64, log=True),
        tl.Categorical("m", ["p", "q", "r"]),
        tl.Categorical("f", [False, True]),
    ]
)


def objective(p: dict[str, Any]) -> float:
    x = (
        (np.log10(p["a"]) + 2) ** 2
        + 4 * (p["b"] - 0.3) ** 2
        + np.sin(3 * p["c"])
        + 0.2 * abs(np.log2(p["k"]) - 3)
    )
    return float(x + {"p": 0.0, "q": 0.5, "r": 0.2}[p["m"]] + 0.3 * p["f"])


def measure(name: str, sizes: tuple[int, ...] = (10, 100, 1000, 10_000), pairs: int = 20) -> dict[int, float]:
    """Print and return milliseconds of CPU per ask and tell at each length of the history."""
    out: dict[int, float] = {}
    for n in sizes:
        case = Case(tl.Problem(f"cpu-{n}", SPACE), "cpu", lambda p: Outcome(objective(dict(p))))
        optimizer = make(name, case, 0)
        fill(optimizer, n)
        spent = 0.0
        for i in range(pairs + 1):
            start = time.process_time()
            params = optimizer.ask()
            optimizer.tell(params, Outcome(objective(params)))
            spent += (time.process_time() - start) if i else 0.0
        out[n] = 1e3 * spent / pairs
        print(f"{name}: {out[n]:.1f} ms CPU per ask and tell at {n} trials", flush=True)
    return out


def fill(optimizer: Any, n: int) -> None:
    """Give the optimizer n random finished trials, by the quickest way it has."""
    from trialogue.evaluators.history import FinishedTrial
    from trialogue.evaluators.measurement import Measurement

    drawn = SPACE.sample(np.random.default_rng(0), n)
    if hasattr(optimizer, "history"):
        trials = [FinishedTrial(i, p, Measurement(objective(p))) for i, p in enumerate(drawn)]
        optimizer.history = optimizer.history.extended(finished=trials)
    elif hasattr(optimizer.study, "add_many"):
        optimizer.study.add_many([(p, objective(p)) for p in drawn])
    else:
        optuna, distributions = optimizer.optuna, SPACE.distributions()
        optimizer.study.add_trials(
            [optuna.create_trial(params=p, distributions=distributions, value=objective(p)) for p in drawn]
        )
