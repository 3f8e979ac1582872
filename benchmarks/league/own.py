"""Our own runs on a table: trialogue's surrogate without a model, random rows, and Optuna's TPE.

All start from a row drawn at random: no default of ours. Optuna suggests each column on its own and is told the value
of the nearest row; a row asked for twice costs twice. Each run is kept as one line of JSON; what is there is not run again.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from optimizers import Optuna, Random, Trialogue
from problems.base import Outcome

from .moot import OBJECTIVE, Table

NAMES = ("trialogue", "optuna-tpe", "random")
Runs = dict[tuple[str, str, int], dict[str, Any]]


class Snapped(Optuna):
    """Optuna's TPE, its suggestions moved to the nearest row."""

    def ask(self) -> dict[str, Any]:
        space = self.case.problem.space
        self.trial = self.study.ask()
        return space.clip({n: self.trial._suggest(n, d) for n, d in space.distributions().items()})


def run(table: Table, name: str, seed: int, trials: int) -> dict[str, Any]:
    """Return one run: its measured distances, and the regret of its best configuration after each trial."""
    replay = table.replay()
    case: Any = SimpleNamespace(problem=replay.problem)
    make = {"trialogue": Trialogue, "random": Random, "optuna-tpe": lambda c, s: Snapped(c, s, sampler="tpe")}
    optimizer, start = make[name](case, seed), time.process_time()
    first = replay.problem.space.sample(np.random.default_rng([seed, 18]), 1)[0]
    if isinstance(optimizer, Optuna):
        optimizer.study.enqueue_trial(first)
    values: list[float] = []
    tried: list[Mapping[str, Any]] = []
    for number in range(trials):
        params = first if number == 0 and name != "optuna-tpe" else optimizer.ask()
        value = replay.rows[replay.problem.space.key(params)][0].result[OBJECTIVE]
        optimizer.tell(params, Outcome(value))
        values.append(value)
        tried.append(params)
    best = [int(np.argmin(values[: n + 1])) for n in range(trials)]
    curve = [table.score(tried[i]) for i in best]
    return {"table": table.name, "optimizer": name, "seed": seed, "values": values, "regret": curve,
            "cpu_s": time.process_time() - start}  # fmt: skip


def load(home: Path) -> Runs:
    """Return the kept runs by table, optimizer and seed."""
    path = home / "moot.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {(r["table"], r["optimizer"], r["seed"]): r for r in map(json.loads, lines)}


def run_missing(home: Path, tables: Sequence[Table], seeds: int, trials: int, stop_s: float) -> None:
    """Run what is missing, seed by seed, until done or for ``stop_s`` seconds; a run begun is finished."""
    home.mkdir(parents=True, exist_ok=True)
    runs, start = load(home), time.monotonic()
    jobs = [(t, n, s) for s in range(seeds) for t in tables for n in NAMES if (t.name, n, s) not in runs]
    for table, name, seed in jobs:
        if time.monotonic() - start > stop_s:
            return
        record = run(table, name, seed, trials)
        with (home / "moot.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
