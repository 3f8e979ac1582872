"""What the ledger itself costs: CPU and wall time per ask+tell at few and at 10,000 trials, beside bare Optuna.

``python benchmarks/ledger.py [URL …]``; without a URL: in memory and an SQLite file in a temporary folder. The
strategy is a counter, so that nothing but the ledger is measured. Figures in ``docs/decisions/0030-*``.
"""

import sys
import tempfile
import time
from collections.abc import Callable

import optuna
from sqlalchemy import event

import trialogue as tl
from trialogue.agent.contracts import Ask, Decision, Plan
from trialogue.agent.ledger.database import normal_url
from trialogue.agent.views.overview import overviews

SPACE = tl.SearchSpace(
    [
        tl.Categorical("kernel", ["linear", "rbf"]),
        tl.Float("C", 1e-3, 1e3, log=True),
        tl.Float("gamma", 1e-5, 1e1, log=True, when={"kernel": ["rbf"]}),
        tl.Float("a", 0, 1),
        tl.Int("b", 1, 10),
        tl.Float("c", 0, 1),
    ]
)


class Counting:
    """A strategy that costs nothing."""

    name = "counting"

    def plan(self, ask: Ask) -> Plan:
        """Return the next of a fixed sequence of points."""
        params = {"kernel": "rbf", "C": 1.0 + ask.index / 1000, "gamma": 1e-3, "a": 0.5, "b": 3, "c": 0.1}
        return Plan((Decision(params, "benchmark", "next", "own"),))


def per_call(work: Callable[[], object], n: int) -> str:
    """Return CPU and wall milliseconds per call."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(n):
        work()
    cpu, wall = (time.process_time() - cpu) / n, (time.perf_counter() - wall) / n
    return f"{1000 * cpu:6.2f} ms CPU {1000 * wall:7.2f} ms wall"


def ours(url: str | None) -> None:
    """Print what our ledger costs on ``url``."""
    study = tl.Study(tl.Problem("p", SPACE), name=f"bench-{time.time()}", storage=url, strategy=Counting())
    pair = lambda: study.tell(study.ask(), 1.0)  # noqa: E731
    per_call(pair, 10)
    print(f"  ask+tell at  ~100 trials {per_call(pair, 100)}")
    rows = [
        ({"kernel": "linear", "C": 1 + i / 100, "a": 0.1, "b": 2, "c": 0.3}, float(i)) for i in range(10_000)
    ]
    print(f"  add_many of 10,000       {per_call(lambda: study.add_many(rows), 1)}")
    study.refresh()
    per_call(pair, 5)
    print(f"  ask+tell at 10,000       {per_call(pair, 100)}")
    print(f"  list of studies          {per_call(lambda: overviews(study.ledger), 5)}")
    print(f"  a page of 100 trials     {per_call(lambda: study.ledger.page(study.stored), 5)}")


def bare_optuna(url: str) -> None:
    """Print what Optuna's own storage costs on ``url`` for trials of the same size."""
    storage = optuna.storages.RDBStorage(url)
    if url.startswith("sqlite"):
        event.listen(storage.engine, "connect", lambda c, _: c.execute("PRAGMA journal_mode=WAL"))
        storage.engine.dispose()
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))

    def pair() -> None:
        trial = study.ask()
        for name in "abcdef":
            trial.suggest_float(name, 0, 1)
        for name in ("source", "verdict", "reason"):
            trial.set_user_attr(name, "x")
        study.tell(trial, 1.0)

    per_call(pair, 5)
    print(f"  bare Optuna, ask+tell    {per_call(pair, 50)}")


def main() -> None:
    """Measure each database named on the command line."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        urls = sys.argv[1:] or ["memory", f"sqlite:///{folder}/ledger.db"]
        for url in urls:
            print(url.split("@")[-1])
            ours(None if url == "memory" else url)
            if url != "memory":
                bare_optuna(normal_url(url))


if __name__ == "__main__":
    main()
