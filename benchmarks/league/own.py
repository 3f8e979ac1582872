"""Our own runs on the tasks of a suite: trialogue's surrogate without a model, its peers, and random search.

On a listed space Optuna's TPE suggests each column on its own and is told the value of the nearest row; a row asked for
twice costs twice. Each run is kept as one line of JSON; what is there is not run again.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optimizers import Optimizer, Optuna, make

from .suite import Params, Task

Runs = dict[tuple[str, str, int], dict[str, Any]]


class Snapped(Optuna):
    """Optuna's TPE, its suggestions moved to the nearest row."""

    def ask(self) -> dict[str, Any]:
        space = self.case.problem.space
        self.trial = self.study.ask()
        return space.clip({n: self.trial._suggest(n, d) for n, d in space.distributions().items()})


def optimizer(name: str, task: Task, seed: int) -> Optimizer:
    """Return an optimizer by the name that ``optimizers.make`` knows, fit for the task's space."""
    if task.listed and name.startswith("optuna-"):
        return Snapped(task.case, seed, sampler=name.removeprefix("optuna-"))
    return make(name, task.case, seed)


def run(task: Task, name: str, seed: int) -> dict[str, Any]:
    """Return one run: what was measured, and the regret of the best configuration so far after each trial."""
    searcher, start = optimizer(name, task, seed), time.process_time()
    first = None if task.first is None else dict(task.first(seed))
    if first is not None and isinstance(searcher, Optuna):
        searcher.study.enqueue_trial(first)
    values: list[float] = []
    tried: list[Params] = []
    for number in range(task.trials):
        prescribed = number == 0 and first is not None and not isinstance(searcher, Optuna)
        params = first if prescribed and first is not None else searcher.ask()
        outcome = task.case.evaluate(params)
        searcher.tell(dict(params), outcome)
        values.append(np.inf if outcome.value is None else outcome.value)
        tried.append(params)
    cpu_s = time.process_time() - start + getattr(searcher, "cpu", 0.0)
    best = [int(np.argmin(values[: n + 1])) for n in range(task.trials)]
    curve = [task.regret(tried[i]) for i in best]
    return {
        "task": task.name,
        "optimizer": name,
        "seed": seed,
        "values": values,
        "regret": curve,
        "cpu_s": cpu_s,
    }


def load(home: Path, suite: str) -> Runs:
    """Return the kept runs of a suite by task, optimizer and seed."""
    path = home / f"{suite}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {(r["task"], r["optimizer"], r["seed"]): r for r in map(json.loads, lines)}


def run_missing(
    home: Path, suite: str, tasks: Sequence[Task], names: Sequence[str], seeds: Iterable[int], stop_s: float
) -> None:
    """Run what is missing or shorter, seed by seed, until done or for ``stop_s`` seconds; a run begun is finished."""
    home.mkdir(parents=True, exist_ok=True)
    runs, start = load(home, suite), time.monotonic()
    for task, name, seed in [(t, n, s) for s in seeds for t in tasks for n in names]:
        if len(runs.get((task.name, name, seed), {}).get("values", ())) >= task.trials:
            continue
        if time.monotonic() - start > stop_s:
            return
        record = run(task, name, seed)
        with (home / f"{suite}.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")


def means(
    runs: Runs, tasks: Sequence[Task], names: Sequence[str], mark: int
) -> Mapping[str, Mapping[str, float]]:
    """Return the mean regret after ``mark`` trials, by optimizer and task, over the seeds that every optimizer has."""
    out: dict[str, dict[str, float]] = {name: {} for name in names}
    for task in tasks:
        whole = seeds(runs, task, names, mark)
        for name in names if whole else ():
            out[name][task.name] = float(
                np.mean([runs[task.name, name, s]["regret"][mark - 1] for s in whole])
            )
    return out


def gaps(runs: Runs, tasks: Sequence[Task], ours: str, theirs: str, mark: int) -> list[list[float]]:
    """Return the difference in regret after ``mark`` trials by task and seed, over the seeds that both have."""
    both = [(t, sorted(seeds(runs, t, [ours, theirs], mark))) for t in tasks]
    return [
        [runs[t.name, ours, s]["regret"][mark - 1] - runs[t.name, theirs, s]["regret"][mark - 1] for s in ran]
        for t, ran in both
        if ran
    ]


def seeds(runs: Runs, task: Task, names: Sequence[str], mark: int) -> set[int]:
    """Return the seeds with which every optimizer ran the task to ``mark`` trials."""
    ran = [
        {s for t, n, s in runs if (t, n) == (task.name, name) and len(runs[t, n, s]["values"]) >= mark}
        for name in names
    ]
    return set.intersection(*ran) if ran else set()
