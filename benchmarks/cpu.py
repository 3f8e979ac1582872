"""CPU of one ask and tell at long histories: means over 20 consecutive pairs with new data, 6-d mixed space, one thread.

The first pairs after the history is given are left out: one for most, which fits to all of it at once, and for SMAC ten that
may come from its design. A pair that takes longer than ``LONGEST`` ends the measurement at that length, as does a
total of ``PATIENCE`` (then fewer pairs are averaged, and it is said).
"""

import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from optimizers import make
from problems.base import Case, Outcome

import trialogue as tl

LONGEST = 90.0
"""Seconds of wall time that one pair may take: on a busy machine about half of it is CPU."""
PATIENCE = 150.0
"""Seconds of wall time that all pairs at one length may take, and that giving the history may take."""
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
    """Print and return milliseconds of CPU per ask and tell at each length of the history; infinity beyond the limits."""
    out: dict[int, float] = {}
    for n in sizes:
        spent = _measured(name, n, pairs)
        out[n] = 1e3 * float(np.mean(spent)) if spent else np.inf
        said = (
            f"{out[n]:.1f} ms CPU per ask and tell, {len(spent)} pairs"
            if spent
            else f"no pair within {LONGEST:.0f} s of wall time"
        )
        print(f"{name} at {n:,} trials: {said}", flush=True)
        if not spent:
            break
    return out


def _measured(name: str, n: int, pairs: int) -> list[float]:
    """Return the CPU seconds of each pair, measured in a process of its own that is ended when it takes too long."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_pairs, args=(theirs, name, n, pairs))
    process.start()
    theirs.close()
    spent, skipped = list[float](), 10 if name == "smac" else 1
    try:
        filled, begun = ours.poll(PATIENCE) and ours.recv(), time.monotonic()
        while (
            filled
            and len(spent) < pairs + skipped
            and time.monotonic() - begun < PATIENCE
            and ours.poll(LONGEST)
        ):
            spent.append(ours.recv())
    except EOFError:
        print(f"{name} at {n} trials: ended after {len(spent)} pairs", flush=True)
    process.kill()
    process.join()
    return spent[skipped:]


def _pairs(pipe: Connection, name: str, n: int, pairs: int) -> None:
    case = Case(tl.Problem(f"cpu-{n}", SPACE), "cpu", lambda p: Outcome(objective(dict(p))))
    optimizer = make(name, case, 0)
    fill(optimizer, n)
    pipe.send(True)
    for _ in range(pairs + 10):
        before = time.process_time() + getattr(optimizer, "cpu", 0.0)
        params = optimizer.ask()
        optimizer.tell(params, Outcome(objective(params)))
        pipe.send(time.process_time() + getattr(optimizer, "cpu", 0.0) - before)


def fill(optimizer: Any, n: int) -> None:
    """Give the optimizer n random finished trials, by the quickest way it has."""
    from trialogue.evaluators.problems.history import FinishedTrial
    from trialogue.evaluators.problems.measurement import Measurement

    drawn = SPACE.sample(np.random.default_rng(0), n)
    if hasattr(optimizer, "history"):
        trials = [FinishedTrial(i, p, Measurement(objective(p))) for i, p in enumerate(drawn)]
        optimizer.history = optimizer.history.extended(finished=trials)
    elif hasattr(optimizer, "fill"):
        optimizer.fill([(p, objective(p)) for p in drawn])
    elif hasattr(optimizer.study, "add_many"):
        optimizer.study.add_many([(p, objective(p)) for p in drawn])
    else:
        optuna, distributions = optimizer.optuna, SPACE.distributions()
        optimizer.study.add_trials(
            [optuna.create_trial(params=p, distributions=distributions, value=objective(p)) for p in drawn]
        )
